"""Whole rounds, over the real contracts: results for money, and what becomes of each kind of liar."""

import asyncio
from pathlib import Path

from tests.wire.seal.rig import TERMS_HERE, Rig
from zoneshare.seal.outcomes import Decided, Settled
from zoneshare_protocols.seal.phases import Phase


async def a_round(rig: Rig, *names: str) -> tuple[Decided, Settled]:
    async with rig.flying() as drone, rig.driving(*names) as vehicles:
        decided = await drone.auction(rig.work(), TERMS_HERE)
        (settled,) = await drone.settled()
        for vehicle in vehicles:
            await vehicle.settled()
    return decided, settled


def test_results_for_money(tmp_path: Path) -> None:
    rig = Rig(tmp_path, speed=10)
    decided, settled = asyncio.run(asyncio.wait_for(a_round(rig, "ann", "bob"), 60))
    assert settled.auction.phase is Phase.CLOSED
    assert decided.outcome is not None
    assert {done.task: done.result for done in decided.results} == {one.task.id: one.compute() for one in rig.work()}
    assert settled.paid == decided.outcome.paid > 0
    assert rig.gain("dora") == -settled.paid
    assert rig.gain("ann") + rig.gain("bob") == settled.paid
    rig.books_balance()
