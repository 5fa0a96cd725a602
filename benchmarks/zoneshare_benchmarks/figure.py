"""A figure: what is measured, in what unit, against which goal; and how it is run and summed up."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

from zoneshare_protocols.errors import Misuse


@dataclass(frozen=True)
class Sample:
    """One run's value, and what it was made of (name to number, in the units the names say)."""

    value: float
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """``measure`` does one whole run by itself, so that both sides of a ratio are taken side by side."""

    name: str
    what: str
    unit: str
    better: Literal["higher", "lower"]
    measure: Callable[[], Sample]
    goal: float | None = None
    runs: int = 5


@dataclass(frozen=True)
class Result:
    """``value`` is the median of the runs; ``spread`` is (largest - smallest) / median."""

    name: str
    value: float
    unit: str
    goal: float | None
    better: str
    runs: int
    spread: float
    parts: Mapping[str, float]

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal


def run(figure: Figure, runs: int | None = None) -> Result:
    """Measure ``figure`` several times. The parts are the medians of the runs' parts."""
    count = figure.runs if runs is None else runs
    if count < 1:
        raise Misuse("a figure needs at least one run", runs=count)
    samples = [figure.measure() for _ in range(count)]
    values = [sample.value for sample in samples]
    middle = median(values)
    spread = (max(values) - min(values)) / middle if middle else 0.0
    parts = {name: median(sample.parts[name] for sample in samples) for name in samples[0].parts}
    return Result(figure.name, middle, figure.unit, figure.goal, figure.better, count, spread, parts)


def select(figures: Mapping[str, Figure], names: list[str]) -> Iterator[Figure]:
    """The figures with these names; a name that ends in a dot stands for all that begin with it.

    Raises Misuse for a name that no figure has.
    """
    for name in names:
        found = [f for n, f in figures.items() if n == name or (name.endswith(".") and n.startswith(name))]
        if not found:
            raise Misuse(f"no figure is called {name!r}; zoneshare bench list shows them")
        yield from found
