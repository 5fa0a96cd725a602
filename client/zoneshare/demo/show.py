"""How the demo speaks: plain lines, a little colour on a terminal."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console

from zoneshare.audit import NetworkAudit
from zoneshare.cli.common import columns
from zoneshare_protocols.codec import decode
from zoneshare_protocols.sharing.payment import spent
from zoneshare_protocols.sharing.records import Payment, SignedState


class Show:
    """Prints, unless ``quiet`` (for --json); ``report`` is the same in values."""

    def __init__(self, quiet: bool) -> None:
        self._console = Console(quiet=quiet, highlight=False, soft_wrap=True)
        self.report: dict[str, Any] = {}

    def act(self, title: str) -> None:
        self._console.print(f"\n[bold]{title}[/bold]")

    def say(self, text: str = "") -> None:
        self._console.print(f"  {text}", markup=False)

    def table(self, heads: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
        for line in columns(tuple(heads), [tuple(row) for row in rows]).splitlines():
            self.say(line)

    def state(self, first: int, last: int, total: int, signed: SignedState | None, started_ms: int) -> None:
        """Some chunks have come; the newest T_i that both have signed (None: as before), and its lock, told from the
        trade's start.
        """
        here = f"chunks {first:>4} to {last:>4} of {total} are here"
        if signed is None:
            self.say(here)
            return
        state = signed.state
        pays = spent(decode(Payment, state.app_state))
        lock = (state.lock - started_ms) / 1000
        self.say(f"{here}; newest T_{state.version}: {pays} signed for, its lock N at +{lock:,.2f} s")

    def audit(self, found: NetworkAudit) -> None:
        """The books of all zones, and the sum that :func:`audit_network` has proven equal."""
        heads = ("zone", "balances", "escrows", "locked", "issued", "received", "sent")
        rows = []
        for zone in found.zones:
            books = zone.books
            rows.append((zone.zone, *(getattr(books, head) for head in heads[1:])))
        self.table(heads, rows)
        self.say(f"in all zones: {found.held} held = {found.issued} issued")
