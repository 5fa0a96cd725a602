"""Coordinator, miners and sources together: products made, paid, recorded."""

import asyncio
import contextlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from tests.support.memory_identity import identity
from tests.support.memory_ledger import as_identity
from tests.wire.epow.rig import RULES, Rig, int8
from zoneshare.cli import epow_roles
from zoneshare.epow.messages import EPOW
from zoneshare.trade.wire import Connection, PeerGone, serve
from zoneshare_protocols.epow.exact import product
from zoneshare_protocols.epow.ledger import TaskRecord, TaskStatus
from zoneshare_protocols.epow.records import FreeLoop
from zoneshare_protocols.errors import Misuse, NotAllowed

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


@pytest.mark.parametrize(("somebody", "error"), [(False, PeerGone), (True, NotAllowed)])
def test_nothing_is_held_for_a_product_where_no_coordinator_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, somebody: bool, error: type[Exception]
) -> None:
    monkeypatch.setattr("zoneshare.epow.source.FIRST_S", 0.0)
    rig = Rig(tmp_path)
    rig.port = 1  # nobody listens there

    async def talk(connection: Connection) -> None:
        await connection.receive_many()

    async def play() -> None:
        eve = await serve("127.0.0.1", 0, as_identity(rig.person("eve")), rig.peers, talk, language=EPOW)
        async with eve:
            if somebody:
                rig.port = eve.sockets[0].getsockname()[1]
            async with rig.source() as source:
                with pytest.raises(error):
                    await source.multiply([int8(RNG, 20, 20), int8(RNG, 20, 20)], fee=20_000)

    asyncio.run(asyncio.wait_for(play(), 30))
    assert not list(rig.mining.tasks())
    rig.books_balance()


def test_a_coordinator_may_begin_after_its_source(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    a, b = int8(RNG, 20, 20), int8(RNG, 20, 20)

    async def play() -> None:
        async with rig.coordinator():
            pass  # it has its port now
        async with rig.source() as source:
            work = asyncio.create_task(source.multiply([a, b], fee=20_000))
            await asyncio.sleep(0)
            async with rig.coordinator(), rig.miners("ann"):
                assert (await work == product(a, b)).all()

    asyncio.run(asyncio.wait_for(play(), 30))


def test_a_result_does_not_go_over_a_factor_or_a_folder(tmp_path: Path) -> None:
    first, second = tmp_path / "A.npy", tmp_path / "B.npy"
    for path in (first, second):
        np.save(path, int8(RNG, 4, 4))
    before = second.read_bytes()
    nobody = tmp_path / "nobody", ("127.0.0.1", 1)
    for out, words in (
        (tmp_path / "." / "B.npy", "is a factor"),
        (tmp_path, "is a folder"),
        (tmp_path / "x/C", "no folder"),
    ):
        with pytest.raises(Misuse, match=words):
            asyncio.run(epow_roles.multiply(*nobody, [first, second], out, None, left_open=lambda _: None))
    assert second.read_bytes() == before


def test_a_source_that_breaks_off_says_what_is_held_and_takes_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path)
    sue = rig.person("sue")
    began = rig.balance(sue)
    me = epow_roles.Party(as_identity(sue), rig.of(sue), rig.trusted)
    monkeypatch.setattr(epow_roles, "party", lambda _: contextlib.nullcontext(me))
    factors = [tmp_path / "A.npy", tmp_path / "B.npy"]
    for path in factors:
        np.save(path, int8(RNG, 20, 20))
    left: list[TaskRecord] = []

    async def play() -> None:
        async with rig.coordinator():
            address = "127.0.0.1", rig.port
            asking = asyncio.create_task(
                epow_roles.multiply(tmp_path, address, factors, tmp_path / "C.npy", 20_000, left_open=left.append)
            )
            while not list(rig.mining.tasks()):
                await asyncio.sleep(0.01)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

    asyncio.run(asyncio.wait_for(play(), 30))
    (record,) = left
    assert record.escrow == began - rig.balance(sue) > 0
    held = (record.task.id.hex(), record.escrow, record.until)
    assert epow_roles.withdraw(tmp_path) == [(*held, False)]
    rig.later(record.until - rig.world.net.now + 600_000)
    assert epow_roles.withdraw(tmp_path) == [(*held, True)]
    assert (rig.balance(sue), epow_roles.withdraw(tmp_path)) == (began, [])
    rig.books_balance()


def test_chains_wide_integers_and_many_sources_at_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    wide = RNG.integers(-40_000, 40_000, (30, 20))
    narrow, last = int8(RNG, 20, 40), int8(RNG, 40, 10)

    async def play() -> None:
        async with (
            rig.coordinator(), rig.miners("ann", "bob", "cid"), rig.source("sue") as sue, rig.source("sam") as sam
        ):  # fmt: skip
            one, two = await asyncio.gather(
                sue.multiply([wide, narrow, last], fee=20_000), sam.multiply([narrow, last], fee=20_000)
            )
            assert (one == wide @ narrow.astype(np.int64) @ last).all()
            assert (two == product(narrow, last)).all()
            await asyncio.gather(sue.accept(), sam.accept())

    asyncio.run(asyncio.wait_for(play(), 30))
    assert {task.status for task in rig.mining.tasks()} == {TaskStatus.ACCEPTED}
    rig.books_balance()


def test_blocks_come_of_both_kinds_of_loops_and_work_goes_on_over_the_tips(tmp_path: Path) -> None:
    rig = Rig(tmp_path, replace(RULES, basic=64, initial=100 << 16, block_time=1_000, block_reward=10))
    a, b = int8(RNG, 640, 640), int8(RNG, 640, 640)

    def won(free: bool) -> bool:
        return any(isinstance(block.header.work, FreeLoop) is free for block in rig.mining.blocks())

    async def play() -> None:
        async with rig.coordinator(), rig.source() as source:
            async with rig.miners("ann", "bob"):
                while not won(free=False):
                    assert (await source.multiply([a, b], fee=20_000) == product(a, b)).all()
            async with rig.miners("cid", free_loops=True) as miners:
                while not won(free=True):
                    await asyncio.sleep(0.02)
                assert (await source.multiply([a, b], fee=20_000) == product(a, b)).all()
                await source.accept()
                while miners[0].tally.verified < 1000:
                    await asyncio.sleep(0.02)

    asyncio.run(asyncio.wait_for(play(), 60))
    blocks = list(rig.mining.blocks())
    assert [block.header.height for block in blocks] == list(range(1, len(blocks) + 1))
    assert all(later.header.previous == earlier.hash for earlier, later in pairwise(blocks))
    rig.books_balance()


def test_a_miner_with_room_for_hardly_a_block_forgets_none_that_it_needs(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    a, b = int8(RNG, 160, 48), int8(RNG, 48, 160)

    async def play() -> None:
        async with rig.coordinator(sample=200_000), rig.miners("ann", memory=1000) as miners, rig.source() as source:
            for _ in range(2):
                assert (await source.multiply([a, b], fee=20_000) == product(a, b)).all()
            engine = miners[0].engine
            assert engine is not None
            assert engine.blocks._slots.taken_bytes < a.nbytes + b.nbytes

    asyncio.run(asyncio.wait_for(play(), 40))
    rig.books_balance()
