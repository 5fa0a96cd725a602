"""A miner as a person sees it: rate, useful share, claim and blocks, live on a terminal."""

import threading
from typing import Self

from rich.console import Console
from rich.live import Live as RichLive
from rich.table import Table

from zoneshare.epow.miner import Miner


class Live:
    """Shows ``miner`` while the context is open; nothing unless stderr is a terminal."""

    def __init__(self, name: str, miner: Miner, quiet: bool) -> None:
        self._name, self._miner = name, miner
        console = Console(stderr=True)
        self._live = None if quiet or not console.is_terminal else RichLive(console=console, transient=True)
        self._over = threading.Event()

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
            threading.Thread(target=self._refresh, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._live is not None:
            self._live.stop()

    def _refresh(self) -> None:
        while self._live is not None and not self._over.wait(0.5):
            self._live.update(table(self._name, self._miner))


def table(name: str, miner: Miner) -> Table:
    """One line of numbers."""
    shown = Table(box=None, padding=(0, 2))
    for head in ("miner", "coordinator", "height", "loops/s", "useful", "claim", "verified", "blocks", "stale"):
        shown.add_column(head)
    engine, tally = miner.engine, miner.tally
    if engine is not None:
        meter = engine.meter
        rate = (meter.nsubs + meter.free_loops) / max(meter.elapsed, 1e-9)
        shown.add_row(
            name,
            "here" if tally.connected else "gone",
            str(tally.tip.height if tally.tip else 0),
            f"{rate:.1f}",
            f"{meter.useful:.2f}",
            str(miner.wanted),
            str(tally.verified),
            str(tally.blocks),
            str(tally.stale),
        )
    return shown
