"""What all of the project's plots share: the library, how they look, and how they are saved."""

from importlib import import_module
from pathlib import Path
from typing import Any

SIZE = (10, 3.6)
"""Inches: two plots side by side."""
_LABEL = 1.6
"""Inches that a label has in a legend."""


def start(backend: str) -> Any:
    """matplotlib's pyplot, drawing to files only. ``backend``: ``svg`` or ``agg`` (PNG)."""
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use(backend)
    matplotlib.rcParams["svg.hashsalt"] = "zoneshare"
    return import_module("matplotlib.pyplot")


def legend(figure: Any) -> None:
    """One for all of a figure's plots, below them: over none of their lines. The same label is there once."""
    shown: dict[str, Any] = {}
    for axis in figure.axes:
        handles, labels = axis.get_legend_handles_labels()
        shown |= dict(zip(labels, handles, strict=True))
    columns = int(figure.get_figwidth() / _LABEL)
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=columns, fontsize=7)


def save(figure: Any, path: Path) -> Path:
    """The same bytes for the same picture, whenever it is drawn."""
    figure.set_layout_engine("constrained")
    stamp = "Date" if path.suffix == ".svg" else "Software"
    figure.savefig(path, metadata={stamp: None})
    return path
