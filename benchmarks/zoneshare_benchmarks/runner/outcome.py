"""A round's result: what was sent, what became of it, how long it took, and what it cost."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from zoneshare_benchmarks.runner.plan import Round
from zoneshare_benchmarks.runner.sender import Outcome

RATE_TOLERANCE = 0.01
"""A rate is kept when it is within so much of what was asked."""
_BINS = 60


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds."""

    min: float = 0.0
    mean: float = 0.0
    p50: float = 0.0
    p90: float = 0.0
    p99: float = 0.0
    max: float = 0.0


class Histogram(msgspec.Struct, frozen=True):
    """``edges`` (ms, one more than ``counts``) rise by a constant factor."""

    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


class Used(msgspec.Struct, frozen=True):
    """A process's processor time (percent of a core: mean, largest) and memory (MB, largest)."""

    cpu: float
    peak: float
    rss: float


class Told(msgspec.Struct, frozen=True):
    """What a worker said at its end."""

    conflicts: int
    kinds: dict[str, int]
    example: str
    down: bool
    cpu: float
    seconds: float


class RoundResult(msgspec.Struct, frozen=True):
    """Rates in transactions a second, of all workers together."""

    label: str
    module: str
    controller: str
    workers: int
    run: int
    seconds: float
    """From the round's start to the end of its last transaction."""
    sent: int
    succeeded: int
    conflicted: int
    """MVCC conflicts until retries ran out."""
    refused: int
    failed: int
    unsent: int
    """Due, and not begun before the round's time was over: the ledger could not follow."""
    conflicts: int
    """MVCC conflicts in all, those included that a retry got over."""
    kinds: dict[str, int]
    example: str
    asked: float | None
    send_rate: float
    rate_error: float | None
    """(kept - asked) / asked, over the time of sending."""
    throughput: float
    """Successful ones a second."""
    latency: Latency
    """From the intended time, unsent ones at what they had waited by the round's end."""
    service: Latency
    """From the moment the call began: what a closed-loop sender would have reported."""
    histogram: Histogram
    timeline: tuple[int, ...]
    """Successes in each second."""
    resources: dict[str, Used]
    runner_cpu: float
    """The workers' processor time, in percent of one core."""
    machine_cpu: float
    """Of all cores, everybody's, in percent."""
    down: bool = False
    """The network was down: nothing but failures for some seconds, and the round broke off."""

    @property
    def kept(self) -> bool | None:
        """Whether the rate asked for was kept."""
        return None if self.rate_error is None else abs(self.rate_error) <= RATE_TOLERANCE


def sum_up(
    round_: Round,
    records: NDArray[np.void],
    told: Sequence[Told],
    *,
    run: int,
    asked: float | None,
    resources: Mapping[str, Used],
    machine_cpu: float,
) -> RoundResult:
    """One result of all workers' records."""
    outcome = records["outcome"]
    count = {each: int(np.count_nonzero(outcome == each)) for each in Outcome}
    begun = records[outcome != Outcome.UNSENT]
    seconds = float(records["ended"].max()) if len(records) else 0.0
    rate, error = _rates(begun, round_, asked)
    waited = (records["ended"] - records["intended"]) * 1e3
    fine = records["ended"][outcome == Outcome.OK]
    kinds: dict[str, int] = {}
    for each in told:
        for kind, number in each.kinds.items():
            kinds[kind] = kinds.get(kind, 0) + number
    return RoundResult(
        label=round_.label,
        module=round_.workload.module,
        controller=round_.rate_control.type,
        workers=len(told),
        run=run,
        seconds=seconds,
        sent=len(begun),
        succeeded=count[Outcome.OK],
        conflicted=count[Outcome.CONFLICT],
        refused=count[Outcome.REFUSED],
        failed=count[Outcome.FAILED],
        unsent=count[Outcome.UNSENT],
        conflicts=sum(each.conflicts for each in told),
        kinds=kinds,
        example=next((each.example for each in told if each.example), ""),
        asked=asked,
        send_rate=rate,
        rate_error=error,
        throughput=count[Outcome.OK] / seconds if seconds else 0.0,
        latency=_latency(waited[(outcome == Outcome.OK) | (outcome == Outcome.UNSENT)]),
        service=_latency((records["ended"] - records["started"])[outcome == Outcome.OK] * 1e3),
        histogram=_histogram(waited[outcome == Outcome.OK]),
        timeline=tuple(int(n) for n in np.bincount(fine.astype(int))) if len(fine) else (),
        resources=dict(resources),
        runner_cpu=100 * sum(each.cpu / max(each.seconds, 1e-9) for each in told),
        machine_cpu=machine_cpu,
        down=any(each.down for each in told),
    )


def _rates(begun: NDArray[np.void], round_: Round, asked: float | None) -> tuple[float, float | None]:
    """Sent a second, and how far that is from what was asked; a rate needs two transactions at least."""
    if len(begun) < 2:
        return 0.0, None
    first, last = float(begun["started"].min()), float(begun["started"].max())
    span = round_.tx_duration or 0.0
    rate = (len(begun) - 1) / max(last - first, 1e-9)
    if asked is None:
        return rate, None
    if round_.rate_control.type == "linear-rate":
        rate = len(begun) / max(span, last)
    return rate, (rate - asked) / asked


def _latency(milliseconds: NDArray[np.float64]) -> Latency:
    if not len(milliseconds):
        return Latency()
    low, mean, high = float(milliseconds.min()), float(milliseconds.mean()), float(milliseconds.max())
    p50, p90, p99 = (float(each) for each in np.percentile(milliseconds, (50, 90, 99)))
    return Latency(low, mean, p50, p90, p99, high)


def _histogram(milliseconds: NDArray[np.float64]) -> Histogram:
    if not len(milliseconds):
        return Histogram()
    low, high = max(float(milliseconds.min()), 1e-3), max(float(milliseconds.max()), 2e-3)
    edges = np.geomspace(low * 0.999, high * 1.001, _BINS + 1)
    counts, _ = np.histogram(np.maximum(milliseconds, low), edges)
    return Histogram(tuple(float(e) for e in edges), tuple(int(c) for c in counts))
