"""The runner measured against a ledger that does nothing: whether it keeps its rates, and what it costs itself."""

from pathlib import Path
from tempfile import TemporaryDirectory

from zoneshare_benchmarks.figure import Figure, Sample
from zoneshare_benchmarks.runner.book import Book, Header
from zoneshare_benchmarks.runner.machine import machine
from zoneshare_benchmarks.runner.manager import Run, launch
from zoneshare_benchmarks.runner.outcome import RoundResult
from zoneshare_benchmarks.runner.plan import Benchmark, RateControl, Round, Workers, WorkloadChoice
from zoneshare_benchmarks.runner.site import NULL

STATED_TPS = 1_000.0
"""The rate of one worker process up to which the runner states that it keeps it."""
SECONDS = 5.0
ANSWER_MS = 20
"""What the null ledger takes, so that calls overlap as they do on a real one."""


def alone(tps: float, seconds: float, answer_ms: int = ANSWER_MS) -> RoundResult:
    """One worker at a rate against the null ledger."""
    load = WorkloadChoice("empty", {"milliseconds": answer_ms})
    round_ = Round("alone", RateControl("fixed-rate", {"tps": tps}), load, tx_duration=seconds)
    test = Benchmark("runner", (round_,), Workers(1))
    with TemporaryDirectory() as folder:
        book = Book.open(Path(folder), Header(test, NULL, 1, machine()), resume=False)
        return launch(Run(test, test.rounds, NULL, Path(folder)), book).rounds[0]


def _rate_error() -> Sample:
    found = alone(STATED_TPS, SECONDS)
    lateness = found.latency.p99 - found.service.p99
    return Sample(abs(found.rate_error or 0.0), {"sent/s": found.send_rate, "p99 late ms": lateness})


def _overhead() -> Sample:
    """Against a null answer, the runner's processor time is all there is."""
    found = alone(STATED_TPS / 2, SECONDS)
    return Sample(found.runner_cpu / 100 / found.send_rate * 1e3, {"CPU % at the rate": found.runner_cpu})


FIGURES = (
    Figure(
        "runner.rate_error",
        f"how far the rate sent is from {STATED_TPS:g} a second asked of one worker process, a null ledger behind it",
        "of the rate",
        "lower",
        _rate_error,
        goal=0.01,
        runs=3,
    ),
    Figure(
        "runner.overhead",
        f"the runner's own processor time a transaction, at {STATED_TPS / 2:g} a second",
        "ms",
        "lower",
        _overhead,
        goal=0.5,
        runs=3,
    ),
)
