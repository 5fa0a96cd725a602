"""A winner's last look at disputes about its results: bonds that are its own, and that nobody has paid yet."""

import logging
from contextlib import suppress

from zoneshare.seal.party import AGAIN_MS, Party, Role
from zoneshare.trade.moment import Clock
from zoneshare_protocols.errors import RuleBroken, TooEarly
from zoneshare_protocols.seal.ledger import Auction
from zoneshare_protocols.seal.recompute import Dispute

log = logging.getLogger(__name__)

TRIES = 5


async def take_bonds(role: Role, party: Party, clock: Clock, closed: Auction) -> None:
    """When the auction is closed: of what the drone has not shown in time, or showed in vain and did not pay.

    Raises TooEarly where a bond is not due after all these tries.
    """
    for one in await role.ask(lambda: _unpaid(party, closed.id)):
        await _take(role, party, clock, one, one.at + closed.timers.grace + party.margin + 1)


async def _take(role: Role, party: Party, clock: Clock, one: Dispute, due: int) -> None:
    """``due`` (ms) on our clock; the ledger's can be behind it, by the margin at most."""
    pay = party.claims.settle if one.owed else party.claims.forfeit

    async def attempt() -> None:
        try:
            await role.ask(lambda: pay(one.auction, one.seat, one.number))
        except TooEarly:
            raise
        except RuleBroken as refused:  # somebody else was quicker
            log.info("the bond of task %s is not taken: %s", one.number, refused)

    for late in range(1, TRIES):
        with suppress(TooEarly):
            return await attempt()
        await clock.wait(max(AGAIN_MS, due + late * party.margin // (TRIES - 1) - clock.now_ms()))
    return await attempt()


def _unpaid(party: Party, auction: bytes) -> list[Dispute]:
    seats = {winner.seat for winner in party.auctions.winners(auction) if winner.bidder == party.account}
    if not seats:
        return []
    ours = (one for one in party.claims.disputes() if one.auction == auction and one.seat in seats)
    return [one for one in ours if one.upheld is None or (one.owed and not one.upheld)]
