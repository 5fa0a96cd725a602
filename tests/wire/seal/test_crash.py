"""Drone and vehicle killed before and after every durable write of a round, and started again: it ends the same."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.support.memory_ledger import Dead, no_hook
from tests.support.ports import steady_port
from tests.wire.seal.rig import TERMS_HERE, Killer, Rig
from zoneshare.seal.auctioneer import Auctioneer
from zoneshare.seal.outcomes import Decided

AT_ONCE = 6
SPEED = 3
"""Slow enough for many rounds beside each other on a busy machine: an honest round waits for no deadline."""
PATIENCE_S = 120
ONCE = ("auction:open", "auction:fund", "auction:record", "auction:commit", "auction:refund", "auction:bid",
        "auction:deposit", "auction:agree", "claim:prove", "claim:release", "claim:claim")  # fmt: skip


async def whole(drone: Auctioneer, rig: Rig) -> Decided:
    """What the journal has is finished; where it has nothing, an auction begins."""
    held = drone.unfinished()
    decided = await drone.take_up(held[0]) if held else await drone.auction(rig.work(), TERMS_HERE)
    await drone.settled()
    return decided


async def until(killer: Killer, *work: asyncio.Task[object]) -> None:
    """The killer has struck, or all is done."""
    while not killer.struck.is_set() and not all(task.done() for task in work):
        await asyncio.sleep(0.005)
    for task in work:
        if not task.done():
            task.cancel()
    await asyncio.gather(*work, return_exceptions=True)


async def drone_killed(rig: Rig, killer: Killer) -> None:
    drone = rig.drone(killer)
    rig.port = await drone.start("127.0.0.1", steady_port())
    async with rig.driving("ann") as (ann,):
        await until(killer, asyncio.create_task(whole(drone, rig)))
        with contextlib.suppress(Dead):
            await drone.stop()
        rig.kill("dora")
        async with rig.flying() as again:
            if not any(function == "auction:refund" for _, function in rig.writes):
                await whole(again, rig)
        await ann.settled()
    check_end(rig)


async def vehicle_killed(rig: Rig, killer: Killer) -> None:
    async with rig.flying() as drone:
        work = asyncio.create_task(whole(drone, rig))
        hurrying = asyncio.create_task(rig.hurry(1))
        with contextlib.suppress(Dead):
            for hook in (killer, no_hook):
                ann = rig.vehicle("ann", hook)
                await ann.start()
                looking = asyncio.create_task(ann.look(("127.0.0.1", rig.port)))
                both = asyncio.gather(work, return_exceptions=True)
                while not killer.struck.is_set() and not both.done():
                    await asyncio.sleep(0.005)
                if hook is no_hook or both.done():
                    await both
                    await ann.settled()
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)
                await ann.stop()
                rig.kill("ann")
        hurrying.cancel()
        work.result()
    check_end(rig)


def check_end(rig: Rig) -> None:
    done = [function for _, function in rig.writes]
    assert {function: done.count(function) for function in ONCE} == dict.fromkeys(ONCE, 1)
    (auction,) = rig.auctions()
    paid = sum(one.paid for one in rig.claims(auction.id))
    assert paid > 0
    assert rig.gain("ann") == paid == -rig.gain("dora")
    rig.books_balance()


def at_every_point(folder: Path, play: Callable[[Rig, Killer], Awaitable[None]], least: int) -> list[str]:
    """Once undisturbed, to count the points; then killed at each. The points are returned."""

    async def all_of_them() -> list[str]:
        counting = Killer()
        await asyncio.wait_for(play(Rig(folder / "count", speed=SPEED), counting), PATIENCE_S)
        assert len(counting.passed) >= least, counting.passed
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(at: int) -> None:
            async with gate:
                await asyncio.wait_for(play(Rig(folder / str(at), speed=SPEED), Killer(at)), PATIENCE_S)

        ends = await asyncio.gather(*(one(at) for at in range(1, len(counting.passed) + 1)), return_exceptions=True)
        broken = [f"{point}: {end!r}" for point, end in zip(counting.passed, ends, strict=True) if end is not None]
        assert not broken, "\n".join(broken)
        return counting.passed

    return asyncio.run(all_of_them())


def test_the_drone_killed_at_every_write(tmp_path: Path) -> None:
    points = at_every_point(tmp_path, drone_killed, 20)
    for written in ("seal-auction", "seal-received", "seal-result"):
        assert f"before {written}" in points


def test_the_vehicle_killed_at_every_write(tmp_path: Path) -> None:
    points = at_every_point(tmp_path, vehicle_killed, 20)
    for written in ("seal-bid", "seal-locked", "seal-payword"):
        assert f"before {written}" in points
