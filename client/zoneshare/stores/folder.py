"""The default store: a folder, shared by buyer and seller, of one file a block named by its CID."""

import os
import secrets
from pathlib import Path

from zoneshare.stores import StoreFailed, cid
from zoneshare_protocols.errors import LimitExceeded, Misuse, NotFound
from zoneshare_protocols.sharing.records import MAX_CHUNK


class FolderStore:
    """Blocks lie at ``<folder>/<the CID's last two letters but one>/<CID>``, as in kubo's flatfs.

    A block is written beside its place, forced to disk and renamed, so that a block that is there is whole.
    """

    def __init__(self, folder: str | Path) -> None:
        """Raises Misuse when the folder cannot be made."""
        self._root = Path(folder)
        try:
            self._root.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise Misuse(f"cannot use {self._root} as a store: {cause.strerror}") from cause

    def _path(self, name: str) -> Path:
        return self._root / name[-3:-1] / name

    def put(self, data: bytes) -> str:
        """Raises StoreFailed when the disk is full or may not be written; LimitExceeded over 1 MiB."""
        if len(data) > MAX_CHUNK:
            raise LimitExceeded("a block is one IPFS block at most", value=len(data), limit=MAX_CHUNK)
        name = cid.of(data)
        path = self._path(name)
        if self.has(name):
            return name
        draft = path.with_name(f".{name}.{secrets.token_hex(8)}")
        try:
            path.parent.mkdir(exist_ok=True)
            try:
                with draft.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
        except OSError as cause:
            raise StoreFailed(f"cannot keep a block in {self._root}: {cause.strerror}", cid=name) from cause
        return name

    def get(self, name: str) -> bytes:
        """Raises NotFound, DataCorrupt when the block was altered, StoreFailed when it cannot be read."""
        cid.to_digest(name)
        try:
            with self._path(name).open("rb") as file:
                data = file.read(MAX_CHUNK + 1)
        except FileNotFoundError as cause:
            raise NotFound("no such block in the store", cid=name) from cause
        except OSError as cause:
            raise StoreFailed(f"cannot read a block in {self._root}: {cause.strerror}", cid=name) from cause
        return cid.check(name, data)

    def has(self, name: str) -> bool:
        """Whether the block is there, whole: one that was altered or cut short counts as missing."""
        cid.to_digest(name)
        try:
            return cid.of(self._path(name).read_bytes()) == name
        except OSError:
            return False
