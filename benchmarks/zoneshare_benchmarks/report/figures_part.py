"""The catalogue's figures: each a step of its own, measured beside its goal."""

from collections.abc import Sequence
from functools import partial

from zoneshare_benchmarks.catalogue import figures
from zoneshare_benchmarks.cli_words import goal_text
from zoneshare_benchmarks.figure import Figure, run
from zoneshare_benchmarks.report.page import Section, Table
from zoneshare_benchmarks.report.steps import Mode, Step

TITLE = "Figures, goals and peers"
_SLOW_S = {
    "epow.useful_share": 60.0,
    "epow.coordinator": 60.0,
    "epow.scale": 20.0,
    "gateway.vs_node": 20.0,
    "host.vs_node": 16.0,
    "wire.vs": 15.0,
    "seal.prove.vs_snarkjs": 15.0,
    "seal.vs_safe": 20.0,
}
_USUAL_S = 5.0


def steps() -> Sequence[Step]:
    """One for each figure."""
    return [Step(f"figure-{name}", TITLE, partial(_make, figure), _seconds(name)) for name, figure in figures().items()]


def _seconds(name: str) -> float:
    return next((spent for start, spent in _SLOW_S.items() if name.startswith(start)), _USUAL_S)


def _make(figure: Figure, mode: Mode) -> Section:
    """As many runs as the figure wants, in quick mode one."""
    found = run(figure, None if mode.full else 1)
    reached = {True: "yes", False: "NO", None: "-"}[found.met]
    parts = ", ".join(f"{name} {value:,.4g}" for name, value in found.parts.items())
    row = (
        figure.name, f"{found.value:,.3g} {found.unit}", goal_text(figure.goal, figure.better, figure.unit), reached,
        found.runs, f"{found.spread:.1%}", figure.what, parts,
    )  # fmt: skip
    return Section(TITLE, [Table(("figure", "measured", "goal", "reached", "runs", "spread", "what", "parts"), (row,))])
