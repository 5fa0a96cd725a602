"""Progress bars of trades, on stderr and for terminals only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from zoneshare.cli.common import INTERRUPTED, exit_code, one_line
from zoneshare.cli.trade_roles import Shown, Stake
from zoneshare.stores import StoreFailed
from zoneshare.trade.messages import Offer
from zoneshare.trade.wire import PeerGone
from zoneshare_protocols.errors import LedgerFailed
from zoneshare_protocols.sharing.records import SignedState


@contextmanager
def reading(file: Path) -> Iterator[Callable[[int], None]]:
    """A bar over the bytes of a file that is hashed."""
    with _bar() as bar:
        size = file.stat().st_size if file.is_file() else None
        task = bar.add_task(f"reading {file.name}", total=size)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def buying(stakes: list[Stake]) -> Iterator[Shown]:
    """A bar over the chunks of a purchase; without a terminal only what it waits for, each once. ``stakes`` gets what
    is locked when it breaks off."""
    doing = "buying"
    told: set[str] = set()
    with _bar() as bar:
        task = bar.add_task("asking the seller", total=None)

        def offered(offer: Offer) -> None:
            words = f"{offer.name}: opening, and waiting for the seller's commitment"
            bar.update(task, description=words, total=offer.chunks)

        def progress(chunks: int, newest: SignedState | None) -> None:
            version = "" if newest is None else f", T_{newest.state.version}"
            bar.update(task, description=f"buying{version}", completed=chunks)

        def waiting(done: int, steps: int) -> None:
            bar.update(task, description=f"the seller prepares the goods, {100 * done // max(1, steps)} %")

        def settling() -> None:
            nonlocal doing
            doing = "settling"
            bar.update(task, description=doing)

        def away(failed: LedgerFailed) -> None:
            who = {PeerGone: "seller", StoreFailed: "store"}.get(type(failed), "network")
            words = f"{doing}: waiting for the {who}"
            bar.update(task, description=words)
            if bar.disable and words not in told:
                typer.echo(words, err=True)
            told.add(words)

        yield Shown(offered, progress, waiting, settling, away, stakes.append)


def break_off(name: str, error: BaseException, stakes: list[Stake], debug: bool) -> NoReturn:
    """Show the error, what is locked, and how to go on; ``error`` may be a KeyboardInterrupt. Raises typer.Exit."""
    failed = isinstance(error, Exception)
    if failed and not debug:
        typer.echo(one_line(error), err=True)
    for stake in stakes:
        again = "run the same line again to go on, or " if stake.on else ""
        close = f"zoneshare channel close {name} {stake.channel}"
        typer.echo(f"up to {stake.deposit} are locked in channel {stake.channel}: {again}{close}", err=True)
    if debug:
        raise error
    raise typer.Exit(exit_code(error) if failed else INTERRUPTED)


def _bar() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
