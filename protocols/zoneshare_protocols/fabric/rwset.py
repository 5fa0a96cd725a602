"""Read-write sets: what a simulated transaction has read, at which versions, and what it would write."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2

from zoneshare_protocols.errors import Malformed, Misuse
from zoneshare_protocols.fabric import wire


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
    """rwset.TxReadWriteSet, deterministic (keys and namespaces are sorted here, as Fabric's simulator does).

    Raises Misuse where the set holds what we do not carry.
    """
    spaces = []
    for space in sorted(rwset.namespaces, key=lambda one: one.namespace):
        if space.other:
            raise Misuse("private data and key-level metadata are not written")
        inner = kv_rwset_pb2.KVRWSet(
            reads=[_write_read(read) for read in sorted(space.reads)],
            range_queries_info=[_write_range(query) for query in space.range_queries],
            writes=[
                kv_rwset_pb2.KVWrite(key=write.key, is_delete=write.is_delete, value=write.value)
                for write in sorted(space.writes)
            ],
        )
        spaces.append(rwset_pb2.NsReadWriteSet(namespace=space.namespace, rwset=wire.write(inner)))
    return wire.write(rwset_pb2.TxReadWriteSet(data_model=rwset_pb2.TxReadWriteSet.KV, ns_rwset=spaces))


def decode(data: bytes) -> ReadWriteSet:
    """In the order of ``data``. Raises Malformed."""
    message = wire.read(rwset_pb2.TxReadWriteSet, data)
    if message.data_model != rwset_pb2.TxReadWriteSet.KV:
        raise Malformed("read-write set of an unknown data model")
    return ReadWriteSet(tuple(_read_namespace(space) for space in message.ns_rwset))


def reads_bytes(reads: Iterable[Read]) -> bytes:
    """kvrwset.QueryReads, of which a long range query's Merkle tree is built."""
    return wire.write(kv_rwset_pb2.QueryReads(kv_reads=[_write_read(read) for read in reads]))


def _read_namespace(space: Any) -> NamespaceSet:
    inner = wire.read(kv_rwset_pb2.KVRWSet, space.rwset)
    return NamespaceSet(
        namespace=space.namespace,
        reads=tuple(_read_read(read) for read in inner.reads),
        range_queries=tuple(_read_range(query) for query in inner.range_queries_info),
        writes=tuple(Write(write.key, write.value, write.is_delete) for write in inner.writes),
        other=bool(inner.metadata_writes) or bool(space.collection_hashed_rwset),
    )


def _write_read(read: Read) -> Any:
    version = None if read.version is None else kv_rwset_pb2.Version(block_num=read.version[0], tx_num=read.version[1])
    return kv_rwset_pb2.KVRead(key=read.key, version=version)


def _read_read(read: Any) -> Read:
    return Read(read.key, Version(read.version.block_num, read.version.tx_num) if read.HasField("version") else None)


def _write_range(query: RangeQuery) -> Any:
    info = kv_rwset_pb2.RangeQueryInfo(start_key=query.start, end_key=query.end, itr_exhausted=query.exhausted)
    if query.merkle is not None:
        summary = info.reads_merkle_hashes
        summary.max_degree, summary.max_level = query.merkle.max_degree, query.merkle.max_level
        summary.max_level_hashes.extend(query.merkle.hashes)
    else:
        info.raw_reads.SetInParent()
        info.raw_reads.kv_reads.extend(_write_read(read) for read in query.reads)
    return info


def _read_range(query: Any) -> RangeQuery:
    merkle = None
    if query.WhichOneof("reads_info") == "reads_merkle_hashes":
        summary = query.reads_merkle_hashes
        merkle = MerkleSummary(summary.max_degree, summary.max_level, tuple(summary.max_level_hashes))
    reads = tuple(_read_read(read) for read in query.raw_reads.kv_reads)
    return RangeQuery(query.start_key, query.end_key, query.itr_exhausted, reads, merkle)
