"""A file on its way: chunks in their places, and ciphertexts that are paid for and whose keys are still to come."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoneshare.stores import StoreFailed
from zoneshare_protocols.errors import Misuse

SUFFIX = ".zoneshare-part"


def check_target(path: Path) -> Path:
    """Where a file may go, made absolute. Raises Misuse when something is there already, or it cannot be written."""
    path = path.absolute()
    folder = path.with_name(path.name + SUFFIX)
    try:
        if path.exists():
            raise Misuse(f"{path} is there already: nothing was changed")
        if not path.parent.is_dir():
            raise Misuse(f"no folder {path.parent}")
        # Tried out: permissions do not tell of read-only file systems, nor of those that take no files.
        fresh = not folder.exists()
        folder.mkdir(exist_ok=True)
        try:
            with tempfile.NamedTemporaryFile(dir=folder) as file:
                file.write(b"x")
        finally:
            if fresh:
                folder.rmdir()
    except OSError as cause:
        raise Misuse(f"cannot write {path}: {cause.strerror}") from cause
    return path


class PartialFailed(StoreFailed):
    """The partial file cannot be written: disk full, or no permission. What is paid for is kept for a later try."""

    retryable = False


class PartialFile:
    """The folder ``<path>.zoneshare-part`` until the file is whole; made when it is needed, it survives the process.

    All methods raise PartialFailed when the disk is full or cannot be written.
    """

    def __init__(self, path: Path, chunk_size: int) -> None:
        self._path, self._chunk_size = path, chunk_size
        self._folder = path.with_name(path.name + SUFFIX)
        self._file = -1

    def keep(self, index: int, ciphertext: bytes) -> None:
        """Hold a ciphertext until :meth:`drop`: A does not pay for what it does not have."""
        with self._explained():
            self._folder.mkdir(exist_ok=True)
            self._cipher(index).write_bytes(ciphertext)

    def kept(self, index: int) -> bytes | None:
        try:
            return self._cipher(index).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, index: int, plaintext: bytes) -> None:
        """Put a chunk into its place."""
        with self._explained():
            os.pwrite(self._data(), plaintext, index * self._chunk_size)

    def drop(self, index: int) -> None:
        """The chunk's key is in the journal: its ciphertext is not needed any more."""
        self._cipher(index).unlink(missing_ok=True)

    def read(self, index: int) -> bytes:
        """What stands in a chunk's place; fewer bytes, or others, where it was never written."""
        return os.pread(self._data(), self._chunk_size, index * self._chunk_size)

    def finish(self) -> None:
        """All chunks are there: the file appears under its name, whole. Raises Misuse when another one is there."""
        if self._path.exists():
            raise Misuse(f"{self._path} is there already: the file stays in {self._folder}")
        with self._explained():
            os.fsync(self._data())
            self.close()
            (self._folder / "data").replace(self._path)
            shutil.rmtree(self._folder)

    def close(self) -> None:
        """May be called twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _data(self) -> int:
        if self._file < 0:
            with self._explained():
                self._folder.mkdir(exist_ok=True)
                self._file = os.open(self._folder / "data", os.O_RDWR | os.O_CREAT, 0o644)
        return self._file

    def _cipher(self, index: int) -> Path:
        return self._folder / f"{index:010d}.cipher"

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as cause:
            raise PartialFailed(f"cannot write {self._path}: {cause.strerror}") from cause
