"""The coordinator is killed before and after every durable write, and started again: nothing is lost or paid twice."""

import asyncio
import contextlib
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.memory_identity import identity
from tests.support.memory_ledger import Dead, Hook, as_identity, no_hook
from tests.support.ports import steady_port
from tests.wire.epow.rig import Rig, int8
from zoneshare.epow.book import Book
from zoneshare.epow.coordinator import Coordinator
from zoneshare.trade.moment import SystemClock
from zoneshare_protocols.epow.exact import product
from zoneshare_protocols.epow.ledger import Batch, RunDone, TaskStatus

RNG = np.random.default_rng(4)
A, B, C = int8(RNG, 20, 30), int8(RNG, 30, 30), int8(RNG, 30, 18)
NSUBS = 2 * 2 * 2 + 2 * 2 * 2 * 4
"""At most: the second sub-task's left matrix is a result, of up to four limbs."""
FEE = 20_000
CHAIN, SUMS = (A, B, C), (A, B)
"""Three factors, whose result is put together of limbs; two, whose sums are the result."""
POINTS = [*((CHAIN, at) for at in range(1, 45)), *((SUMS, at) for at in range(1, 27))]
"""Before and after each write of an undisturbed run; a killed one has more."""


class Killer:
    """Kills at the n-th point; counts all."""

    def __init__(self, at: int) -> None:
        self.at, self.seen, self.dead = at, 0, False

    def __call__(self, point: str) -> None:
        if self.dead:
            raise Dead(point)
        self.seen += 1
        if self.seen == self.at:
            self.dead = True
            raise Dead(point)


async def live(rig: Rig, hook: Hook) -> None:
    """One life of the coordinator: until it is killed, in whatever it does, or cancelled."""
    loop = asyncio.get_running_loop()
    died: asyncio.Future[None] = loop.create_future()

    def die(dead: Dead) -> None:
        if not died.done():
            died.set_exception(dead)

    def watched(point: str) -> None:
        try:
            hook(point)
        except Dead as dead:
            loop.call_soon_threadsafe(die, dead)
            raise

    book = Book(rig.folder / "cora", watched, spare=1 << 20)
    mining = rig.of(rig.cora, watched)
    made = Coordinator(mining, as_identity(rig.cora), rig.trusted, book, clock=SystemClock(), grace=0.2)
    waiting = asyncio.ensure_future(_serving(rig, made))
    try:
        done, _ = await asyncio.wait([waiting, died], return_when=asyncio.FIRST_COMPLETED)
        for end in done:
            end.result()
    finally:
        for end in (waiting, died):
            end.cancel()
        await made.stop()
        book.close()


async def _serving(rig: Rig, made: Coordinator) -> None:
    rig.port = await made.start("127.0.0.1", rig.port or steady_port())
    await made.wait()


async def play(rig: Rig, killer: Killer, factors: Sequence[NDArray[Any]]) -> None:
    lives = asyncio.create_task(_lives(rig, killer))
    while not rig.port:
        await asyncio.sleep(0.005)
    async with rig.miners("ann", "bob"), rig.source() as source:
        result = await source.multiply(factors, fee=FEE)
        assert (result == reduce(product, factors)).all()
        await source.accept()
    lives.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await lives


async def _lives(rig: Rig, killer: Killer) -> None:
    with contextlib.suppress(Dead):
        await live(rig, killer)
    await live(rig, no_hook)


@pytest.mark.parametrize(("factors", "at"), POINTS)
def test_killed_at_any_write(tmp_path: Path, factors: Sequence[NDArray[Any]], at: int) -> None:
    rig, killer = Rig(tmp_path), Killer(at)
    asyncio.run(asyncio.wait_for(play(rig, killer, factors), 60))
    (task,) = rig.mining.tasks()
    assert task.status is TaskStatus.ACCEPTED
    miners = [rig.mining.miner(identity("Org1MSP", name).account) for name in ("ann", "bob")]
    assert sum(miner.verified for miner in miners) == task.verified <= NSUBS
    assert sum(miner.earned for miner in miners) == task.verified * FEE * 9 // 10
    assert task.verified == 2 * 2 * 2 + (2 * 2 * 2 * 3 if factors is CHAIN else 0)
    rig.books_balance()


def test_a_batch_of_before_whose_step_the_ledger_refuses_keeps_no_coordinator_from_starting(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    nobodys = RunDone(bytes(32), 0, 0, 1, rig.cora.account, bytes(32))
    book = Book(tmp_path / "cora")
    book.begin(Batch(1, 0, None, 0, (nobodys,)), [])
    book.close()

    async def start() -> None:
        async with rig.coordinator():
            ((place, _),) = rig.mining.batch(1).skipped
            assert place == 0

    asyncio.run(asyncio.wait_for(start(), 30))
