"""Trades of real files over TLS: together to the end, and every way one side can leave the other."""

import asyncio
from pathlib import Path

import pytest

from tests.wire.trade.rig import BOND, CHUNK, MONEY, PRICE, WRITES, Rig
from zoneshare.trade.entries import KEY, LEAVES, SELLER_TRADE, SENT


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_two_files_over_one_channel(rig: Rig) -> None:
    async def play() -> None:
        seller = await rig.seller()
        first, second = rig.file(20), rig.file(33, "more.bin")
        one = seller.catalogue.add(first, PRICE, CHUNK)
        two = seller.catalogue.add(second, PRICE, CHUNK)
        buyer = rig.buyer()
        receipt = await buyer.buy(rig.order(one.data, deposit=1000))
        again = await buyer.buy(rig.order(two.data, "more.got"))
        assert receipt.channel == again.channel
        assert (rig.folder / "bought.bin").read_bytes() == first.read_bytes()
        assert (rig.folder / "more.got").read_bytes() == second.read_bytes()
        assert again.spent == 53 * PRICE
        assert rig.journals["alice"].deletions(KEY)
        assert rig.journals["bob"].deletions(SELLER_TRADE)
        settled = await buyer.close(receipt.channel)
        assert (settled.paid, settled.returned) == (53 * PRICE + 2 * BOND, 1000 - 53 * PRICE)
        assert rig.money == (MONEY - 53 * PRICE, MONEY + 53 * PRICE)
        for zone, writes in (
            ("zone-a", ["ledger:lock_outbound", "ledger:acknowledge", "ledger:receive"]),
            ("zone-b", ["escrow:fund", "escrow:commit", "escrow:commit", "escrow:settle_final", "ledger:acknowledge"]),
        ):
            assert [function for place, function in WRITES if place == zone] == writes
        await seller.stop()
        for name in ("alice", "bob"):
            assert [kind for kind in (KEY, LEAVES, SENT, SELLER_TRADE) if rig.journals[name].deletions(kind)] == []

    asyncio.run(play())
