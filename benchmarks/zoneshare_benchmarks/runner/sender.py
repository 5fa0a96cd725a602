"""Sending in one worker process: every transaction's intended, first and last moment, and what became of it.

An open loop never waits for the ledger: what is due while all threads are busy stays due, and its latency counts from
the moment it was intended, so that a slow ledger cannot hide behind a slow sender (coordinated omission).
"""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from zoneshare.ledger import Conflict
from zoneshare_benchmarks.runner.rates import Controller, Load, OpenLoop, Ramp
from zoneshare_protocols.errors import RuleBroken, ZoneshareError

PATIENCE_S = 10.0
"""With nothing but failures for so long the network is taken to be down, and the round ends."""
_SPIN_S = 0.0002


class Outcome(IntEnum):
    """``CONFLICT``: MVCC conflicts until retries ran out. ``REFUSED``: by a contract's rule. ``FAILED``: by ledger or
    network. ``UNSENT``: due, and not begun before the round was over."""

    OK = 0
    CONFLICT = 1
    REFUSED = 2
    FAILED = 3
    UNSENT = 4


RECORD = np.dtype([("intended", "f8"), ("started", "f8"), ("ended", "f8"), ("outcome", "u1")])
"""Seconds from the round's start."""
Transaction = Callable[[int], None]
"""Does transaction number n, and raises what refuses it."""


def outcome_of(error: BaseException) -> Outcome:
    """Conflicts, refusals and failures are different things."""
    if isinstance(error, Conflict):
        return Outcome.CONFLICT
    return Outcome.REFUSED if isinstance(error, RuleBroken) else Outcome.FAILED


@dataclass
class Tally:
    """What one worker did so far. Threads add to it; a list's append is one step."""

    records: list[tuple[float, float, float, int, str]] = field(default_factory=list)
    """As RECORD, and the kind of error."""
    example: str = ""
    """The first failure's words."""
    latest_success: float = 0.0
    failing: bool = False

    def array(self) -> NDArray[np.void]:
        return np.array([record[:4] for record in self.records], RECORD)

    @property
    def kinds(self) -> dict[str, int]:
        """How many errors of each kind."""
        return dict(Counter(record[4] for record in self.records if record[4]))


class Sender:
    """One round of one worker. ``begin``: the round's start by ``time.monotonic``, the same in all workers."""

    def __init__(self, transaction: Transaction, begin: float, *, number: int | None, span: float | None) -> None:
        """``number``: this worker's transactions; ``span``: seconds of the round."""
        self._transaction, self._begin = transaction, begin
        self._number, self._span = number, span
        self.tally = Tally()
        self.down = False
        """Whether it broke off because nothing but failures came back."""

    def run(self, how: Controller, first: int, step: int, in_flight: int) -> None:
        """Numbers begin at ``first`` and rise by ``step``. Blocks until all is over."""
        numbers: Iterator[int] = itertools.count(first, step)
        if self._number is not None:
            numbers = itertools.islice(numbers, self._number)
        if isinstance(how, Load):
            self._closed(numbers, how.under_way)
        elif isinstance(how, OpenLoop):
            self._open(zip(numbers, how.offsets, strict=False), in_flight)
        else:
            self._open(zip(numbers, self._ramp(how), strict=False), in_flight)

    def _now(self) -> float:
        return time.monotonic() - self._begin

    def _over(self, at: float) -> bool:
        if self._span is not None and at >= self._span:
            return True
        if self.tally.failing and self._now() - self.tally.latest_success > PATIENCE_S:
            self.down = True
        return self.down

    def _open(self, due: Iterator[tuple[int, float]], in_flight: int) -> None:
        with ThreadPoolExecutor(in_flight, "send") as threads:
            for number, intended in due:
                if self._over(intended) or not self._wait(intended):
                    break
                threads.submit(self._one, number, intended)
            if self._span is not None:
                self._wait(self._span)

    def _wait(self, until: float) -> bool:
        """False when the network is down meanwhile. Sleeps short of the moment, and spins the rest."""
        while (left := until - self._now()) > 0:
            if left > _SPIN_S:
                time.sleep(min(left - _SPIN_S, 0.25))
            if left > 0.25 and self._over(0.0):
                return False
        return True

    def _closed(self, numbers: Iterator[int], under_way: int) -> None:
        lock = threading.Lock()

        def client() -> None:
            while not self._over(self._now()):
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                self._one(number, self._now())

        threads = [threading.Thread(target=client) for _ in range(under_way)]
        self._wait(0.0)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _ramp(self, ramp: Ramp) -> Iterator[float]:
        due, sampled, counted = 0.0, 0.0, 0
        while True:
            yield due
            due += 1 / ramp.tps
            now = self._now()
            if now - sampled >= ramp.interval:
                records = self.tally.records
                done = len(records) if ramp.include_failed else sum(r[3] == Outcome.OK for r in records)
                ramp.observe((done - counted) / (now - sampled))
                sampled, counted, due = now, done, max(due, now)

    def _one(self, number: int, intended: float) -> None:
        started, tally = self._now(), self.tally
        late = self._span is not None and started >= self._span
        if late or self.down:
            tally.records.append((intended, started, started, Outcome.UNSENT, ""))
            return
        outcome, kind = Outcome.OK, ""
        try:
            self._transaction(number)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this transaction's outcome
            outcome, kind = outcome_of(error), type(error).__name__
            if outcome is Outcome.FAILED:
                known = isinstance(error, ZoneshareError)
                tally.example = tally.example or (str(error) if known else f"{type(error).__name__}: {error}")
        ended = self._now()
        if outcome is Outcome.FAILED:
            tally.failing = True
        else:
            tally.failing, tally.latest_success = False, ended
        tally.records.append((intended, started, ended, outcome, kind))
