"""The paper's networks with real processes: types I to V, 2 to 5 miners, a coordinator, a ledger and a source.

    python -m zoneshare_benchmarks.epow_real docs/pictures            # 2 to 3 minutes
    python -m zoneshare_benchmarks.epow_real docs/pictures --quick    # half a minute

Smaller than the paper in all but the shape: blocks of 64, a block every second, and claims that fill the same part of
the target block time as the paper's do (600 loops of 0.48 s in 300 s: type IV 0.96). The same in virtual time beside.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import fmean, pstdev
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
from rich.console import Console

from zoneshare.cli.epow_roles import Party, party
from zoneshare_benchmarks import epow_sim as sim
from zoneshare_benchmarks import plots
from zoneshare_benchmarks.epow_system import Site, site
from zoneshare_protocols.epow.ledger import Mined
from zoneshare_protocols.epow.records import LspField
from zoneshare_protocols.errors import LedgerFailed

BASIC = 64
BLOCK_S = 1.0
SIDE = 2560
"""Cells along the matrices that the source has multiplied again and again: 64,000 nsub-tasks."""
SOURCES = 2
"""At once, so that there is always work."""
FILLS = {kind: [claim / 600 * 0.96 for claim in claims] for kind, claims in sim.CLAIMS.items()}
"""Which part of the target block time a miner's claim fills."""
WHOLE = [(kind, 3) for kind in sim.CLAIMS] + [("IV", 2), ("IV", 5)]
QUICK = [("I", 2), ("IV", 2)]
SECONDS, QUICK_SECONDS = 10.0, 6.0
WARM_BLOCKS, PATIENCE_S = 3, 90.0
"""Blocks before it is looked at: processes start, the difficulty finds its level; and how long to wait for them."""


class Zone(NamedTuple):
    """Where they mine."""

    at: Site
    address: str
    me: Party

    def mine(self, name: str, *words: str) -> subprocess.Popen[str]:
        return self.at.start("mine", name, "--coordinator", self.address, "--json", *words)


class Seen(NamedTuple):
    """One network: its blocks' times (s), the part of them won by nsub-tasks, and the miners' useful share."""

    kind: str
    miners: int
    times: list[float]
    involved: int
    useful: float

    @property
    def spread(self) -> float:
        """Deviation of the block time over its mean."""
        return pstdev(self.times) / fmean(self.times) if len(self.times) > 1 else 0.0


def networks(wanted: list[tuple[str, int]], seconds: float) -> Iterator[Seen]:
    """One after the other, on one zone whose chain goes on."""
    with site(BASIC) as at, contextlib.ExitStack() as opened:
        names = [f"m{number}" for number in range(max(miners for _, miners in wanted))]
        rules = {"block-time": str(BLOCK_S), "draws": "4000", "max-claim": "100000", "block-reward": "0"}
        address = f"127.0.0.1:{at.set_up(*names, **rules)}"
        matrix = np.random.default_rng(1).integers(-127, 128, (SIDE, SIDE), dtype=np.int8)
        np.save(at.folder / "A.npy", matrix)
        opened.enter_context(patch.dict(os.environ, at.env))
        me = opened.enter_context(party(Path(at.env["ZONESHARE_HOME"]) / "sue"))
        over = threading.Event()
        opened.callback(over.set)
        for number in range(SOURCES):
            threading.Thread(target=ask, args=(at, address, f"C{number}.npy", over), daemon=True).start()
        zone, rates = Zone(at, address, me), dict[int, float]()
        for kind, miners in wanted:
            if miners not in rates:
                rates[miners] = _rate(zone, names[:miners])
            yield _network(zone, kind, names[:miners], rates[miners], seconds)


def _network(zone: Zone, kind: str, names: list[str], rate: float, seconds: float) -> Seen:
    fills = FILLS[kind]
    claims = [int(fills[n % len(fills)] * BLOCK_S * rate) for n in range(len(names))]
    running = [zone.mine(name, "--claim", str(claim)) for name, claim in zip(names, claims, strict=True)]
    start = zone.me.mining.tip().height
    _until(lambda: _claims(zone.me, start) >= len(names))
    first = zone.me.mining.tip().height + WARM_BLOCKS
    _until(lambda: zone.me.mining.tip().height >= first)
    time.sleep(seconds)
    blocks = _since(zone.me, first)
    for miner in running:
        miner.terminate()
    told = [json.loads(miner.communicate(timeout=60)[0]) for miner in running]
    involved = sum(isinstance(block.header.work, LspField) for block in blocks)
    times = [(later.time - earlier.time) / 1000 for earlier, later in pairwise(blocks)]
    useful = sum(miner["involved"] for miner in told) / sum(miner["seconds"] for miner in told)
    return Seen(kind, len(names), times, involved, useful)


def _claims(me: Party, height: int) -> int:
    """Miners that are at work since this height."""
    return sum(miner.claim is not None and miner.claim.height >= height for miner in me.mining.miners())


def _until(so: Callable[[], bool]) -> None:
    began = time.monotonic()
    while not so():
        if time.monotonic() - began > PATIENCE_S:
            raise LedgerFailed("the miners do not get going")
        time.sleep(0.2)


def _rate(zone: Zone, names: list[str]) -> float:
    """Task-involved loops a second of one of these miners, while all are at work."""
    running = [zone.mine(name, "--tasks-only", "--seconds", "5") for name in names]
    told = [json.loads(miner.communicate(timeout=60)[0]) for miner in running]
    return fmean(miner["nsubs"] / max(miner["involved"], 1e-9) for miner in told)


def ask(at: Site, address: str, out: str, over: threading.Event) -> None:
    """Work without end, or until the site is closed."""
    words = ("multiply", "A.npy", "A.npy", out, "--device", "sue", "--coordinator", address, "--fee", "1", "--json")
    while not over.is_set():
        at.start(*words).wait()


def _since(me: Party, height: int) -> list[Mined]:
    return [me.mining.block(number) for number in range(max(1, height), me.mining.tip().height + 1)]


def main(folder: Path, quick: bool) -> None:
    """Write ``epow-real.svg`` into ``folder``."""
    console = Console()
    seen = []
    for each in networks(QUICK if quick else WHOLE, QUICK_SECONDS if quick else SECONDS):
        seen.append(each)
        console.print(
            f"type {each.kind:>3}, {each.miners} miners: {len(each.times) + 1} blocks, {each.involved} by nsub-tasks, "
            f"{fmean(each.times) if each.times else 0:.2f} s a block, deviation {each.spread:.2f} of it, "
            f"useful {each.useful:.2f} ({virtual(each)['useful']:.2f} in virtual time)"
        )
    console.print(str(draw(folder, seen)))


def virtual(seen: Seen) -> dict[str, float]:
    """The same network in virtual time: :func:`.epow_sim.average`."""
    return sim.average(seen.kind, seen.miners, sim.FAIR, 30, Random(seen.kind))


def draw(folder: Path, seen: list[Seen]) -> Path:
    """``folder/epow-real.svg``."""
    pyplot = plots.start("svg")
    figure, axes = pyplot.subplots(1, 2, figsize=plots.SIZE)
    labels = [f"{each.kind}, {each.miners}" for each in seen]
    beside = [virtual(each) for each in seen]
    _bars(axes[0], labels, [s.useful for s in seen], [v["useful"] for v in beside], "time in task-involved loops")
    spreads = [v["deviation"] / v["block_time"] for v in beside]
    _bars(axes[1], labels, [s.spread for s in seen], spreads, "deviation / mean of the block time")
    axes[0].legend(fontsize=7)
    return plots.save(figure, folder / "epow-real.svg")


def _bars(axis: Any, labels: list[str], real: list[float], virtual: list[float], what: str) -> None:
    places = np.arange(len(labels))
    axis.bar(places - 0.2, real, 0.4, label="real processes")
    axis.bar(places + 0.2, virtual, 0.4, label="virtual time, mode cost")
    axis.set_xticks(places, labels, fontsize=7)
    axis.set_xlabel("type, miners")
    axis.set_ylabel(what)


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--quick" in sys.argv)
