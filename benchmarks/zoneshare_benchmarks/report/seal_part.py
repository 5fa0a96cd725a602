"""SEAL's tables and figures, as its own benchmarks make them."""

import re
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from zoneshare_benchmarks import seal_economics, seal_figures, seal_growth, seal_runs
from zoneshare_benchmarks.report.page import Part, Picture, Section, Table, Text
from zoneshare_benchmarks.report.pictures import lines, png
from zoneshare_benchmarks.report.steps import Mode, Step
from zoneshare_benchmarks.seal_figures import Chapter
from zoneshare_benchmarks.seal_plots import draw
from zoneshare_benchmarks.seal_prover import proofs

TITLE = "SEAL"
GROWTH = "Growth: auctions"
QUICK_SECONDS = (15.0, 20.0, 5.0, 12.0, 5.0)
"""What the simulated chapters take, in their order."""


def steps(full: bool) -> Sequence[Step]:
    """In full mode all of the paper's tables and figures, measured together; else Table V and what is simulated."""
    growth = Step("seal-growth", GROWTH, _growth, 5)
    if full:
        return [Step("seal-paper", TITLE, _paper, 600, 600), growth]
    simulated = [
        Step(f"seal-simulated-{number}", TITLE, partial(_simulated, number), seconds)
        for number, seconds in enumerate(QUICK_SECONDS)
    ]
    return [Step("seal-table-5", TITLE, _table_5, 50), *simulated, growth]


def _paper(_: Mode) -> Section:
    with proofs() as made:
        # The last is growth, which is a step of its own.
        *chapters, _growth_too = seal_figures.measured(made, [], lambda _: None)
        return Section(TITLE, [part for each in chapters for part in parts(each)])


def _table_5(_: Mode) -> Section:
    """The paper's two auctions, over the real contracts, every proof made."""
    with proofs() as made:
        small, large = (seal_runs.run_whole(size, made) for size in (seal_runs.SIZES[0], seal_runs.SIZES[-1]))
    table = seal_runs.table_5(small, large)
    more = Text(
        "Tables III and VI to VIII, Fig. 5 and the consensus delay of Fig. 7: in full mode, or by zoneshare bench seal."
    )
    return Section(TITLE, [*parts(Chapter(lambda: table)), more])


def _simulated(number: int, _: Mode) -> Section:
    chapters = list(seal_figures.economics([], seal_economics.Overhead(0, 0, 0)))
    found = list(parts(chapters[number]))
    if number == 0:
        found.append(Text("Cryptography and messages are measured in full mode only: here they cost nothing."))
    return Section(TITLE, found)


def _growth(mode: Mode) -> Section:
    """To 1,000 bidders and 100 tasks in full mode."""
    few = ((10, 30, 100, 300), (10, 30))
    found = seal_growth.auction_growth() if mode.full else seal_growth.auction_growth(*few)
    series = {
        f"{tasks} tasks": (
            [n for n, m, _ in found.seconds if m == tasks],
            [1e3 * s for _, m, s in found.seconds if m == tasks],
        )
        for tasks in dict.fromkeys(m for _, m, _ in found.seconds)
    }
    drawn = Picture(lines(series, "bidders", "CPU ms", log=True), "Growth of Algorithm 2")
    return Section(GROWTH, [drawn, *parts(Chapter(found.table))])


def parts(chapter: Chapter) -> Iterable[Part]:
    """A chapter as the page has it."""
    table = chapter.make()
    if chapter.picture is not None:
        with TemporaryDirectory() as folder:
            yield Picture(png(draw(table, chapter.picture, Path(folder)).read_bytes()), table.title)
    rows = tuple(tuple(f"{cell:.4g}" if isinstance(cell, float) else cell for cell in row) for row in table.rows)
    yield Table(table.columns, rows, table.title)
    yield Text(_plain(table.note))


def _plain(markdown: str) -> str:
    """Without its code marks, and links by their names: they lead nowhere from the page."""
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", markdown).replace("`", "")
