"""Simulation: a chaincode runs over a snapshot, and what it read and would write becomes its read-write set."""

from collections.abc import Iterator, Mapping

from fabric_protos.peer import proposal_pb2

from zoneshare_network import lifecycle
from zoneshare_network.store import Snapshot
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.fabric.endorsement import Action, Event
from zoneshare_protocols.fabric.proposal import ChaincodeCall
from zoneshare_protocols.fabric.rwset import NamespaceSet, RangeQuery, Read, ReadWriteSet, Write
from zoneshare_protocols.stub import (
    COMPOSITE,
    ERROR,
    Chaincode,
    Creator,
    KeyModification,
    KeyValue,
    Page,
    Response,
    composite_range,
)

_AFTER_COMPOSITE = "\x01"
"""First of the plain keys: a range that starts at "" starts here, as in Fabric's shim."""


class SimulatedStub:
    """One transaction's view of one channel and namespace (``zoneshare_protocols.stub.Stub``)."""

    def __init__(self, call: ChaincodeCall, snapshot: Snapshot, signed: proposal_pb2.SignedProposal) -> None:
        self._call = call
        self.signed_proposal = signed
        """As the client sent it; a chaincode as a service gets it."""
        self._snapshot = snapshot
        self._reads: dict[str, Read] = {}
        self._ranges: list[RangeQuery] = []
        self._writes: dict[str, Write] = {}
        self._paged = False
        self.event: Event | None = None

    @property
    def tx_id(self) -> str:
        return self._call.tx_id

    @property
    def channel_id(self) -> str:
        return self._call.channel

    @property
    def args(self) -> tuple[bytes, ...]:
        return self._call.args

    @property
    def creator(self) -> Creator:
        return self._call.creator

    @property
    def timestamp_ms(self) -> int:
        return self._call.timestamp_ms

    @property
    def transient(self) -> Mapping[str, bytes]:
        return self._call.transient

    def get_state(self, key: str) -> bytes | None:
        found = self._snapshot.get(self._call.chaincode, key)
        self._reads.setdefault(key, Read(key, found.version if found else None))
        return found.value if found else None

    def put_state(self, key: str, value: bytes) -> None:
        # Fabric takes an empty value for a delete.
        self._write(Write(key, value, is_delete=not value))

    def del_state(self, key: str) -> None:
        self._write(Write(key, b"", is_delete=True))

    def get_state_by_range(self, start: str, end: str, page_size: int = 0, bookmark: str = "") -> Page:
        for key in (start, end):
            if key.startswith(COMPOSITE):
                raise Misuse("a plain range cannot begin or end at a composite key")
        return self._range(start or _AFTER_COMPOSITE, end, page_size, bookmark)

    def get_state_by_partial_composite_key(
        self, object_type: str, attributes: tuple[str, ...], page_size: int = 0, bookmark: str = ""
    ) -> Page:
        start, end = composite_range(object_type, *attributes)
        return self._range(start, end, page_size, bookmark)

    def get_history_for_key(self, key: str) -> Iterator[KeyModification]:
        for tx_id, timestamp_ms, value in self._snapshot.history(self._call.chaincode, key):
            yield KeyModification(tx_id, timestamp_ms, value or b"", value is None)

    def set_event(self, name: str, payload: bytes) -> None:
        if not name:
            raise Misuse("an event has a name")
        self.event = Event(self._call.chaincode, self._call.tx_id, name, payload)

    def results(self) -> NamespaceSet | None:
        """What was read and written; None where nothing was."""
        if not (self._reads or self._ranges or self._writes):
            return None
        return NamespaceSet(
            self._call.chaincode, tuple(self._reads.values()), tuple(self._ranges), tuple(self._writes.values())
        )

    def _write(self, write: Write) -> None:
        if not write.key:
            raise Misuse("a key is not empty")
        if self._paged:
            raise Misuse("the transaction has read pages: it may not write", tx_id=self._call.tx_id)
        self._writes[write.key] = write

    def _range(self, start: str, end: str, page_size: int, bookmark: str) -> Page:
        if page_size < 0:
            raise Misuse("a page has at least one item", page_size=page_size)
        if page_size and self._writes:
            raise Misuse("the transaction has written: it may not read pages", tx_id=self._call.tx_id)
        self._paged = self._paged or page_size > 0
        start = max(start, bookmark)
        items: list[KeyValue] = []
        reads: list[Read] = []
        next_key = ""
        for key, (value, version) in self._snapshot.range(self._call.chaincode, start, end):
            if page_size and len(items) == page_size:
                next_key = key
                break
            items.append(KeyValue(key, value))
            reads.append(Read(key, version))
        seen_to = reads[-1].key if next_key else end
        self._ranges.append(RangeQuery(start, seen_to, not next_key, tuple(reads)))
        return Page(tuple(items), next_key)


def simulate(
    call: ChaincodeCall, signed: proposal_pb2.SignedProposal, snapshot: Snapshot, chaincode: Chaincode, version: str
) -> Action:
    """Run the chaincode once on the ``call`` that ``signed`` is. One that raises is answered for, with status 500."""
    stub = SimulatedStub(call, snapshot, signed)
    try:
        response = chaincode.invoke(stub)
    except Exception as cause:  # noqa: BLE001 - whatever a chaincode does must not take its peer down
        response = Response(ERROR, f"{type(cause).__name__}: {cause}")
    sequence = lifecycle.sequence_key(call.chaincode)
    defined = snapshot.get(lifecycle.NAMESPACE, sequence)
    reads = (Read(sequence, defined.version if defined else None),)
    spaces = [NamespaceSet(lifecycle.NAMESPACE, reads)]
    if (touched := stub.results()) is not None:
        spaces.append(touched)
    results = ReadWriteSet(tuple(spaces))
    return Action(call.hash, call.chaincode, version, results, stub.event, response)
