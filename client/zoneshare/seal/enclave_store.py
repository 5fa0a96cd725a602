"""The host's disk for an enclave: a folder an auction, with its sealed secrets and the bids as they came."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from zoneshare_protocols.codec import decode, encode
from zoneshare_protocols.errors import Malformed, Misuse
from zoneshare_protocols.seal.bids import SealedBid

log = logging.getLogger(__name__)

SECRETS = "secrets.sealed"


class FolderStore:
    """``.enclave.Store`` in a folder; what is kept survives a crash of the machine."""

    def __init__(self, folder: Path) -> None:
        """Raises Misuse where no folder can be made."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as cause:
            raise Misuse(f"cannot keep auctions in {folder}: {cause.strerror}") from cause
        self._folder = folder

    def load(self) -> Iterator[tuple[bytes, bytes, tuple[SealedBid, ...]]]:
        """Damaged bids are left out, and logged: their makers' receipts stand, so the host has to find them again."""
        for path in sorted(self._folder.glob(f"*/{SECRETS}")):
            bids = tuple(bid for file in sorted(path.parent.glob("*.bid")) if (bid := _read(file)) is not None)
            yield bytes.fromhex(path.parent.name), path.read_bytes(), bids

    def keep(self, auction: bytes, sealed: bytes) -> None:
        (self._folder / auction.hex()).mkdir(mode=0o700, exist_ok=True)
        self._write(auction, SECRETS, sealed)

    def keep_bid(self, bid: SealedBid) -> None:
        self._write(bid.auction, f"{bid.hash.hex()}.bid", encode(bid))

    def forget(self, auction: bytes) -> None:
        folder = self._folder / auction.hex()
        (folder / SECRETS).unlink(missing_ok=True)
        for path in folder.glob("*"):
            path.unlink()
        folder.rmdir()

    def _write(self, auction: bytes, name: str, data: bytes) -> None:
        folder = self._folder / auction.hex()
        half = folder / f".{name}.half"
        with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        half.replace(folder / name)
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _read(path: Path) -> SealedBid | None:
    try:
        found = decode(SealedBid, path.read_bytes())
    except Malformed:
        log.warning("%s is no sealed bid", path)
        return None
    return found
