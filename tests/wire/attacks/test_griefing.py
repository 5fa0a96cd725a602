"""Who loses nothing can still be kept waiting: money that somebody wants to lock up for long, or for ever."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.wire.trade.rig import CHUNK, MONEY, PRICE, Rig
from zoneshare.trade.escrow import Escrow
from zoneshare.trade.messages import Accept, Open
from zoneshare.trade.wire import connect
from zoneshare_protocols.errors import NotFound, RuleBroken
from zoneshare_protocols.sharing.records import Channel, ChannelTerms

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


def test_a_peer_that_denies_a_channel_does_not_end_its_guard(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer of a corrupt organisation, or one that is behind; the buyer is gone, and the seller must be paid."""
    honest = Escrow.channel
    denials = iter(range(3))

    def denying(escrow: Escrow, id: str) -> Channel:
        if next(denials, None) is not None:
            raise NotFound("no channel in this zone", id=id)
        return honest(escrow, id)

    async def play() -> None:
        seller = await rig.seller()
        item = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK)
        await rig.buyer().buy(rig.order(item.data, deposit=500))
        await seller.stop()
        rig.kill("bob")
        monkeypatch.setattr(Escrow, "channel", denying)
        seller = await rig.seller()
        await rig.clock.until(lambda: not seller.open_channels, step_ms=5_000)
        assert rig.money[1] == MONEY + CHUNKS * PRICE
        await seller.stop()

    asyncio.run(play())
