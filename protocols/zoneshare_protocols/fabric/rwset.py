"""Read-write sets: what a simulated transaction has read, at which versions, and what it would write."""

from dataclasses import dataclass
from typing import NamedTuple


class Version(NamedTuple):
    """Where a key was last written: block number, and place of the transaction in the block. Orders by height."""

    block: int
    tx: int


class Read(NamedTuple):
    """``version`` is None where the key was not there."""

    key: str
    version: Version | None


class Write(NamedTuple):
    """``value`` is empty for a delete."""

    key: str
    value: bytes
    is_delete: bool = False


@dataclass(frozen=True)
class MerkleSummary:
    """What stands for a long range query's reads where the ledger hashes them (off by default in Fabric)."""

    max_degree: int
    max_level: int
    hashes: tuple[bytes, ...]


@dataclass(frozen=True)
class RangeQuery:
    """A range read and what it gave; re-executed at commit, so that no phantom goes unseen."""

    start: str
    end: str
    """Excluded; "" is the end of the namespace."""
    exhausted: bool
    """Whether the simulation read to the end of the range; if not, ``reads`` ends with the last key it saw."""
    reads: tuple[Read, ...]
    merkle: MerkleSummary | None = None


@dataclass(frozen=True)
class NamespaceSet:
    """Reads and writes of one chaincode, sorted by key."""

    namespace: str
    reads: tuple[Read, ...] = ()
    range_queries: tuple[RangeQuery, ...] = ()
    writes: tuple[Write, ...] = ()
    other: bool = False
    """Whether there is something we do not carry: private data's hashes, or key-level endorsement metadata."""


@dataclass(frozen=True)
class ReadWriteSet:
    """Sorted by namespace."""

    namespaces: tuple[NamespaceSet, ...]


def encode(rwset: ReadWriteSet) -> bytes:
    """rwset.TxReadWriteSet, deterministic (keys and namespaces are sorted here, as Fabric's simulator does)."""
    raise NotImplementedError


def decode(data: bytes) -> ReadWriteSet:
    """Raises Malformed."""
    raise NotImplementedError
