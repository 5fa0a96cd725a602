"""Every table and figure of SEAL's chapter: which there are, and all of them into the docs with one command."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoneshare_benchmarks import (
    seal_compare,
    seal_economics,
    seal_ledger,
    seal_payoffs,
    seal_runs,
    seal_safe,
    seal_schemes,
)
from zoneshare_benchmarks.seal_armor import Keys
from zoneshare_benchmarks.seal_growth import auction_growth
from zoneshare_benchmarks.seal_plots import Panel, Picture, draw, same
from zoneshare_benchmarks.seal_prover import Proofs
from zoneshare_benchmarks.seal_runs import Run
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
    lies = ("honest", "false, best", "false, best, slack 1.62 s", "false, best, only Tmax")
    yield Chapter(
        seal_payoffs.payoffs, Picture("task", (Panel("payoff, money", same(*lies), scale="symlog"),), bars=True)
    )
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
            (Panel("time, s", same(*few, unit="s"), scale="log"), Panel("energy, kJ", same(*few, unit="kJ"))),
        ),
    )


def measured(made: Proofs, dwells: Sequence[int], say: Callable[[str], None]) -> Iterator[Chapter]:
    """Everything of the paper in its order. What the tables share is measured first, and takes most of the time."""
    say("auctions of one winner, with SEAL and with SAFE")
    tasks = seal_safe.TASKS
    safe = seal_safe.safe(tasks, made)
    safe_task = seal_safe.per_task(safe, tasks)
    single, batched = seal_safe.seal(tasks, 1, made), seal_safe.seal(tasks, seal_safe.BATCH, made)
    runs: list[Run] = []
    for size in (*seal_runs.SIZES, *seal_runs.BESIDE):
        say(f"an auction of {size[0]} bidders and {size[1]} tasks")
        runs.append(seal_runs.run_whole(size, made, dwells))
    whole = runs[: len(seal_runs.SIZES)]
    say("the same auctions by ARMOR and BidGuard")
    compared = seal_compare.compare(whole, Keys(), safe_task)
    against = seal_safe.Comparison(safe.total(), batched.total(), single.total())
    yield Chapter(lambda: seal_safe.table(against))
    yield Chapter(lambda: seal_runs.table_3(runs))
    yield Chapter(lambda: seal_runs.table_5(whole[0], whole[-1]))
    yield Chapter(lambda: seal_compare.table_6(compared))
    yield Chapter(lambda: seal_compare.table_7(compared))
    yield Chapter(seal_ledger.table_8)
    kinds = ("SAFE", "SEAL", "SEAL, batches")
    sizes = seal_ledger.sizes(runs, single, batched, safe_task, tasks)
    yield Chapter(
        lambda: seal_ledger.payments(sizes),
        Picture(
            "bidders",
            tuple(
                Panel(f"MB, {kind} frequency", {f"{kind}: {name}": name for name in kinds}) for kind in ("low", "high")
            ),
        ),
    )
    yield Chapter(
        lambda: seal_ledger.enclave(dwells),
        Picture(
            "bidders",
            (
                Panel("ms in the enclave", {"ms": "here"}, limits={"the paper: under": 400}, scale="log"),
                Panel("KB of attestation", {"KB": "here"}, limits={"the paper: under": 250}),
            ),
        ),
    )
    yield Chapter(
        lambda: seal_ledger.consensus(made),
        Picture(
            "transaction",
            (Panel("delay, s", same("mean", "longest"), limits={"the paper, least": 0.3, "the paper, most": 0.81}),),
            bars=True,
        ),
    )
    yield from economics(dwells, seal_compare.overhead(compared[0], safe_task))
    yield Chapter(
        lambda: auction_growth().table(),
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
