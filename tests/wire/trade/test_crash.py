"""Buyer and seller killed at every durable write of a trade, and started again: it ends, and the totals are right."""

import asyncio
import contextlib
from pathlib import Path

from tests.support.memory_ledger import Dead
from tests.wire.trade.rig import CHUNK, MONEY, PRICE, WRITES, Rig
from zoneshare.trade.buyer import Buyer
from zoneshare.trade.party import Zone
from zoneshare_protocols.errors import ZoneshareError
from zoneshare_protocols.sharing.records import Channel, Evidence, Phase, SignedState

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


class Sleepless:
    """A watchtower that is started again, from its journal, whenever the killer has struck."""

    def __init__(self, rig: Rig, killer: Killer) -> None:
        self._rig, self._killer = rig, killer

    async def __aenter__(self) -> "Sleepless":
        self.tower = await self._rig.watchtower(self._killer)
        self._watch = asyncio.create_task(self._again())
        return self

    async def _again(self) -> None:
        await self._rig.clock.until(lambda: self._killer.dead)
        await self.restart()

    async def restart(self) -> None:
        await self.tower.stop()
        self._rig.kill("carol")
        hook = (lambda _: None) if self._killer.dead else self._killer
        self.tower = await self._rig.watchtower(hook)

    async def __aexit__(self, *_: object) -> None:
        self._watch.cancel()
        await self.tower.stop()


async def sleeping_seller(folder: Path, killer: Killer) -> None:
    """A buys, B sleeps, A posts an older state, and B's watchtower answers; it is killed once on the way."""
    rig = Rig(folder)
    async with Sleepless(rig, killer) as carol:
        seller = await rig.seller(tower=True)
        item = seller.catalogue.add(rig.file(CHUNKS), PRICE, CHUNK)
        seen: list[SignedState] = []
        order = rig.order(item.data, deposit=CHUNKS * PRICE + 11)
        buyer = rig.buyer(window=1)
        receipt = await buyer.buy(order, lambda _, newest: seen.append(newest) if newest else None)
        assert seller.tower is not None
        await seller.tower.flushed()
        await seller.stop()
        rig.kill("bob")
        await carol.tower.stop()
        rig.clock.advance(max(0, seen[1].state.lock - rig.clock.now_ms()))
        abroad = await rig.party("alice").zone("zone-b")
        await asyncio.to_thread(abroad.escrow.close, seen[1], Evidence(()))
        await carol.restart()
        await rig.clock.until(lambda: settled(abroad, receipt.channel) is not None, step_ms=5_000)
        paid = settled(abroad, receipt.channel)
        assert paid is not None
        assert paid.paid == CHUNKS * PRICE + rig.bond
        await rig.clock.until(lambda: not carol.tower.watched)
        await rig.clock.run(buyer.close_alone(receipt.channel))
        assert rig.money == (MONEY - CHUNKS * PRICE, MONEY + CHUNKS * PRICE)
    rig.kill_journals()


def settled(abroad: Zone, channel: str) -> Channel | None:
    found = abroad.escrow.channel(channel)
    return found if found.phase is Phase.SETTLED else None


def test_the_watchtower_killed_at_every_write(tmp_path: Path) -> None:
    killer = Killer(10**9)
    asyncio.run(sleeping_seller(tmp_path / "count", killer))
    count = len(killer.passed)
    assert {"after escrow:challenge", "after escrow:begin_challenge", "after escrow:settle"} <= set(killer.passed)
    assert 12 <= count <= LATEST
    for at in range(1, count + 1):
        asyncio.run(asyncio.wait_for(sleeping_seller(tmp_path / str(at), Killer(at)), PATIENCE_S))
