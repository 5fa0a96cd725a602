"""Coordinator, miners and sources together: products made, paid, recorded."""

import asyncio
from pathlib import Path

import numpy as np

from tests.support.memory_identity import identity
from tests.wire.epow.rig import RULES, Rig, int8
from zoneshare_protocols.epow.exact import product
from zoneshare_protocols.epow.ledger import TaskStatus

RNG = np.random.default_rng(1)


def test_one_product_by_two_miners_is_exact_recorded_and_paid(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    a, b = int8(RNG, 100, 70), int8(RNG, 70, 90)

    async def play() -> None:
        async with rig.coordinator(), rig.miners("ann", "bob") as miners, rig.source() as source:
            result = await source.multiply([a, b], fee=20_000)
            assert (result == product(a, b)).all()
            await source.accept()
            assert sum(miner.tally.verified for miner in miners) == 7 * 6 * 5

    asyncio.run(asyncio.wait_for(play(), 30))
    (task,) = rig.mining.tasks()
    nsubs = 7 * 6 * 5
    assert (task.status, task.verified, task.escrow, task.margin) == (TaskStatus.ACCEPTED, nsubs, 0, 0)
    records = {record.account: record for record in rig.mining.miners()}
    ann, bob = (records[identity("Org1MSP", name).account] for name in ("ann", "bob"))
    assert ann.verified + bob.verified == nsubs
    assert ann.earned + bob.earned == nsubs * 18_000
    assert rig.mining.pool().treasury == nsubs * 1_000
    run = rig.mining.run(task.task.id, 0, 0)
    assert run.count == 5
    rig.books_balance()
    assert RULES.basic == 16
