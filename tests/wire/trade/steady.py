"""Ledgers in whose calls a turned clock stands still: what is slow on a busy machine takes no time of the test's."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from zoneshare.ledger import Committed, EventStream, Ledger
from zoneshare_protocols.sharing.records import EndorsedQuery

LONGEST_CALL_S = 20.0
"""After that the clock is turned all the same: a network that was killed may be what the call waits for."""


class Calls:
    """The calls under way. Who turns the clock waits for them, and those that come meanwhile wait for the turn."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._running = 0
        self._turning = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        with self._change:
            self._change.wait_for(lambda: not self._turning, LONGEST_CALL_S)
            self._running += 1
        try:
            yield
        finally:
            with self._change:
                self._running -= 1
                self._change.notify_all()

    def turner(self, turn: Callable[[int], None]) -> Callable[[int], None]:
        """``turn``, between calls."""

        def steady(span_ms: int) -> None:
            with self._change:
                self._turning += 1
                self._change.wait_for(lambda: not self._running, LONGEST_CALL_S)
                turn(span_ms)
                self._turning -= 1
                self._change.notify_all()

        return steady


class SteadyLedger:
    """A ledger, its calls counted; events come while the clock turns."""

    def __init__(self, ledger: Ledger, calls: Calls) -> None:
        self._ledger, self._calls = ledger, calls

    @property
    def channel(self) -> str:
        return self._ledger.channel

    def evaluate(self, function: str, *args: bytes) -> bytes:
        with self._calls.one():
            return self._ledger.evaluate(function, *args)

    def submit(self, function: str, *args: bytes, transient: dict[str, bytes] | None = None) -> Committed:
        with self._calls.one():
            return self._ledger.submit(function, *args, transient=transient)

    def endorsed_query(self, function: str, *args: bytes) -> EndorsedQuery:
        with self._calls.one():
            return self._ledger.endorsed_query(function, *args)

    def events(self, from_block: int | None = None) -> EventStream:
        return self._ledger.events(from_block)
