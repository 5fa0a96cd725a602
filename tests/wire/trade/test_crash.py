"""Buyer and seller killed at every durable write of a trade, and started again: it ends, and the totals are right."""

import asyncio
import contextlib
from pathlib import Path

from tests.wire.trade.rig import CHUNK, MONEY, PRICE, WRITES, Dead, Rig
from zoneshare.trade.buyer import Buyer
from zoneshare_protocols.errors import ZoneshareError

CHUNKS = 6
LATEST = 200
PATIENCE_S = 30


class Killer:
    """A crash point that kills at its n-th call, and remembers all that were passed."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.passed: list[str] = []

    def __call__(self, point: str) -> None:
        self.passed.append(point)
        if len(self.passed) >= self.at:
            raise Dead(point)

    @property
    def dead(self) -> bool:
        return len(self.passed) >= self.at


async def whole_trade(rig: Rig, data: bytes, buyer: Buyer) -> None:
    receipt = await buyer.buy(rig.order(data, deposit=CHUNKS * PRICE + 11))
    await buyer.close(receipt.channel)


def check_totals(rig: Rig, file: Path) -> None:
    assert (rig.folder / "bought.bin").read_bytes() == file.read_bytes()
    assert rig.money == (MONEY - CHUNKS * PRICE, MONEY + CHUNKS * PRICE)
    for function in ("ledger:lock_outbound", "escrow:fund", "escrow:commit", "escrow:settle_final"):
        assert sum(written == function for _, written in WRITES) == 1, f"{function} more than once"


def points_of_a_trade(folder: Path, side: str) -> list[str]:
    killer = Killer(10**9)

    async def play() -> None:
        rig = Rig(folder)
        file = rig.file(CHUNKS)
        seller = await rig.seller(killer if side == "seller" else lambda _: None)
        item = seller.catalogue.add(file, PRICE, CHUNK)
        await whole_trade(rig, item.data, rig.buyer(killer if side == "buyer" else lambda _: None, window=2))
        check_totals(rig, file)
        await seller.stop()
        rig.kill_journals()

    asyncio.run(play())
    return killer.passed


def test_the_buyer_killed_at_every_write(tmp_path: Path) -> None:
    points = points_of_a_trade(tmp_path / "count", "buyer")
    count = len(points)
    assert 20 <= count <= LATEST
    assert sum("sent" in point for point in points) >= CHUNKS / 2, "what is signed is written before it is sent"
    assert sum("key" in point for point in points) >= CHUNKS / 2, "keys are written down"
    for at in range(1, count + 1):
        asyncio.run(asyncio.wait_for(buyer_killed(tmp_path / str(at), at), PATIENCE_S))


async def buyer_killed(folder: Path, at: int) -> None:
    rig = Rig(folder)
    file = rig.file(CHUNKS)
    seller = await rig.seller()
    item = seller.catalogue.add(file, PRICE, CHUNK)
    killer = Killer(at)
    # More messages under one fsync make fewer writes: then the last points are not reached.
    with contextlib.suppress(Dead):
        await whole_trade(rig, item.data, rig.buyer(killer, window=2))
    rig.kill("alice")
    buyer = rig.buyer(window=2)
    done = (rig.folder / "bought.bin").exists()
    if not done or any(not trade.done for trade in buyer.book.trades()):
        await whole_trade(rig, item.data, buyer)
    else:
        for entry in buyer.book.channels():
            if not entry.closed:
                await buyer.close(entry.terms.channel)
    check_totals(rig, file)
    await seller.stop()
    rig.kill_journals()


def test_the_seller_killed_at_every_write(tmp_path: Path) -> None:
    points = points_of_a_trade(tmp_path / "count", "seller")
    count = len(points)
    assert 10 <= count <= LATEST
    assert sum("state" in point for point in points) >= CHUNKS / 2, "what is taken is written before it is answered"
    for at in range(1, count + 1):
        asyncio.run(asyncio.wait_for(seller_killed(tmp_path / str(at), at), PATIENCE_S))


async def seller_killed(folder: Path, at: int) -> None:
    rig = Rig(folder)
    file = rig.file(CHUNKS)
    killer = Killer(at)
    seller = await rig.seller(killer)
    item = seller.catalogue.add(file, PRICE, CHUNK)
    work = asyncio.create_task(whole_trade(rig, item.data, rig.buyer(window=2)))
    await rig.clock.until(lambda: killer.dead or work.done())
    # A dead process neither answers nor guards.
    await seller.stop()
    rig.kill("bob")
    again = await rig.seller()
    try:
        await rig.clock.run(work, step_ms=0)
    except ZoneshareError:
        await whole_trade(rig, item.data, rig.buyer(window=2))
    check_totals(rig, file)
    await again.stop()
    rig.kill_journals()
