"""A miner, or a coordinator, as a person sees it: rate, work and blocks, live on a terminal."""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Self

import typer
from rich.console import Console
from rich.live import Live as RichLive
from rich.table import Table

from zoneshare.epow.miner import Miner
from zoneshare.epow.standing import Standing

RATE_S = 10.0
"""A coordinator's rate is that of so long."""


class Live:
    """Shows a table while the context is open; nothing unless stderr is a terminal."""

    def __init__(self, table: Callable[[], Table], quiet: bool) -> None:
        self._table = table
        console = Console(stderr=True)
        self._live = None
        if not quiet and console.is_terminal:
            # What goes to a pipe stays there.
            self._live = RichLive(console=console, transient=True, redirect_stdout=sys.stdout.isatty())
        self._over = threading.Event()

    @property
    def shows(self) -> bool:
        return self._live is not None

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
            self._live.update(self._table())


class Coordinating:
    """A coordinator's table on a terminal, under it what happened last; elsewhere a line for all that happens."""

    def __init__(self, name: str, quiet: bool, now: Callable[[], float] = time.monotonic) -> None:
        self._name, self._quiet, self._now = name, quiet, now
        self._last = ""
        self._seen: deque[tuple[float, int]] = deque()
        self.standing: Callable[[], Standing] = Standing
        self.live = Live(self.table, quiet)

    def told(self, line: str) -> None:
        self._last = line
        if not self._quiet and not self.live.shows:
            typer.echo(line)

    def table(self) -> Table:
        """As it stands now; its rate is that since it was asked for some seconds ago."""
        standing = self.standing()
        self._seen.append((self._now(), standing.verified))
        while self._seen[-1][0] - self._seen[0][0] > RATE_S:
            self._seen.popleft()
        (began, before), (now, verified) = self._seen[0], self._seen[-1]
        rate = (verified - before) / max(now - began, 1e-9)
        return _row(
            {
                "coordinator": self._name,
                "miners": standing.miners,
                "tasks": standing.tasks,
                "runs": standing.runs,
                "verified": verified,
                "rate/s": f"{rate:.1f}",
                "height": standing.height,
                "blocks": standing.blocks,
                "caught": standing.caught,
            },
            self._last,
        )


def mining(name: str, miner: Miner) -> Table:
    """A miner in one line of numbers."""
    engine, tally = miner.engine, miner.tally
    if engine is None:
        return _row({})
    meter = engine.meter
    rate = (meter.nsubs + meter.free_loops) / max(meter.elapsed, 1e-9)
    return _row(
        {
            "miner": name,
            "coordinator": "here" if tally.connected else "gone",
            "height": tally.tip.height if tally.tip else 0,
            "loops/s": f"{rate:.1f}",
            "useful": f"{meter.useful:.2f}",
            "claim": miner.wanted,
            "verified": tally.verified,
            "blocks": tally.blocks,
            "stale": tally.stale,
        }
    )


def _row(values: dict[str, object], below: str = "") -> Table:
    shown = Table(*values, box=None, padding=(0, 1), caption=below or None, caption_justify="left")
    shown.add_row(*map(str, values.values()))
    return shown
