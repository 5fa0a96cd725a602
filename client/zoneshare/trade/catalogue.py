"""What a seller offers: files cut into chunks, whose salted hashes are made once and name the data (D)."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from zoneshare.trade.journal import Entry, Journal
from zoneshare_protocols.codec import Count, Digest, Key32, Record
from zoneshare_protocols.errors import DataCorrupt, Misuse, NotFound
from zoneshare_protocols.sharing.chunkcipher import MAX_PLAINTEXT, data_name, plain_hash

DEFAULT_CHUNK = 100_000
"""Bytes of plaintext in a chunk, the paper's case study."""
KIND = "catalogue"


class Item(Record, frozen=True, tag="catalogue-item/1"):
    """One file on offer."""

    path: str
    size: Count
    mtime_ns: Count
    inode: Count
    chunk_size: Annotated[int, msgspec.Meta(ge=1, le=MAX_PLAINTEXT)]
    price: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    """For one chunk."""
    salt: Key32
    hashes: tuple[Digest, ...]
    """Salted, of every chunk's plaintext."""

    @property
    def data(self) -> bytes:
        """D."""
        return data_name(self.hashes)

    @property
    def name(self) -> str:
        return Path(self.path).name


class Catalogue:
    """The files a seller offers, kept in its journal under D."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def add(
        self,
        path: Path,
        price: int,
        chunk_size: int = DEFAULT_CHUNK,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Item:
        """Offer a file at ``price`` a chunk; see :meth:`read`."""
        item = self.read(path, price, chunk_size, progress)
        self.offer(item)
        return item

    def read(
        self,
        path: Path,
        price: int,
        chunk_size: int = DEFAULT_CHUNK,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Item:
        """A file as it can be offered, at ``price`` a chunk. ``progress`` is called with the bytes hashed so far.

        A file that is offered already, unchanged, keeps its name D and gets the new price. Raises Misuse when the
        file is missing, unreadable, empty or no file, or the chunk size out of range; DataCorrupt when it changes
        while it is read.
        """
        if not 1 <= chunk_size <= MAX_PLAINTEXT:
            raise Misuse(f"a chunk has 1 to {MAX_PLAINTEXT} bytes", chunk_size=chunk_size)
        if not 1 <= price <= 2**63 - 1:
            raise Misuse("a chunk's price is at least 1, and below 2^63", price=price)
        path = path.absolute()
        signature = stat_signature(path)
        item = self._unchanged(path, signature, chunk_size)
        if item is None:
            salt = secrets.token_bytes(32)
            hashes = []
            done = 0
            for chunk in _chunks(path, chunk_size):
                hashes.append(plain_hash(salt, chunk))
                done += len(chunk)
                progress(done)
            if stat_signature(path) != signature or done != signature[0]:
                raise DataCorrupt(f"{path} changed while it was read: add it again")
            item = Item(str(path), *signature, chunk_size, price, salt, tuple(hashes))
        return msgspec.structs.replace(item, price=price)

    def offer(self, *items: Item) -> None:
        self._journal.write(*(Entry.of(KIND, item.data.hex(), item) for item in items))

    def remove(self, data: bytes) -> Item:
        """Offer D no more; purchases whose goods are committed to go on. Raises NotFound."""
        item = self.find(data)
        self._journal.write(Entry(KIND, data.hex(), None))
        return item

    def _unchanged(self, path: Path, signature: tuple[int, int, int], chunk_size: int) -> Item | None:
        for item in self.items():
            if (item.path, item.size, item.mtime_ns, item.inode) == (str(path), *signature) and (
                item.chunk_size == chunk_size
            ):
                return item
        return None

    def items(self) -> list[Item]:
        return [item for _, item in self._journal.scan(KIND, Item)]

    def find(self, data: bytes) -> Item:
        """The offer of D. Raises NotFound."""
        item = self._journal.get(KIND, data.hex(), Item)
        if item is None:
            raise NotFound("this seller does not offer these data", data=data.hex())
        return item


def read_chunks(item: Item) -> Iterator[bytes]:
    """The chunks of a file on offer, each checked against its hash, so that a seller never commits to other data.

    Raises Misuse when the file is gone or unreadable, DataCorrupt when it changed since it was offered.
    """
    changed = f"{item.path} changed since it was offered: add it again"
    if stat_signature(Path(item.path)) != (item.size, item.mtime_ns, item.inode):
        raise DataCorrupt(changed)
    count = 0
    for chunk, expected in zip(_chunks(Path(item.path), item.chunk_size), item.hashes, strict=False):
        if plain_hash(item.salt, chunk) != expected:
            raise DataCorrupt(changed)
        count += 1
        yield chunk
    if count != len(item.hashes):
        raise DataCorrupt(changed)


def stat_signature(path: Path) -> tuple[int, int, int]:
    """(bytes, modification time in ns, inode) of a file that can be sold. Raises Misuse for what cannot."""
    try:
        stat = path.stat()
    except FileNotFoundError as cause:
        raise Misuse(f"no file {path}") from cause
    except OSError as cause:
        raise Misuse(f"cannot read {path}: {cause.strerror}") from cause
    if not path.is_file():
        raise Misuse(f"{path} is not a file")
    if stat.st_size == 0:
        raise Misuse(f"{path} is empty: there is nothing to sell")
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _chunks(path: Path, size: int) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(size):
                yield chunk
    except OSError as cause:
        raise Misuse(f"cannot read {path}: {cause.strerror}") from cause
