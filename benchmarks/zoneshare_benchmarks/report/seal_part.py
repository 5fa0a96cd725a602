"""SEAL's tables and figures, as its own benchmarks make them."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from zoneshare_benchmarks import seal_growth
from zoneshare_benchmarks.report.page import Part, Picture, Section, Table, Text
from zoneshare_benchmarks.report.pictures import png
from zoneshare_benchmarks.report.steps import Mode, Step
from zoneshare_benchmarks.seal_plots import Picture as Drawing
from zoneshare_benchmarks.seal_plots import draw
from zoneshare_benchmarks.seal_table import Table as SealTable

GROWTH = "Growth: auctions"


def steps() -> Sequence[Step]:
    """Growth of the auction; the chapters of SEAL's own report."""
    return [Step("seal-growth", GROWTH, _growth, 30)]


def _growth(mode: Mode) -> Section:
    """To 1,000 bidders and 100 tasks in full mode."""
    few = ((10, 30, 100, 300), (10, 30), 1)
    found = seal_growth.auction_growth() if mode.full else seal_growth.auction_growth(*few)
    return section(GROWTH, found.table(), None)


def section(title: str, table: SealTable, drawing: Drawing | None) -> Section:
    """One table of SEAL's, and its picture."""
    parts: list[Part] = [Text(table.title)]
    if drawing is not None:
        with TemporaryDirectory() as folder:
            parts.append(Picture(png(draw(table, drawing, Path(folder)).read_bytes()), table.title))
    parts += [Table(table.columns, table.rows), Text(table.note)]
    return Section(title, parts)


def chapter(title: str, make: Callable[[], SealTable], drawing: Drawing | None, seconds: float) -> Step:
    """A chapter of SEAL's report as a step."""
    return Step(title, "SEAL", partial(_chapter, make, drawing), seconds)


def _chapter(make: Callable[[], SealTable], drawing: Drawing | None, _: Mode) -> Section:
    return section("SEAL", make(), drawing)
