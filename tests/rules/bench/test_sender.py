"""The sender: outcomes counted apart, latencies from the intended time, and a network that goes down."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from zoneshare.ledger import CommitUnknown, Conflict, LedgerUnavailable, Refused
from zoneshare_benchmarks.runner import sender
from zoneshare_benchmarks.runner.outcome import RoundResult, Told, sum_up
from zoneshare_benchmarks.runner.plan import RateControl, Round, WorkloadChoice
from zoneshare_benchmarks.runner.rates import Load, OpenLoop, Ramp
from zoneshare_benchmarks.runner.sender import Outcome, Sender, outcome_of
from zoneshare_protocols.errors import InsufficientFunds


def result(run: Sender, kind: str = "fixed-rate", asked: float | None = None, span: float | None = None) -> RoundResult:
    round_ = Round("r", RateControl(kind), WorkloadChoice("empty"), None if span else 1, span)
    told = Told(0, dict(run.tally.kinds), run.tally.example, run.down, 0.1, 1.0)
    return sum_up(round_, run.tally.array(), [told], run=0, asked=asked, resources={}, machine_cpu=0.0)


def send(
    transaction: Callable[[int], None], offsets: list[float], in_flight: int = 8, span: float | None = None
) -> Sender:
    made = Sender(transaction, time.monotonic() + 0.01, number=len(offsets), span=span)
    made.run(OpenLoop(iter(offsets), None), 0, 1, in_flight)
    return made


def test_errors_are_of_their_kind() -> None:
    assert outcome_of(Conflict("mvcc")) is Outcome.CONFLICT
    assert outcome_of(InsufficientFunds("poor")) is Outcome.REFUSED
    for failure in (LedgerUnavailable("away"), CommitUnknown("?", "tx"), Refused("policy"), RuntimeError("bug")):
        assert outcome_of(failure) is Outcome.FAILED


def test_outcomes_are_counted_apart() -> None:
    errors = [None, Conflict("c"), InsufficientFunds("i"), LedgerUnavailable("away"), None]

    def transact(number: int) -> None:
        if error := errors[number]:
            raise error

    found = result(send(transact, [0.0] * 5))
    assert (found.succeeded, found.conflicted, found.refused, found.failed, found.unsent) == (2, 1, 1, 1, 0)
    assert found.kinds == {"Conflict": 1, "InsufficientFunds": 1, "LedgerUnavailable": 1}
    assert found.example == "away"


def test_a_stall_shows_in_the_latency_of_all_that_were_due_meanwhile() -> None:
    """One call under way at a time, the first takes 0.3 s: the others are fast, and late."""
    made = send(lambda number: time.sleep(0.3 if number == 0 else 0), [n * 0.01 for n in range(10)], in_flight=1)
    found = result(made)
    assert found.latency.p50 > 200
    assert found.service.p50 < 50


def test_what_was_due_and_never_begun_is_told_and_counts_with_its_wait() -> None:
    made = send(lambda _: time.sleep(0.4), [0.0, 0.01, 0.02], in_flight=1, span=0.2)
    found = result(made, span=0.2)
    assert (found.succeeded, found.unsent, found.sent) == (1, 2, 1)
    assert found.latency.max >= 380


def test_a_load_keeps_so_many_under_way() -> None:
    now, most, lock = 0, 0, threading.Lock()

    def transact(_: int) -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.005)
        with lock:
            now -= 1

    made = Sender(transact, time.monotonic(), number=40, span=None)
    made.run(Load(4), 0, 1, 256)
    assert most == 4
    assert len(made.tally.records) == 40


def test_a_network_that_is_down_ends_the_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "PATIENCE_S", 0.3)

    def away(number: int) -> None:
        if number > 3:
            raise LedgerUnavailable("nobody listens")

    started = time.monotonic()
    made = send(away, [n * 0.02 for n in range(1000)])
    assert made.down
    assert time.monotonic() - started < 10
    assert result(made).down
    assert np.count_nonzero(made.tally.array()["outcome"] == Outcome.OK) == 4


def test_refusals_are_no_sign_of_a_network_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "PATIENCE_S", 0.05)

    def poor(_: int) -> None:
        raise InsufficientFunds("poor")

    made = send(poor, [n * 0.02 for n in range(20)])
    assert not made.down
    assert result(made).refused == 20


def test_a_rate_is_what_was_begun_a_second() -> None:
    found = result(send(lambda _: None, [n / 200 for n in range(100)]), asked=200)
    assert found.rate_error is not None
    assert found.send_rate == pytest.approx(200, rel=0.2)


def test_a_ramp_finds_what_comes_through() -> None:
    """Two calls of 10 ms at a time are 200 a second: the rate rises from 40 towards that, whatever more is asked."""
    ramp = Ramp(tps=40, step=40, interval=0.3, include_failed=True)
    made = Sender(lambda _: time.sleep(0.01), time.monotonic(), number=None, span=3.0)
    made.run(ramp, 0, 1, 2)
    found = result(made, "maximum-rate", span=3.0)
    assert found.asked is None
    assert 3.0 * 50 < found.succeeded < 3.0 * 210
    assert ramp.tps > 40


def test_every_error_is_counted_once_however_many_threads_fail() -> None:
    def poor(_: int) -> None:
        raise InsufficientFunds("poor")

    assert send(poor, [0.0] * 500, in_flight=32).tally.kinds == {"InsufficientFunds": 500}
