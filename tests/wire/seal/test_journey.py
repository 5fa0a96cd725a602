"""A drone along its route: what is left of battery and tasks goes on, and so does a drone that was killed."""

import asyncio
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from tests.rules.seal.market import TERMS
from tests.support.ports import steady_port
from tests.wire.seal.rig import SMALL, TERMS_HERE, Rig
from zoneshare.seal.auctioneer import Auctioneer
from zoneshare.seal.journey import Journey, Plan, Visit, locations, under_way
from zoneshare.seal.traffic import Generated, Traced, read_traces
from zoneshare.seal.work import draw_work
from zoneshare_protocols.errors import InsufficientFunds, LimitExceeded, Malformed, Misuse
from zoneshare_protocols.seal.energy import BATTERY
from zoneshare_protocols.seal.records import Terms
from zoneshare_protocols.seal.traces import Fix, clean

PLAN = Plan(2, 7, (2, 2), SMALL)


def journey(rig: Rig, drone: Auctioneer, plan: Plan = PLAN, terms: Terms = TERMS_HERE) -> Journey:
    return Journey(drone, rig.journal_of("dora"), plan, terms, traffic=Generated(1), told=rig.lines.append)


async def flown(rig: Rig, plan: Plan = PLAN, terms: Terms = TERMS_HERE) -> list[Visit]:
    async with rig.flying() as drone, rig.driving("ann") as (ann,):
        visits = await journey(rig, drone, plan, terms).fly()
        await drone.settled()
        await ann.settled()
    rig.books_balance()
    return visits


def test_two_stops(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    visits = asyncio.run(asyncio.wait_for(flown(rig), 60))
    assert [visit.number for visit in visits] == [0, 1]
    results = [done for visit in visits if visit.decided for done in visit.decided.results]
    assert len(results) == 4
    assert visits[1].stop.left.battery < visits[0].stop.left.battery < BATTERY
    assert rig.gain("ann") == -rig.gain("dora") > 0
    assert under_way(rig.journal("dora")) is None
    assert sum(": 1 sealed bid; deposit" in line for line in rig.lines) == 2
    assert sum(": 2 tasks to 1 vehicle for" in line for line in rig.lines) == 2


def test_tasks_without_a_vehicle_are_computed_where_they_are_cheapest(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    async def play() -> list[str]:
        async with rig.flying() as drone:
            hurrying = asyncio.create_task(rig.hurry(0))
            decided = await drone.auction(rig.work(4), TERMS)
            await drone.settled()
            hurrying.cancel()
        assert all(done.result == work.compute() for done, work in zip(decided.results, decided.work, strict=True))
        return [done.where for done in decided.results]

    where = asyncio.run(asyncio.wait_for(play(), 60))
    assert set(where) <= {"cloud", "local"}
    assert len(where) == 4
    assert rig.gain("dora") == 0


def test_a_task_that_nobody_took_goes_on_to_the_next_stop(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    patient = dataclasses.replace(PLAN, batches=dataclasses.replace(SMALL, deadline=(600_000, 600_000)))
    visits = asyncio.run(asyncio.wait_for(flown(rig, patient, replace(TERMS_HERE, cap=2)), 60))
    first, second = visits
    assert first.decided is not None
    assert not first.decided.results
    carried = {task.id: task.deadline for task in first.stop.left.tasks}
    assert set(carried) == {1, 2}
    assert all(deadline == 600_000 - first.stop.time for deadline in carried.values())
    assert second.decided is not None
    assert {work.task.id for work in second.decided.work} == {1, 2, 3, 4}
    assert rig.gain("dora") == rig.gain("ann") == 0


def test_a_drone_killed_on_its_way_goes_on_with_the_same_tasks(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    async def play() -> list[Visit]:
        drone = rig.drone()
        rig.port = await drone.start("127.0.0.1", steady_port())
        async with rig.driving("ann") as (ann,):
            way = asyncio.create_task(journey(rig, drone).fly())
            while not any(function == "auction:commit" for _, function in rig.writes):
                await asyncio.sleep(0.005)
            way.cancel()
            await drone.stop()
            rig.kill("dora")
            async with rig.flying() as again:
                other = journey(rig, again, Plan(9, 99, (5, 5), SMALL))
                visits = await other.fly()
                await again.settled()
            await ann.settled()
        return visits

    visits = asyncio.run(asyncio.wait_for(play(), 60))
    assert [visit.number for visit in visits] == [0, 1]
    put_up = [work.task.id for visit in visits if visit.decided for work in visit.decided.work]
    assert sorted(put_up) == [1, 2, 3, 4]
    assert [function for _, function in rig.writes].count("auction:open") == 2
    assert rig.gain("ann") == -rig.gain("dora") > 0
    rig.books_balance()


def test_a_drone_without_battery_or_money(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    async def play() -> None:
        async with rig.flying() as drone:
            with pytest.raises(LimitExceeded, match="battery is not enough"):
                await journey(rig, drone, dataclasses.replace(PLAN, battery=1)).fly()
            with pytest.raises(InsufficientFunds, match="covers no task"):
                await drone.auction(rig.work(), replace(TERMS_HERE, cap=10**12))

    asyncio.run(asyncio.wait_for(play(), 60))
    assert rig.writes == []


def test_a_route_is_the_same_for_the_same_seed() -> None:
    assert locations(PLAN) == locations(PLAN)
    assert locations(PLAN) != locations(dataclasses.replace(PLAN, seed=8))


def test_work_is_labelled_well_and_its_size_is_true() -> None:
    work = draw_work(np.random.default_rng(3), 1, SMALL)
    assert work.task.size == 8 * len(work.data)
    assert work.size == len(work.compute()) == 10
    many = [draw_work(np.random.default_rng(seed), 1, SMALL) for seed in range(20)]
    assert sum(one.right(one.compute()) for one in many) > 180


def driving(start: int, north: float) -> list[Fix]:
    return [Fix(37.76 + north * step / 1000, -122.43, False, start + 60 * step) for step in range(30)]


def test_real_traffic(tmp_path: Path) -> None:
    traffic = Traced([clean(driving(0, 1)), clean(driving(0, -1)), clean(driving(50_000, 1))], 3)
    dwell = traffic.dwell(0, ["carol", "ann", "bob"])
    assert list(dwell) == ["ann", "bob"]
    assert all(0 < span < 600_000 for span in dwell.values())
    assert traffic.describe(0).startswith("2 cars of the traces at 37.76")
    with pytest.raises(Misuse, match="no car"):
        Traced([clean(driving(0, 1)[:1])], 1)
    with pytest.raises(Misuse, match="cannot read"):
        read_traces(tmp_path / "nowhere")
    with pytest.raises(Misuse, match="no traces"):
        read_traces(tmp_path)
    (tmp_path / "new_a.txt").write_text("37.7 -122.4 0\n")
    with pytest.raises(Malformed, match=r"new_a\.txt: .*line=1"):
        read_traces(tmp_path)
