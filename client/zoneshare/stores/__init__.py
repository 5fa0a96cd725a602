"""Where the ciphertexts lie: a store gives every block of bytes its CID, and the block back for its CID."""

from typing import Protocol

from zoneshare_protocols.errors import LedgerFailed


class StoreFailed(LedgerFailed):
    """The store did not answer, or could not keep a block (disk full, no permission); trying again may help."""

    retryable = True


class Store(Protocol):
    """Blocks of at most 1 MiB by their CID. Methods block, and are safe to call from many threads."""

    def put(self, data: bytes) -> str:
        """Keep a block; its CID. Raises StoreFailed, LimitExceeded."""

    def get(self, name: str) -> bytes:
        """The block, checked against its CID. Raises NotFound, DataCorrupt, StoreFailed; Malformed for a bad CID."""

    def has(self, name: str) -> bool: ...


def open_store(where: str) -> Store:
    """A store by its address: ``http://…`` is kubo's RPC, everything else a folder. Raises Misuse."""
    from zoneshare.stores.folder import FolderStore
    from zoneshare.stores.kubo import KuboStore

    return KuboStore(where) if where.startswith(("http://", "https://")) else FolderStore(where)
