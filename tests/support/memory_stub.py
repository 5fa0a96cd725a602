"""An in-memory ledger for contract tests: several zones, Fabric's execute-order-validate, a clock that tests turn.

``zone.endorse`` simulates a transaction into a read-write set without changing anything; ``zone.commit`` orders it,
now or much later, and validates it (MVCC, phantoms, duplicate id) as a peer does. ``zone.submit`` does both.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.support.memory_identity import Identity
from zoneshare_chaincode.base import to_bytes
from zoneshare_protocols.errors import ZoneshareError, from_wire
from zoneshare_protocols.stub import (
    COMPOSITE,
    OK,
    Chaincode,
    Creator,
    KeyModification,
    KeyValue,
    Page,
    Response,
    composite_range,
)

START_MS = 1_700_000_000_000
VALID = "VALID"
MVCC = "MVCC_READ_CONFLICT"
PHANTOM = "PHANTOM_READ_CONFLICT"
DUPLICATE = "DUPLICATE_TXID"

Argument = bytes | str | int | tuple[object, ...] | object


class CommitFailed(Exception):
    """A transaction its block found invalid; ``code`` is Fabric's validation code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class ContractBroken(Exception):
    """The chaincode answered with an error that is none of its own typed ones."""


@dataclass(frozen=True)
class Event:
    block: int
    tx_id: str
    name: str
    payload: bytes


@dataclass
class Simulation:
    """An endorsed transaction: what it answered, what it read and what it would write."""

    tx_id: str
    timestamp_ms: int
    args: tuple[bytes, ...]
    creator: Creator
    response: Response = field(default_factory=lambda: Response(500))
    reads: dict[str, int | None] = field(default_factory=dict)
    ranges: list[tuple[str, str, tuple[tuple[str, int], ...]]] = field(default_factory=list)
    writes: dict[str, bytes | None] = field(default_factory=dict)
    event: tuple[str, bytes] | None = None

    def result(self) -> bytes:
        """The payload; raises the contract's own error."""
        if self.response.status == OK:
            return self.response.payload
        error: ZoneshareError | None = from_wire(self.response.message)
        raise error if error is not None else ContractBroken(self.response.message)


class MemoryStub:
    """One transaction's view of one zone (``zoneshare_protocols.stub.Stub``)."""

    def __init__(self, zone: "Zone", simulation: Simulation, transient: Mapping[str, bytes]) -> None:
        self._zone, self._simulation, self._transient = zone, simulation, transient
        self._paged = False

    @property
    def tx_id(self) -> str:
        return self._simulation.tx_id

    @property
    def channel_id(self) -> str:
        return self._zone.name

    @property
    def args(self) -> tuple[bytes, ...]:
        return self._simulation.args

    @property
    def creator(self) -> Creator:
        return self._simulation.creator

    @property
    def timestamp_ms(self) -> int:
        return self._simulation.timestamp_ms

    @property
    def transient(self) -> Mapping[str, bytes]:
        return self._transient

    def get_state(self, key: str) -> bytes | None:
        value, version = self._zone.state.get(key, (None, None))
        self._simulation.reads[key] = version
        return value

    def put_state(self, key: str, value: bytes) -> None:
        self._write(key, value)

    def del_state(self, key: str) -> None:
        self._write(key, None)

    def get_state_by_range(self, start: str, end: str, page_size: int = 0, bookmark: str = "") -> Page:
        return self._range(start or "\x01", end or "\U0010ffff", page_size, bookmark)

    def get_state_by_partial_composite_key(
        self, object_type: str, attributes: tuple[str, ...], page_size: int = 0, bookmark: str = ""
    ) -> Page:
        return self._range(*composite_range(object_type, *attributes), page_size, bookmark)

    def get_history_for_key(self, key: str) -> Iterator[KeyModification]:
        return iter(self._zone.history.get(key, [])[::-1])

    def set_event(self, name: str, payload: bytes) -> None:
        self._simulation.event = (name, payload)

    def _write(self, key: str, value: bytes | None) -> None:
        if self._paged:
            raise RuntimeError("a transaction with a paged query must not write")
        if not key:
            raise ValueError("an empty key")
        self._simulation.writes[key] = value

    def _range(self, start: str, end: str, page_size: int, bookmark: str) -> Page:
        rows = self._zone.rows(bookmark or start, end)
        if page_size <= 0:
            self._simulation.ranges.append((start, end, tuple((key, version) for key, _, version in rows)))
            return Page(tuple(KeyValue(key, value) for key, value, _ in rows), "")
        self._paged = True
        following = rows[page_size][0] if len(rows) > page_size else ""
        return Page(tuple(KeyValue(key, value) for key, value, _ in rows[:page_size]), following)


class Zone:
    """One channel: its state, history, events, and the chaincode it runs."""

    def __init__(self, name: str, chaincode: Chaincode, clock: Callable[[], int]) -> None:
        self.name, self.chaincode, self.clock = name, chaincode, clock
        self.state: dict[str, tuple[bytes, int]] = {}
        self.history: dict[str, list[KeyModification]] = {}
        self.events: list[Event] = []
        self.block = 0
        self._seen: set[str] = set()
        self._nonces = itertools.count(1)

    def endorse(
        self,
        who: Identity,
        function: str,
        *args: Argument,
        timestamp_ms: int | None = None,
        transient: Mapping[str, bytes] | None = None,
    ) -> Simulation:
        """Simulate; nothing is committed, and a refusal is in the response."""
        simulation = Simulation(
            tx_id=f"{next(self._nonces):064x}",
            timestamp_ms=self.clock() if timestamp_ms is None else timestamp_ms,
            args=(function.encode(), *(to_bytes(a) for a in args)),
            creator=who.creator,
        )
        simulation.response = self.chaincode.invoke(MemoryStub(self, simulation, transient or {}))
        return simulation

    def commit(self, simulation: Simulation) -> str:
        """Order what was endorsed, in a block of its own; the validation code says whether it took effect."""
        simulation.result()
        self.block += 1
        code = self._validate(simulation)
        self._seen.add(simulation.tx_id)
        if code != VALID:
            return code
        for key, value in simulation.writes.items():
            if value is None:
                self.state.pop(key, None)
            else:
                self.state[key] = (value, self.block)
            change = KeyModification(simulation.tx_id, simulation.timestamp_ms, value or b"", value is None)
            self.history.setdefault(key, []).append(change)
        if simulation.event is not None:
            self.events.append(Event(self.block, simulation.tx_id, *simulation.event))
        return VALID

    def submit(self, who: Identity, function: str, *args: Argument, timestamp_ms: int | None = None) -> bytes:
        """Endorse and commit. Raises the contract's own error, or CommitFailed."""
        simulation = self.endorse(who, function, *args, timestamp_ms=timestamp_ms)
        payload = simulation.result()
        code = self.commit(simulation)
        if code != VALID:
            raise CommitFailed(code)
        return payload

    def evaluate(self, who: Identity, function: str, *args: Argument) -> bytes:
        """The payload; raises the contract's own error."""
        return self.endorse(who, function, *args).result()

    def snapshot(self) -> dict[str, bytes]:
        """The whole state, to compare before and after a refusal."""
        return {key: value for key, (value, _) in self.state.items()}

    def rows(self, start: str, end: str) -> list[tuple[str, bytes, int]]:
        """(key, value, version) from ``start`` (included) to ``end`` (excluded), composite keys apart from plain."""
        composite = start.startswith(COMPOSITE)
        found = (k for k in self.state if start <= k < end and k.startswith(COMPOSITE) == composite)
        return [(key, *self.state[key]) for key in sorted(found)]

    def _validate(self, simulation: Simulation) -> str:
        if simulation.tx_id in self._seen:
            return DUPLICATE
        if any(self.state.get(key, (b"", None))[1] != version for key, version in simulation.reads.items()):
            return MVCC
        for start, end, seen in simulation.ranges:
            if tuple((key, version) for key, _, version in self.rows(start, end)) != seen:
                return PHANTOM
        return VALID


class MemoryNetwork:
    """Zones that share one clock. ``net.now`` is what the endorsers' clocks, and new transactions, say."""

    def __init__(self, make: Callable[[Callable[[], int]], Chaincode], *zones: str) -> None:
        """``make`` gets the clock and gives a zone's chaincode."""
        self.now = START_MS
        self.zones = {name: Zone(name, make(self.clock), self.clock) for name in zones}

    def clock(self) -> int:
        return self.now

    def advance(self, milliseconds: int) -> None:
        self.now += milliseconds

    def __getitem__(self, zone: str) -> Zone:
        return self.zones[zone]
