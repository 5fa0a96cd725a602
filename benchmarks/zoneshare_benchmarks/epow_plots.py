"""The paper's Figs. 4, 5 and 6 from the simulation, beside the paper's values.

python -m zoneshare_benchmarks.epow_plots docs/pictures 200
"""

import sys
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console

from zoneshare_benchmarks import epow_sim as sim
from zoneshare_benchmarks import plots

PAPER_PERIODS = {2: 2e13, 5: 5.5e13}
"""Fig. 5, type IV at height 50: clock periods by number of miners, as the paper's text gives them."""
PAPER_USEFUL = 0.8
"""Fig. 6, type IV: "up to 80 percent"."""
SIZES = (2, 3, 4, 5)


def main(folder: Path, runs: int) -> None:
    """Write ``epow-fig4.svg``, ``epow-fig5.svg`` and ``epow-fig6.svg`` into ``folder``."""
    pyplot = plots.start("svg")
    for name, draw in (("fig4", _block_times), ("fig5", _periods), ("fig6", _useful)):
        figure, axes = pyplot.subplots(1, 2, figsize=plots.SIZE, sharey=True)
        for axis, reading in zip(axes, (sim.FAIR, sim.PAPER), strict=True):
            title = "mode cost (the default)" if reading is sim.FAIR else "the paper's mode, hashing task-free loops"
            axis.set_title(title, fontsize=9)
            draw(axis, reading, runs)
        plots.legend(figure)
        Console().print(str(plots.save(figure, folder / f"epow-{name}.svg")))


def _block_times(axis: Any, reading: sim.Reading, _: int) -> None:
    """Fig. 4: one run's block times, 5 miners."""
    for kind in sim.CLAIMS:
        axis.plot(range(1, 51), _outcome(kind, 5, reading, 4).times, linewidth=0.8, label=f"type {kind}")
    axis.axhline(300, color="black", linewidth=0.8, linestyle="--", label="target, and the paper's average")
    axis.set_xlabel("block height")
    axis.set_ylabel("s a block")


def _periods(axis: Any, reading: sim.Reading, runs: int) -> None:
    """Fig. 5, type IV: clock periods in nsub-tasks by height, the mean of ``runs`` runs."""
    for colour, size in enumerate(SIZES):
        outcomes = [_outcome("IV", size, reading, seed) for seed in range(runs)]
        loops = [sum(outcome.loops[height] for outcome in outcomes) / runs for height in range(50)]
        periods = [done * sim.LOOP_SECONDS * sim.CLOCK_HZ for done in loops]
        axis.plot(range(1, 51), periods, f"C{colour}", linewidth=0.9, label=f"{size} miners")
        if size in PAPER_PERIODS:
            axis.plot([50], [PAPER_PERIODS[size]], f"C{colour}X", label=f"the paper, {size} miners")
    axis.set_xlabel("block height")
    axis.set_ylabel("clock periods in nsub-tasks")


def _useful(axis: Any, reading: sim.Reading, runs: int) -> None:
    """Fig. 6: useful share by the network's size."""
    for kind in sim.CLAIMS:
        shares = [sim.average(kind, size, reading, runs, Random(f"{kind}{size}"))["useful"] for size in SIZES]
        axis.plot(SIZES, shares, marker="o", markersize=3, linewidth=0.9, label=f"type {kind}")
    axis.axhline(PAPER_USEFUL, color="black", linewidth=0.8, linestyle="--", label="the paper, type IV")
    axis.set_xticks(SIZES)
    axis.set_xlabel("miners")
    axis.set_ylabel("time in task-involved loops")


def _outcome(kind: str, miners: int, reading: sim.Reading, seed: int) -> sim.Outcome:
    network = sim.paper_network(kind, miners)
    rules = sim.calibrated(reading.rules, network, reading.free_seconds)
    return sim.run(network, rules, 50, Random(f"{kind}{miners}/{seed}"), free_seconds=reading.free_seconds)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200)
