"""SEAL's figures as PNG, from the tables' columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

from zoneshare_benchmarks import plots
from zoneshare_benchmarks.seal_table import Table


@dataclass(frozen=True)
class Panel:
    """One plot. ``lines``: column of the table to what it is called."""

    label: str
    lines: Mapping[str, str]
    limits: Mapping[str, float] = field(default_factory=dict)
    """Horizontal lines, by what they are: what the paper has, for instance."""
    scale: str = "linear"
    """matplotlib's: ``log``, ``symlog``."""


@dataclass(frozen=True)
class Picture:
    """A table's columns against one of them. ``bars``: the first column has names, not numbers."""

    x: str
    panels: tuple[Panel, ...]
    bars: bool = False


def same(*names: str, unit: str = "") -> dict[str, str]:
    """Columns ``NAME UNIT`` called by their names."""
    return {f"{name} {unit}".strip(): name for name in names}


def draw(table: Table, picture: Picture, folder: Path) -> Path:
    """``folder/NAME.png``. Raises Misuse for a column that the table has not."""
    pyplot = plots.start("agg")
    width = plots.SIZE[0] * min(1, len(picture.panels) / 2)
    figure, axes = pyplot.subplots(1, len(picture.panels), figsize=(max(width, 5.6), plots.SIZE[1]), squeeze=False)
    for axis, panel in zip(axes[0], picture.panels, strict=True):
        # The scale first, so that the room above what is drawn is the scale's.
        axis.set_yscale(panel.scale)
        _bars(axis, table, panel) if picture.bars else _lines(axis, table, picture.x, panel)
        for (name, value), dashes in zip(panel.limits.items(), cycle(("--", ":")), strict=False):
            axis.axhline(value, color="black", linewidth=0.8, linestyle=dashes, label=name)
        axis.set_xlabel(picture.x)
        axis.set_ylabel(panel.label)
    plots.legend(figure)
    path = plots.save(figure, folder / f"{table.name}.png")
    pyplot.close(figure)
    return path


def _lines(axis: Any, table: Table, x: str, panel: Panel) -> None:
    """Each before the next, and every second one dashed, so that two with the same values are both seen."""
    for number, ((column, name), style) in enumerate(zip(panel.lines.items(), cycle(("o-", "s--")), strict=False)):
        axis.plot(
            table.column(x), table.column(column), style, markersize=3, linewidth=1, label=name, zorder=3 - number / 100
        )


def _bars(axis: Any, table: Table, panel: Panel) -> None:
    names = [str(row[0]) for row in table.rows]
    width = 0.8 / len(panel.lines)
    for number, (column, name) in enumerate(panel.lines.items()):
        places = [place + (number + 0.5) * width - 0.4 for place in range(len(names))]
        axis.bar(places, table.column(column), width, label=name)
    axis.set_xticks(range(len(names)), names, rotation=60, fontsize=7)
