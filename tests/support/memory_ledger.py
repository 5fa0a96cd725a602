"""The client's Ledger port on zones in memory, for tests of roles: threads share one lock, and events wake them."""

import threading
from collections.abc import Callable
from typing import Self

from tests.support.memory_identity import Identity as Person
from tests.support.memory_proofs import prove
from tests.support.memory_stub import VALID, Zone
from zoneshare.identity import Identity
from zoneshare.ledger import ChaincodeEvent, Committed, Conflict
from zoneshare_protocols.sharing.records import EndorsedQuery

Hook = Callable[[str], None]


class Dead(BaseException):
    """A process is killed here: nothing of the product may catch it."""


def no_hook(point: str) -> None:
    pass


def as_identity(who: Person) -> Identity:
    return Identity(who.mspid, who.certificate, who.key)


class Shared:
    """What the ledgers of one test have in common. ``turn`` is called before each call, to set the ledgers' clock."""

    def __init__(self, turn: Callable[[], None] = lambda: None) -> None:
        self.turn = turn
        self.changed = threading.Condition(threading.RLock())
        """Held while a zone is read or written; told of every transaction."""
        self.writes: list[tuple[str, str]] = []
        """(zone, function) of every transaction that committed."""


class MemoryLedger:
    """One zone as ``who`` reaches it; ``hook`` is called before and after every submit."""

    def __init__(self, shared: Shared, zone: Zone, who: Person, hook: Hook = no_hook) -> None:
        self._shared, self._zone, self._who, self._hook = shared, zone, who, hook

    @property
    def channel(self) -> str:
        return self._zone.name

    def evaluate(self, function: str, *args: bytes) -> bytes:
        with self._shared.changed:
            self._shared.turn()
            return self._zone.evaluate(self._who, function, *args)

    def submit(self, function: str, *args: bytes, transient: dict[str, bytes] | None = None) -> Committed:
        self._hook(f"before {function}")
        with self._shared.changed:
            self._shared.turn()
            simulation = self._zone.endorse(self._who, function, *args, transient=transient)
            payload = simulation.result()
            if self._zone.commit(simulation) != VALID:
                raise Conflict("another transaction was first")
            self._shared.writes.append((self._zone.name, function))
            self._shared.changed.notify_all()
        self._hook(f"after {function}")
        return Committed(simulation.tx_id, self._zone.block, payload)

    def endorsed_query(self, function: str, *args: bytes) -> EndorsedQuery:
        with self._shared.changed:
            self._shared.turn()
            found: EndorsedQuery = prove(self._zone, self._who, function, *args)
            return found

    def events(self, from_block: int | None = None) -> "MemoryEvents":
        return MemoryEvents(self._shared, self._zone, from_block)


class MemoryEvents:
    """From the block on; None: what comes from now on."""

    def __init__(self, shared: Shared, zone: Zone, from_block: int | None) -> None:
        self._changed, self._zone, self._closed = shared.changed, zone, False
        self._next = sum(from_block is None or event.block < from_block for event in zone.events)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ChaincodeEvent:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._next < len(self._zone.events))
            if self._closed:
                raise StopIteration
            event = self._zone.events[self._next]
            self._next += 1
        return ChaincodeEvent(event.block, event.tx_id, event.name, event.payload)

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
