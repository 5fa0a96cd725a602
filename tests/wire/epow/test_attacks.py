"""Who lies, copies, repeats, is slow or vanishes, over the wire: the product stays right, and is paid once."""

import asyncio
import struct
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from tests.support.memory_ledger import as_identity
from tests.wire.epow.rig import MONEY, RULES, Rig, int8
from zoneshare.epow.book import Book
from zoneshare.epow.engine import Finished
from zoneshare.epow.messages import EPOW, Done, Mine, Taken, Welcome
from zoneshare.epow.miner import Miner
from zoneshare.epow.source import TaskFailed
from zoneshare.trade.wire import PeerGone, connect
from zoneshare_protocols.codec import digest
from zoneshare_protocols.epow.exact import Int32, product
from zoneshare_protocols.epow.hashing import matrix_bytes, matrix_hash
from zoneshare_protocols.epow.ledger import RunDone, TaskStatus
from zoneshare_protocols.epow.records import RunResult
from zoneshare_protocols.errors import FakeResult, LimitExceeded, Malformed, ZoneshareError

RNG = np.random.default_rng(2)
FEE = 20_000
A, B = int8(RNG, 60, 40), int8(RNG, 40, 50)
NSUBS = 4 * 3 * 4


def play(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 40))


class Liar(Miner):
    """One cell of each sum is wrong, and committed to."""

    async def _finished(self, finished: Finished) -> None:
        wrong = finished.sum.copy()
        wrong[3, 5] += 1
        result = RunResult(finished.result.assignment, finished.result.hashes, matrix_hash(wrong))
        await super()._finished(finished._replace(result=result, sum=wrong))


class Repeater(Miner):
    async def _finished(self, finished: Finished) -> None:
        for _ in range(3):
            await super()._finished(finished)


class Sluggard(Miner):
    """Takes runs and never delivers."""

    async def _finished(self, finished: Finished) -> None:
        pass


def test_a_liar_is_penalised_and_others_do_its_work(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    async def work() -> None:
        async with rig.coordinator(), rig.miners("lars", kind=Liar) as liars, rig.source() as source:
            asking = asyncio.create_task(source.multiply([A, B], fee=FEE))
            await until(lambda: rig.mining.miner(rig_account(rig, "lars")).fakes == 1)
            assert not asking.done()
            async with rig.miners("ann"):
                assert (await asking == product(A, B)).all()
            await source.accept()
            assert any("fake" in why for why in liars[0].tally.taken)

    play(work())
    liar, ann = (rig.mining.miner(rig_account(rig, name)) for name in ("lars", "ann"))
    assert (liar.deposit, liar.verified, liar.earned) == (500, 0, 0)
    assert ann.verified == NSUBS
    rig.books_balance()


def test_a_result_sent_three_times_is_paid_once(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    async def work() -> None:
        async with rig.coordinator(), rig.miners("rita", kind=Repeater), rig.source() as source:
            assert (await source.multiply([A, B], fee=FEE) == product(A, B)).all()
            await source.accept()

    play(work())
    assert rig.mining.miner(rig_account(rig, "rita")).earned == NSUBS * FEE * 9 // 10
    rig.books_balance()


def test_a_result_copied_from_another_is_taken_from_nobody(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    seen: list[Finished] = []

    class Watched(Miner):
        async def _finished(self, finished: Finished) -> None:
            seen.append(finished)
            await super()._finished(finished)

    async def work() -> None:
        async with rig.coordinator(), rig.miners("ann", kind=Watched), rig.source() as source:
            await source.multiply([A, B], fee=FEE)
            bob = rig.person("bob")
            rig.of(bob).register(1_000)
            line = await connect("127.0.0.1", rig.port, as_identity(bob), rig.peers, EPOW)
            await line.send(Mine(10**9))
            await line.receive(Welcome)
            for copied in (seen[0].assignment, replace(seen[0].assignment, miner=bob.account)):
                result = replace(seen[0].result, assignment=digest(copied))
                await line.send(Done(copied, result, matrix_bytes(seen[0].sum)))
                taken = await line.receive(Taken)
                assert "not yours" in taken.why
            # The claim is on the ledger with the next batch of steps only.
            await until(lambda: rig.mining.miner(bob.account).claim is not None)
            await line.close()
            await source.accept()

    play(work())
    recorded = rig.mining.miner(rig_account(rig, "bob"))
    assert (recorded.earned, recorded.claim.claimed if recorded.claim else 0) == (0, RULES.max_claim)
    rig.books_balance()


def test_slow_and_vanished_miners_lose_their_runs(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    async def work() -> None:
        async with rig.coordinator(patience=0.3, grace=0.2) as coordinator, rig.source() as source:
            async with rig.miners("van", kind=Sluggard):
                asking = asyncio.create_task(source.multiply([A, B], fee=FEE))
                assert coordinator._clerk is not None
                seats = coordinator._clerk.desk.seats
                await until(lambda: bool(seats and any(seats.values())))
                await asyncio.sleep(0)
            async with rig.miners("sam", kind=Sluggard) as slow:
                await until(lambda: bool(slow[0].tally.taken))
                async with rig.miners("ann"):
                    assert (await asking == product(A, B)).all()
            await source.accept()
            assert "too late" in slow[0].tally.taken[0]

    play(work())
    assert rig.mining.miner(rig_account(rig, "ann")).verified == NSUBS


def test_a_lying_coordinator_is_found_by_the_source_and_fined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path)
    add_run = Book.add_run

    def bent(book: Book, done: RunDone, result: RunResult, total: Int32) -> None:
        wrong = total.copy()
        wrong[0, 0] += done.run == 3
        add_run(book, done, result, wrong)

    async def work() -> None:
        async with rig.coordinator(), rig.miners("ann"), rig.source() as source:
            with pytest.raises(FakeResult, match="disputed"):
                await source.multiply([A, B], fee=FEE)

    monkeypatch.setattr(Book, "add_run", bent)
    play(work())
    (task,) = rig.mining.tasks()
    assert task.status is TaskStatus.DISPUTED
    assert rig.mining.miner(rig.cora.account).deposit == 10_000 - RULES.penalty
    paid = NSUBS * FEE * 95 // 100
    assert rig.balance(rig_person(rig, "sue")) == MONEY - paid + RULES.penalty
    rig.books_balance()


@pytest.mark.parametrize(
    ("left", "right", "error"),
    [
        (A, A, Malformed),
        (np.array([[np.nan]]), B[:1], Malformed),
        (np.array([[0.5]]), B[:1], Malformed),
        (np.zeros((0, 40)), B, Malformed),
        (np.zeros(40, np.int8), B, Malformed),
        (np.array([["x"]]), B[:1], Malformed),
        (np.array([[2**64]], dtype=object), B[:1], Malformed),
        (np.array([[2**63]], dtype=np.uint64), B[:1], LimitExceeded),
        (np.broadcast_to(np.int8(1), (1 << 15, 1 + (1 << 15))), B[:1], LimitExceeded),
        (np.ones((1 << 15, 1), np.int8), np.ones((1, 1 << 15), np.int8), LimitExceeded),
        (np.full((8, 8), 2**40), np.full((8, 8), 2**40), LimitExceeded),
    ],
    ids=["shapes", "nan", "fraction", "empty", "vector", "text", "objects", "range", "huge", "huge result", "64 bits"],
)
def test_bad_matrices_are_refused_before_anything_is_offered(
    tmp_path: Path, left: Any, right: Any, error: type[ZoneshareError]
) -> None:
    rig = Rig(tmp_path)

    async def work() -> None:
        async with rig.source() as source:
            with pytest.raises(error):
                await source.multiply([left, right], fee=FEE)

    play(work())
    assert list(rig.mining.tasks()) == []
    assert rig.balance(rig_person(rig, "sue")) == MONEY


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        (b"\xff\xff\xff\xff", b"LimitExceeded"),
        (struct.pack(">I", 5) + b"hello", b"Malformed"),
        (struct.pack(">I", 0), b"Malformed"),
        (b"\x00\x00", b""),
    ],
    ids=["too long", "no message", "empty", "cut off"],
)
def test_a_malformed_frame_ends_that_connection_only(tmp_path: Path, frame: bytes, answer: bytes) -> None:
    rig = Rig(tmp_path)

    async def work() -> None:
        async with rig.coordinator(), rig.miners("ann"), rig.source() as source:
            mal = rig.peers.context(as_identity(rig.person("mal")), server=False)
            reader, writer = await asyncio.open_connection("127.0.0.1", rig.port, ssl=mal)
            writer.write(frame)
            if answer:
                assert answer in await reader.read()
            writer.close()
            assert (await source.multiply([A, B], fee=FEE) == product(A, B)).all()

    play(work())


def test_who_has_no_deposit_or_speaks_out_of_turn_is_refused(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    async def work() -> None:
        async with rig.coordinator():
            eve = as_identity(rig.person("eve"))
            for message in (Mine(5), Welcome(rig.zone_rules, rig.mining.tip())):
                line = await connect("127.0.0.1", rig.port, eve, rig.peers, EPOW)
                await line.send(message)
                with pytest.raises(ZoneshareError) as refused:
                    await line.receive(Welcome, timeout=5)
                assert not isinstance(refused.value, PeerGone)
                await line.close()

    play(work())


def test_values_that_outgrow_64_bits_end_the_task_and_the_rest_comes_back(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    big = np.full((8, 8), 2**40)

    async def work() -> None:
        async with rig.coordinator(), rig.miners("ann"), rig.source() as source:
            with pytest.raises(TaskFailed, match="64 bits"):
                await source.multiply([big, np.ones((8, 8), np.int64), big], fee=FEE)
            await until(lambda: next(rig.mining.tasks()).status is TaskStatus.FAILED)

    play(work())
    (task,) = rig.mining.tasks()
    assert 0 < task.verified < task.nsubs
    assert rig.balance(rig_person(rig, "sue")) == MONEY - task.verified * FEE
    rig.books_balance()


def rig_person(rig: Rig, name: str) -> Any:
    from tests.support.memory_identity import identity

    return identity("Org1MSP", name)


def rig_account(rig: Rig, name: str) -> str:
    account: str = rig_person(rig, name).account
    return account


async def until(so: Any) -> None:
    while not await asyncio.to_thread(so):
        await asyncio.sleep(0.02)
