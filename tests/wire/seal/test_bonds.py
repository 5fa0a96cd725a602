"""A bond that its winner may take, asked for while the ledger's clock is behind the winner's."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest

from zoneshare.seal.bonds import TRIES, take_bonds
from zoneshare.seal.party import Party, Role
from zoneshare.trade.moment import Clock
from zoneshare_protocols.errors import NotAllowed, TooEarly
from zoneshare_protocols.seal.ledger import Auction
from zoneshare_protocols.seal.recompute import Dispute

T = TypeVar("T")
AUCTION = b"a" * 32
AT, GRACE, MARGIN = 1_000_000, 20_000, 10_000
DUE = AT + GRACE + MARGIN


class World:
    """One dispute about ann's result; ``behind``: the ledger's clock, ms behind ours, which only waits turn."""

    def __init__(self, now: int, behind: int = 0, **dispute: Any) -> None:
        self.now, self.behind = now, behind
        self.dispute = Dispute(AUCTION, 1, 1, 7, AT, **dispute)
        self.asked: list[tuple[str, int]] = []
        winners = [SimpleNamespace(seat=1, bidder="ann"), SimpleNamespace(seat=2, bidder="bob")]
        self.party = SimpleNamespace(
            account="ann", margin=MARGIN, auctions=SimpleNamespace(winners=lambda _: winners), claims=self
        )

    def disputes(self) -> list[Dispute]:
        return [self.dispute, Dispute(AUCTION, 2, 1, 7, AT), Dispute(b"b" * 32, 1, 1, 7, AT)]

    def forfeit(self, auction: bytes, seat: int, number: int) -> None:
        assert (auction, seat, number) == (AUCTION, 1, 1)
        self.asked.append(("forfeit", self.now))
        if self.now - self.behind <= DUE:
            raise TooEarly("the drone still has time to show the result")

    def settle(self, auction: bytes, seat: int, number: int) -> None:
        self.asked.append(("settle", self.now))
        raise NotAllowed("nothing is owed of this dispute")

    async def ask(self, call: Callable[[], T]) -> T:
        return call()

    def now_ms(self) -> int:
        return self.now

    async def wait(self, span_ms: int, event: asyncio.Event | None = None) -> None:
        self.now += span_ms

    def play(self) -> None:
        closed = SimpleNamespace(id=AUCTION, timers=SimpleNamespace(grace=GRACE))
        asyncio.run(take_bonds(cast(Role, self), cast(Party, self.party), cast(Clock, self), cast(Auction, closed)))


@pytest.mark.parametrize(("now", "behind"), [(AT, 0), (AT, MARGIN), (DUE + 1, MARGIN // 2), (DUE + MARGIN + 1, MARGIN)])
def test_what_is_too_early_is_asked_for_again_when_it_may_be_due(now: int, behind: int) -> None:
    world = World(now, behind)
    world.play()
    assert world.now - behind > DUE
    assert 1 <= len(world.asked) <= TRIES
    assert {what for what, _ in world.asked} == {"forfeit"}


def test_a_bond_that_is_due_is_asked_for_once() -> None:
    world = World(DUE + 1)
    world.play()
    assert world.asked == [("forfeit", DUE + 1)]


def test_a_ledger_that_is_farther_behind_is_left_alone() -> None:
    """The role keeps the auction open then, for its next start."""
    world = World(AT, behind=10 * MARGIN)
    with pytest.raises(TooEarly):
        world.play()
    assert len(world.asked) == TRIES


def test_what_somebody_else_has_taken_is_left() -> None:
    world = World(AT, upheld=False, owed=True)
    world.play()
    assert world.asked == [("settle", AT)]
