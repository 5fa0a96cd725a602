"""Every table and figure of SEAL's chapter: which there are, and all of them into the docs with one command."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoneshare_benchmarks import seal_economics, seal_payoffs, seal_schemes
from zoneshare_benchmarks.seal_plots import Panel, Picture, draw, same
from zoneshare_benchmarks.seal_table import Table
from zoneshare_protocols.seal.energy import BATTERY

FILE = "seal-figures.md"
PICTURES = "pictures"


@dataclass(frozen=True)
class Chapter:
    """A table, and how it is drawn if it is."""

    make: Callable[[], Table]
    picture: Picture | None = None


def economics(dwells: Sequence[int], overhead: seal_economics.Overhead) -> Iterator[Chapter]:
    """Figs. 7 and 9 to 11: simulations, with nothing timed in them."""
    schemes = ("optimum", "SEAL", "SAFE", "ARMOR", "BidGuard, perturbed", "BidGuard, selected")
    yield Chapter(
        lambda: seal_economics.by_scheme(overhead, dwells),
        Picture("vehicles/km", (Panel("cost, money a location", same(*schemes)),)),
    )
    totals = [f"{total} tasks" for total in seal_economics.TOTALS]
    yield Chapter(
        lambda: seal_economics.along_the_route(dwells),
        Picture("vehicles/km", (Panel("cost, money a location", same(*totals)),)),
    )
    lies = ("honest", "false, mean", "false, best", "false, best, slack 1.62 s", "false, best, only Tmax")
    yield Chapter(seal_payoffs.payoffs, Picture("task", (Panel("payoff, money", same(*lies)),)))
    names = seal_schemes.NAMES
    battery = {"battery": BATTERY / 1e6}
    yield Chapter(
        lambda: seal_schemes.by_locations(dwells),
        Picture(
            "locations",
            (Panel("time, s", same(*names, unit="s")), Panel("energy, kJ", same(*names, unit="kJ"), limits=battery)),
        ),
    )
    few = ("SEAL", "PAA", "CLOUD", "LOCAL")
    yield Chapter(
        lambda: seal_schemes.by_tasks(dwells),
        Picture(
            "tasks",
            (Panel("time, s", same(*few, unit="s"), log=True), Panel("energy, kJ", same(*few, unit="kJ"))),
        ),
    )


def write(chapters: Sequence[Chapter], out: Path, head: str, say: Callable[[str], None]) -> None:
    """``out/seal-figures.md``, and for every picture ``out/pictures/NAME.png`` with its numbers in ``NAME.csv``."""
    pictures = out / PICTURES
    pictures.mkdir(parents=True, exist_ok=True)
    parts = [head]
    for chapter in chapters:
        table = chapter.make()
        text = table.markdown()
        if chapter.picture is not None:
            path = draw(table, chapter.picture, pictures)
            (pictures / f"{table.name}.csv").write_text(table.csv())
            title, rest = text.split("\n\n", 1)
            text = f"{title}\n\n![{table.title}]({PICTURES}/{path.name})\n\n{rest}"
            say(str(path))
        parts.append(text)
    (out / FILE).write_text("\n".join(parts))
    say(str(out / FILE))
