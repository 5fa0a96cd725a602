"""A whole trade with the ciphertexts in kubo: over its RPC, as real HTTP requests."""

import asyncio
from pathlib import Path

import pytest

from tests.support.kubo import serving
from tests.wire.trade.rig import CHUNK, MONEY, PRICE, Rig
from zoneshare.stores import StoreFailed
from zoneshare.stores.kubo import KuboStore
from zoneshare_protocols.errors import DataCorrupt

CHUNKS = 12


def test_a_trade_over_kubo_with_a_full_disk_and_an_altered_block_on_the_way(tmp_path: Path) -> None:
    async def play() -> None:
        rig = Rig(tmp_path)
        file = rig.file(CHUNKS)
        with serving() as kubo:
            rig.store = KuboStore(kubo.url)
            seller = await rig.seller()
            item = seller.catalogue.add(file, PRICE, CHUNK)
            buyer = rig.buyer()
            order = rig.order(item.data, deposit=500)
            kubo.lie = "full"
            with pytest.raises(StoreFailed, match="no space left"):
                await buyer.buy(order)
            kubo.lie = "flood"
            with pytest.raises(DataCorrupt, match="more than a block"):
                await buyer.buy(order)
            kubo.lie = ""
            receipt = await buyer.buy(order)
            assert len(kubo.blocks) == CHUNKS
            await buyer.close(receipt.channel)
            await seller.stop()
        assert order.path.read_bytes() == file.read_bytes()
        assert rig.money == (MONEY - CHUNKS * PRICE, MONEY + CHUNKS * PRICE)

    asyncio.run(play())
