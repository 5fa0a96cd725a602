"""What all of the project's plots share: the library, how they look, and how they are saved."""

from importlib import import_module
from pathlib import Path
from typing import Any

SIZE = (10, 3.6)
"""Inches: two plots side by side."""


def start(backend: str) -> Any:
    """matplotlib's pyplot, drawing to files only. ``backend``: ``svg`` or ``agg`` (PNG)."""
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use(backend)
    matplotlib.rcParams["svg.hashsalt"] = "zoneshare"
    return import_module("matplotlib.pyplot")


def save(figure: Any, path: Path) -> Path:
    """The same bytes for the same picture, whenever it is drawn."""
    figure.tight_layout()
    stamp = "Date" if path.suffix == ".svg" else "Software"
    figure.savefig(path, metadata={stamp: None})
    return path
