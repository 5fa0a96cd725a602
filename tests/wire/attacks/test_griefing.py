"""Who loses nothing can still be kept waiting: money that somebody wants to lock up for long, or for ever."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.wire.trade.rig import CHUNK, PRICE, Rig
from zoneshare.trade.messages import Accept, Open
from zoneshare.trade.wire import connect
from zoneshare_protocols.errors import RuleBroken
from zoneshare_protocols.sharing.records import ChannelTerms

CHUNKS = 12
DAY = 24 * 3_600_000


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def accepted(rig: Rig, terms: ChannelTerms) -> Accept:
    party = rig.party("alice")
    connection = await connect("127.0.0.1", rig.port, party.identity, party.peers())
    try:
        await connection.send(Open(terms))
        return await connection.receive(Accept)
    finally:
        await connection.close()


def test_no_channel_whose_window_outlasts_the_sellers_patience(rig: Rig) -> None:
    """With a window of 34 years the buyer would take the goods, and sell the seller its own signature on T_n."""

    async def play() -> None:
        seller = await rig.seller()
        item = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK)
        buyer = rig.buyer()
        await buyer.buy(rig.order(item.data, deposit=500))
        terms = buyer.book.channels()[-1].terms
        patience = rig.policy.max_lock - (terms.refund_from - rig.clock.now_ms())
        for challenge in (patience + 1, DAY, 2**40):
            with pytest.raises(RuleBroken, match="too far away"):
                await accepted(rig, replace(terms, challenge=challenge))
        longest = replace(terms, challenge=patience)
        assert (await accepted(rig, longest)).channel == longest.channel
        await seller.stop()

    asyncio.run(play())
