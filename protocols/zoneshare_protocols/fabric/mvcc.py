"""Multi-version concurrency control: does a transaction still see what it saw when it was simulated?"""

import hashlib
from collections.abc import Iterable, Iterator
from heapq import merge
from typing import NamedTuple, Protocol

from zoneshare_protocols.fabric import rwset
from zoneshare_protocols.fabric.flags import TxFlag
from zoneshare_protocols.fabric.rwset import MerkleSummary, RangeQuery, Read, ReadWriteSet, Version

_LEAST_DEGREE = 2


class Update(NamedTuple):
    """One write of a valid transaction, in the order of commit; the value is None for a delete."""

    namespace: str
    key: str
    value: bytes | None
    version: Version
    tx_id: str


class Versions(Protocol):
    """The committed state's versions, as of the block before."""

    def version(self, namespace: str, key: str) -> Version | None:
        """Where the key was last written; None where it is not there (or was deleted)."""

    def versions(self, namespace: str, start: str, end: str) -> Iterable[tuple[str, Version]]:
        """Keys from ``start`` (included) to ``end`` (excluded; "": no end), in order of their UTF-8 bytes."""


def writes(results: ReadWriteSet, version: Version, tx_id: str) -> list[Update]:
    """The updates of a transaction. As in Fabric, an empty value is a delete."""
    return [
        Update(space.namespace, one.key, None if one.is_delete or not one.value else one.value, version, tx_id)
        for space in results.namespaces
        for one in space.writes
    ]


class BlockState:
    """The committed state's versions with those of earlier valid transactions of the same block over them."""

    def __init__(self, committed: Versions) -> None:
        self._committed = committed
        self._updated: dict[str, dict[str, Version | None]] = {}

    def apply(self, updates: Iterable[Update]) -> None:
        for one in updates:
            self._updated.setdefault(one.namespace, {})[one.key] = None if one.value is None else one.version

    def conflict(self, results: ReadWriteSet) -> TxFlag | None:
        """MVCC_READ_CONFLICT, PHANTOM_READ_CONFLICT, or None."""
        for space in results.namespaces:
            updated = self._updated.get(space.namespace, {})
            for read in space.reads:
                if read.key in updated or self._committed.version(space.namespace, read.key) != read.version:
                    return TxFlag.MVCC_READ_CONFLICT
            for query in space.range_queries:
                if not self._unchanged(space.namespace, query):
                    return TxFlag.PHANTOM_READ_CONFLICT
        return None

    def _unchanged(self, namespace: str, query: RangeQuery) -> bool:
        now = self._range(namespace, query)
        if query.merkle is None:
            expected = iter(query.reads)
            return all(read == next(expected, None) for read in now) and next(expected, None) is None
        if query.merkle.max_degree < _LEAST_DEGREE:
            return False
        return merkle_summary(now, query.merkle.max_degree) == query.merkle

    def _range(self, namespace: str, query: RangeQuery) -> Iterator[Read]:
        """What the query would read now; where the simulation stopped early, its last key belongs to the range."""
        updated = self._updated.get(namespace, {})
        fresh = sorted(key for key in updated if key >= query.start and (not query.end or key < query.end))
        before = (key for key, _ in self._committed.versions(namespace, query.start, query.end) if key not in updated)
        for key in merge(before, fresh):
            version = self._now(namespace, key)
            if version is not None:
                yield Read(key, version)
        if not query.exhausted:
            version = self._now(namespace, query.end)
            if version is not None:
                yield Read(query.end, version)

    def _now(self, namespace: str, key: str) -> Version | None:
        updated = self._updated.get(namespace, {})
        return updated[key] if key in updated else self._committed.version(namespace, key)


def merkle_summary(reads: Iterable[Read], max_degree: int) -> MerkleSummary | None:
    """What Fabric keeps of a range query's reads where it hashes them; None while there are no more than the degree."""
    levels: list[list[bytes]] = [[]]
    pending: list[Read] = []
    for read in reads:
        pending.append(read)
        if len(pending) > max_degree:
            _add_leaf(levels, rwset.reads_bytes(pending), max_degree)
            pending = []
    if not any(levels):
        return None
    if pending:
        _add_leaf(levels, rwset.reads_bytes(pending), max_degree)
    for place, nodes in enumerate(levels[:-1]):
        if nodes:
            levels[place + 1].append(nodes[0] if len(nodes) == 1 else _hash(b"".join(nodes)))
    if len(levels[-1]) > max_degree:
        levels.append([_hash(b"".join(levels[-1]))])
    return MerkleSummary(max_degree, len(levels), tuple(levels[-1]))


def _add_leaf(levels: list[list[bytes]], data: bytes, max_degree: int) -> None:
    levels[0].append(_hash(data))
    place = 0
    while len(levels[place]) > max_degree:
        parent = _hash(b"".join(levels[place]))
        levels[place] = []
        place += 1
        if place == len(levels):
            levels.append([])
        levels[place].append(parent)


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
