"""A winner's last look at disputes about its results: bonds that are its own, and that nobody has paid yet."""

import asyncio
from contextlib import suppress

from zoneshare.seal.party import Party, Role
from zoneshare_protocols.errors import RuleBroken
from zoneshare_protocols.seal.recompute import Dispute


async def take_bonds(role: Role, party: Party, auction: bytes) -> None:
    """When the auction is closed: of what the drone has not shown in time, or showed in vain and did not pay."""
    for one in await role.ask(lambda: _unpaid(party, auction)):
        pay = party.claims.settle if one.owed else party.claims.forfeit
        with suppress(RuleBroken):  # somebody else was quicker
            await asyncio.to_thread(pay, auction, one.seat, one.number)


def _unpaid(party: Party, auction: bytes) -> list[Dispute]:
    seats = {winner.seat for winner in party.auctions.winners(auction) if winner.bidder == party.account}
    if not seats:
        return []
    ours = (one for one in party.claims.disputes() if one.auction == auction and one.seat in seats)
    return [one for one in ours if one.upheld is None or (one.owed and not one.upheld)]
