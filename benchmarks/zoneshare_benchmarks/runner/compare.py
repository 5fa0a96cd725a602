"""Two results side by side: ratios, and the noise of repeated runs that a ratio has to be larger than."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

from zoneshare_benchmarks.runner.book import BenchmarkResult
from zoneshare_benchmarks.runner.outcome import RoundResult
from zoneshare_protocols.errors import Misuse

QUANTITIES: dict[str, Callable[[RoundResult], float]] = {
    "throughput, tx/s": lambda each: each.throughput,
    "latency p50, ms": lambda each: each.latency.p50,
    "latency p99, ms": lambda each: each.latency.p99,
    "conflicts": lambda each: each.conflicts,
    "refused": lambda each: each.refused,
    "failed": lambda each: each.failed,
    "runner's CPU, %": lambda each: each.runner_cpu,
}


class Line(NamedTuple):
    """Medians of the runs; ``noise`` is the larger spread of the two, (largest - smallest) / median; None for one run.

    ``ratio`` is None where the first is 0.
    """

    label: str
    quantity: str
    first: float
    second: float
    ratio: float | None
    noise: float | None

    @property
    def differs(self) -> bool | None:
        """Whether they differ by more than the noise; None where the noise is not known."""
        if self.ratio is None or self.noise is None:
            return None
        return abs(self.ratio - 1) > self.noise


def compare(first: BenchmarkResult, second: BenchmarkResult) -> list[Line]:
    """One line for each quantity of each round that both have. Raises Misuse where they have none in common."""
    labels = [each.label for each in first.header.test.rounds]
    lines = []
    for label in labels:
        ours, theirs = ([each for each in side.rounds if each.label == label] for side in (first, second))
        if ours and theirs:
            lines += [_line(label, name, take, ours, theirs) for name, take in QUANTITIES.items()]
    if not lines:
        raise Misuse("the two results have no round in common")
    return lines


def _line(
    label: str,
    quantity: str,
    take: Callable[[RoundResult], float],
    first: Sequence[RoundResult],
    second: Sequence[RoundResult],
) -> Line:
    sides = [[float(take(each)) for each in side] for side in (first, second)]
    one, other = (median(side) for side in sides)
    spreads = [_spread(side) for side in sides]
    noise = None if None in spreads else max(each for each in spreads if each is not None)
    return Line(label, quantity, one, other, other / one if one else None, noise)


def _spread(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    middle = median(values)
    return (max(values) - min(values)) / middle if middle else 0.0
