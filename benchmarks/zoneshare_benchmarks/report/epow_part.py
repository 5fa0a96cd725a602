"""E-PoW: Figs. 4 to 6 from the simulation, which runs the very rules in virtual time; real processes; growth."""

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from random import Random
from statistics import fmean
from tempfile import TemporaryDirectory

from zoneshare_benchmarks import epow_plots, epow_real, epow_scale
from zoneshare_benchmarks import epow_sim as sim
from zoneshare_benchmarks.report.page import Part, Picture, Section, Table, Text
from zoneshare_benchmarks.report.pictures import inline, lines
from zoneshare_benchmarks.report.steps import Mode, Step
from zoneshare_benchmarks.seal_growth import fit

TITLE = "E-PoW, Figs. 4 to 6"
REAL = "E-PoW with real processes"
GROWTH = "Growth: E-PoW's task lists"
_CAPTIONS = {
    "epow-fig4": "Fig. 4: block times, 5 miners",
    "epow-fig5": "Fig. 5: clock periods in nsub-tasks, type IV",
    "epow-fig6": "Fig. 6: share of useful time",
}


def make(mode: Mode) -> Section:
    """200 runs a point in full mode, else 10."""
    runs = 200 if mode.full else 10
    parts: list[Part] = []
    with TemporaryDirectory() as folder:
        with redirect_stdout(io.StringIO()):
            epow_plots.main(Path(folder), runs)
        for name, caption in _CAPTIONS.items():
            parts.append(Picture(inline((Path(folder) / f"{name}.svg").read_text()), caption))
    rows = []
    for reading in (sim.FAIR, sim.PAPER):
        for miners in (2, 5):
            got = sim.average("IV", miners, reading, runs, Random(f"report{miners}"))
            periods = got["loops"] * sim.LOOP_SECONDS * sim.CLOCK_HZ
            theirs = epow_plots.PAPER_PERIODS[miners]
            rows.append(
                (
                    reading.name, miners, f"{got['block_time']:.0f} ± {got['deviation']:.0f}", "300",
                    f"{got['useful']:.2f}", "up to 0.8", f"{periods:.2e}", f"{theirs:.1e}",
                )
            )  # fmt: skip
    heads = (
        "mode", "miners", "block time, s", "the paper's", "useful share", "the paper's", "clock periods", "the paper's",
    )  # fmt: skip
    parts.append(Table(heads, tuple(rows), "Type IV at height 50"))
    parts.append(
        Text(
            f"Simulated, {runs} runs of 50 blocks a point, with the rules of the contract. A task-involved loop takes "
            f"{sim.LOOP_SECONDS} s at {sim.CLOCK_HZ / 1e9:g} GHz, as in the paper. Useful is the share of all miners' "
            "time spent in task-involved loops; the paper's 5.5e13 clock periods over its 150,000 nsub-tasks are 0.115 "
            "s of each 0.48 s loop, 24 % and not 80 %. The measured share of a real miner is among the figures "
            "(epow.useful_share)."
        )
    )
    return Section(TITLE, parts)


def _real(_: Mode) -> Section:
    """Types I to V with 3 miners, type IV with 2 and 5."""
    seen = list(epow_real.networks(epow_real.WHOLE, epow_real.SECONDS))
    with TemporaryDirectory() as folder:
        picture = inline(epow_real.draw(Path(folder), seen).read_text())
    rows = []
    for each in seen:
        beside = epow_real.virtual(each)
        rows.append(
            (
                f"{each.kind}, {each.miners}", len(each.times) + 1, each.involved,
                f"{fmean(each.times):.2f}" if each.times else "-", f"{each.spread:.2f}",
                f"{beside['deviation'] / beside['block_time']:.2f}", f"{each.useful:.2f}", f"{beside['useful']:.2f}",
            )
        )  # fmt: skip
    heads = (
        "type, miners", "blocks", "by nsub-tasks", "block time, s", "deviation / mean", "in virtual time",
        "useful share", "in virtual time",
    )  # fmt: skip
    return Section(
        REAL,
        [
            Picture(picture, "Useful share, and how much block times differ"),
            Table(heads, tuple(rows)),
            Text(
                f"Network, coordinator, sources and miners, each a process; blocks of {epow_real.BASIC}, "
                f"{epow_real.SECONDS:g} s a network, a target of {epow_real.BLOCK_S:g} s, of which claims fill the "
                "same part as the paper's. Useful: the share of all miners' time in task-involved loops; the news of a "
                "block, new assignments and claims take some tenths of each second. Miners share this machine's cores."
            ),
        ],
    )


def _scale(mode: Mode) -> Section:
    """To 10^6 nsub-tasks in full mode, else 125,000."""
    found = [epow_scale.apart(basic) for basic in (epow_scale.BASICS if mode.full else epow_scale.BASICS[:-1])]
    counts, spent, memory = ([each[name] for each in found] for name in ("nsubs", "seconds", "mb"))
    time, space = (fit([(count,) for count in counts], values).exponents[0] for values in (spent, memory))
    rows = tuple(
        (f"{each['nsubs']:,.0f}", f"{each['runs']:,.0f}", f"{each['seconds']:.2f}",
         f"{each['seconds'] / each['nsubs'] * 1e6:.0f}", f"{each['mb']:.1f}")
        for each in found
    )  # fmt: skip
    series = {"CPU s": (counts, spent), "MB beyond the matrices": (counts, memory)}
    return Section(
        GROWTH,
        [
            Picture(lines(series, "nsub-tasks", "", log=True), "Growth with a task list's length"),
            Table(("nsub-tasks", "runs", "CPU s in all", "us each", "MB beyond the matrices"), rows),
            Text(
                f"The same two matrices of {epow_scale.SIDE:,} x {epow_scale.SIDE:,} in ever smaller blocks, each "
                "nsub-task handed out, done, hashed, summed, checked by Freivalds and merged, in one process. Fitted: "
                f"time n^{time:.2f}, memory n^{space:.2f}. How many miners one core of a coordinator feeds is among "
                "the figures (epow.coordinator.miners): real coordinator, ledger, source and connections, and miners "
                "that know their results."
            ),
        ],
    )


def steps(full: bool) -> Sequence[Step]:
    """Real processes in full mode only: they need their time."""
    simulated, scale = Step("epow-figures", TITLE, make, 8, 30), Step("growth-epow", GROWTH, _scale, 8, 30)
    return [simulated, *([Step("epow-real", REAL, _real, 180, 180)] if full else []), scale]
