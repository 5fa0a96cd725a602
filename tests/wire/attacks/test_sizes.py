"""A seller that lies about sizes, which neither D nor a chunk's hash says anything about."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.wire.trade.rig import CHUNK, PRICE, WRITES, Rig
from zoneshare.trade import wares
from zoneshare.trade.buyer import Buyer
from zoneshare.trade.messages import Offer
from zoneshare.trade.seller import Seller
from zoneshare_protocols.codec import decode
from zoneshare_protocols.errors import BadProof
from zoneshare_protocols.sharing.chunkcipher import encrypt, make_leaf
from zoneshare_protocols.sharing.payment import spent
from zoneshare_protocols.sharing.records import ChunkLeaf, Payment

CHUNKS = 5


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def paid(buyer: Buyer) -> int:
    """What alice has signed for."""
    entry = buyer.book.channels()[-1]
    newest = [buyer.book.newest(entry), *buyer.book.sent(entry.terms.channel, 0)][-1]
    return spent(decode(Payment, newest.state.app_state))


@pytest.mark.parametrize(
    "lie", [{"chunk_size": CHUNK // 2}, {"chunk_size": CHUNK + 1}, {"size": CHUNKS * CHUNK}, {"size": 1}]
)
def test_a_file_that_would_be_put_together_wrongly_is_not_paid_for(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, lie: dict[str, Any]
) -> None:
    honest = Seller._offer

    def lying(seller: Seller, data: bytes) -> Offer:
        return replace(honest(seller, data), **lie)

    monkeypatch.setattr(Seller, "_offer", lying)

    async def play() -> None:
        seller = await rig.seller()
        data = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK).data
        buyer = rig.buyer()
        with pytest.raises(BadProof, match="size"):
            await buyer.buy(rig.order(data))
        assert paid(buyer) == 0
        assert ("zone-b", "escrow:complain") not in WRITES
        await seller.stop()

    asyncio.run(play())


@pytest.mark.parametrize("offset", [-1, 1, 1 << 20])
def test_a_ciphertext_of_another_size_is_not_paid_for(rig: Rig, monkeypatch: pytest.MonkeyPatch, offset: int) -> None:
    """It might be too long to show it to the ledger in a complaint, and too long for its place in the file."""
    make = make_leaf

    def longer(secret: bytes, key: bytes, index: int, plaintext: bytes) -> bytes:
        ciphertext = encrypt(secret, key, index, plaintext)
        return ciphertext[:offset] if offset < 0 else ciphertext + bytes(offset)

    def lying(index: int, key: bytes, ciphertext: bytes, salted: bytes) -> ChunkLeaf:
        leaf = make(index, key, ciphertext, salted)
        return replace(leaf, size=leaf.size - offset)

    monkeypatch.setattr(wares, "make_leaf", lying)
    monkeypatch.setattr(wares, "encrypt", longer)
    monkeypatch.setattr("zoneshare.stores.folder.MAX_CHUNK", 1 << 22)

    async def play() -> None:
        seller = await rig.seller()
        item = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK)
        buyer = rig.buyer()
        with pytest.raises(BadProof, match="size"):
            await buyer.buy(rig.order(item.data))
        assert paid(buyer) == 0
        await seller.stop()

    asyncio.run(play())
