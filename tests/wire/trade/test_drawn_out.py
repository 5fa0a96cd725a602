"""B posts older states, which pay it less, to keep A's money locked: one may stand, a second one is answered."""

import asyncio
from pathlib import Path

from tests.wire.trade.rig import BOND, CHUNK, MONEY, PRICE, WRITES, Rig
from zoneshare.trade.buyer import Buyer
from zoneshare.trade.party import Zone
from zoneshare_protocols.sharing.records import Evidence, Phase, SignedState

CHUNKS = 6
DEPOSIT = 100


async def bought(rig: Rig) -> tuple[Buyer, str, list[SignedState], Zone]:
    """A file is bought, and the seller goes silent but for what the test posts in its name."""
    seller = await rig.seller()
    item = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK)
    seen: list[SignedState] = []
    buyer = rig.buyer(window=1)
    order = rig.order(item.data, deposit=DEPOSIT)
    receipt = await buyer.buy(order, lambda _, newest: seen.append(newest) if newest else None)
    await seller.stop()
    rig.kill("bob")
    home = rig.party("bob").home
    rig.clock.advance(max(0, seen[0].state.lock - rig.clock.now_ms()))
    await asyncio.to_thread(home.escrow.close, seen[0], Evidence(()))
    return buyer, receipt.channel, seen, home


def test_one_older_state_may_stand(tmp_path: Path) -> None:
    async def play() -> None:
        rig = Rig(tmp_path)
        buyer, channel, _, _ = await bought(rig)
        settled = await rig.clock.run(buyer.close_alone(channel))
        assert settled.paid <= PRICE + BOND
        assert ("zone-b", "escrow:challenge") not in WRITES
        assert sum(rig.money) == 2 * MONEY

    asyncio.run(play())


def test_a_second_one_is_answered_with_the_newest(tmp_path: Path) -> None:
    async def play() -> None:
        rig = Rig(tmp_path)
        buyer, channel, seen, home = await bought(rig)
        closing = asyncio.create_task(buyer.close_alone(channel))
        await rig.clock.until(lambda: home.escrow.channel(channel).phase is Phase.CHALLENGE)
        await asyncio.to_thread(home.escrow.challenge, seen[1], Evidence(()))
        settled = await rig.clock.run(closing)
        assert settled.paid == CHUNKS * PRICE + BOND
        assert WRITES.count(("zone-b", "escrow:challenge")) == 2
        assert rig.money == (MONEY - CHUNKS * PRICE, MONEY + CHUNKS * PRICE)

    asyncio.run(play())
