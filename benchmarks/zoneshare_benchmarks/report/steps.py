"""The steps of the one report: each makes one section by itself, and is kept when it is done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoneshare_benchmarks.report.page import Section


@dataclass(frozen=True)
class Mode:
    """How much: ``full`` as the papers have it, else small; ``network``: a real one's folder, or a new embedded one."""

    full: bool = False
    network: Path | None = None


@dataclass(frozen=True)
class Step:
    """``seconds``: about what it takes in quick mode; a quick report leaves out what its time has no room for.
    ``full``: about what it takes in full mode; 0: five times that."""

    name: str
    title: str
    make: Callable[[Mode], Section]
    seconds: float
    full: float = 0.0

    def foreseen(self, mode: Mode) -> float:
        """Seconds, about."""
        return (self.full or 5 * self.seconds) if mode.full else self.seconds


def steps(full: bool) -> Sequence[Step]:
    """All of a mode, in the order they are run: what the papers show first."""
    from zoneshare_benchmarks.report import epow_part, figures_part, growth_part, rounds_part, seal_part, twolayer_part

    return [
        *twolayer_part.STEPS,
        *epow_part.steps(full),
        *rounds_part.STEPS,
        *seal_part.steps(full),
        *growth_part.STEPS,
        *figures_part.steps(),
    ]
