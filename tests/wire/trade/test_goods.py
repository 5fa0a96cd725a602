"""How a seller makes its goods: encrypted once where they fit, uploaded after tx5 only, and the buyer hears of it."""

import asyncio
import threading
from pathlib import Path

import pytest

from tests.wire.trade.rig import CHUNK, PRICE, Rig
from zoneshare.stores import StoreFailed
from zoneshare.stores.folder import FolderStore
from zoneshare.trade import wares
from zoneshare_protocols.errors import RuleBroken
from zoneshare_protocols.sharing.chunkcipher import encrypt

CHUNKS = 10


@pytest.mark.parametrize(("staged", "times"), [(wares.STAGED, 1), (CHUNKS * CHUNK // 2, 2)])
def test_goods_that_fit_are_encrypted_once(
    staged: int, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexes: list[int] = []

    def counted(secret: bytes, key: bytes, index: int, plaintext: bytes) -> bytes:
        indexes.append(index)
        return encrypt(secret, key, index, plaintext)

    async def play() -> None:
        rig = Rig(tmp_path)
        file = rig.file(CHUNKS)
        seller = await rig.seller()
        item = seller.catalogue.add(file, PRICE, CHUNK)
        await rig.buyer().buy(rig.order(item.data))
        await seller.stop()
        assert (tmp_path / "bought.bin").read_bytes() == file.read_bytes()

    monkeypatch.setattr(wares, "STAGED", staged)
    monkeypatch.setattr(wares, "encrypt", counted)
    asyncio.run(play())
    assert sorted(indexes) == sorted([*range(CHUNKS)] * times)


def test_nothing_is_uploaded_before_tx5_is_on_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuleBroken("no tx5 today")

    async def play() -> None:
        rig = Rig(tmp_path)
        seller = await rig.seller()
        item = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK)
        monkeypatch.setattr("zoneshare.trade.escrow.Escrow.commit", refuse)
        with pytest.raises(RuleBroken, match="no tx5"):
            await rig.buyer().buy(rig.order(item.data))
        assert list((tmp_path / "store").rglob("*")) == []
        await seller.stop()

    asyncio.run(play())


class Slow(FolderStore):
    """Takes nothing before the buyer has heard that the seller is at work."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.heard = threading.Event()

    def put(self, data: bytes) -> str:
        if not self.heard.wait(10):
            raise StoreFailed("the buyer heard nothing")
        return super().put(data)


def test_the_buyer_hears_how_far_the_goods_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []

    async def play() -> None:
        rig = Rig(tmp_path)
        rig.store = store = Slow(tmp_path / "slow")
        seller = await rig.seller()
        item = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK)

        def waiting(done: int, steps: int) -> None:
            told.append((done, steps))
            if done >= CHUNKS:
                store.heard.set()

        await rig.buyer().buy(rig.order(item.data), waiting=waiting)
        await seller.stop()

    monkeypatch.setattr("zoneshare.trade.seller.PREPARING_S", 0.01)
    asyncio.run(play())
    assert (CHUNKS, 2 * CHUNKS) in told
    assert told == sorted(told)
