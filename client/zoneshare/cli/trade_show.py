"""Progress bars of trades, on stderr and for terminals only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from zoneshare.cli.trade_roles import Shown
from zoneshare.trade.messages import Offer
from zoneshare_protocols.sharing.records import SignedState


@contextmanager
def reading(file: Path) -> Iterator[Callable[[int], None]]:
    """A bar over the bytes of a file that is hashed."""
    with _bar() as bar:
        size = file.stat().st_size if file.is_file() else None
        task = bar.add_task(f"reading {file.name}", total=size)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def buying() -> Iterator[Shown]:
    """A bar over the chunks of a purchase."""
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

        yield Shown(offered, progress, waiting)


def _bar() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
