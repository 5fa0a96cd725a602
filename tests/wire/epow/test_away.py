"""A ledger that is away while roles run: what came meanwhile is learnt, and a block that was won is not lost."""

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from tests.support.memory_identity import identity
from tests.support.memory_ledger import MemoryEvents, MemoryLedger, as_identity
from tests.support.ports import steady_port
from tests.wire.epow.rig import RULES as rig_rules
from tests.wire.epow.rig import Rig, int8
from tests.wire.epow.test_start import Hurried
from zoneshare.cli import epow_roles
from zoneshare.epow import news
from zoneshare.epow.book import Book
from zoneshare.ledger import ChaincodeEvent, Committed, CommitUnknown, Conflict, LedgerUnavailable
from zoneshare_protocols.codec import encode
from zoneshare_protocols.epow.exact import product
from zoneshare_protocols.epow.ledger import Batch, RunDone

RNG = np.random.default_rng(53)
RULES = replace(rig_rules, basic=8, initial=1 << 20, block_time=1000)
ANN = identity("Org1MSP", "ann").account
A, B = int8(RNG, 40, 30), int8(RNG, 30, 40)


class Events(MemoryEvents):
    broken = False

    def __next__(self) -> ChaincodeEvent:
        try:
            return super().__next__()
        except StopIteration:
            if self.broken:
                raise LedgerUnavailable("the connection is lost") from None
            raise


class Streams:
    """The ledgers' event streams, by their account: each can break, and stay away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._open: dict[str, list[Events]] = {}
        self._away: set[str] = set()
        self.asked = 0
        monkeypatch.setattr(news, "PAUSES_S", (0.01,))
        monkeypatch.setattr(MemoryLedger, "events", lambda ledger, from_block=None: self._events(ledger, from_block))

    def cut(self, account: str) -> None:
        self._away.add(account)
        for stream in self._open.pop(account):
            stream.broken = True
            stream.close()

    def back(self, account: str) -> None:
        self._away.remove(account)

    def _events(self, ledger: MemoryLedger, from_block: int | None) -> Events:
        account = ledger._who.account
        if account in self._away:
            self.asked += 1
            raise LedgerUnavailable("away")
        stream = Events(ledger._shared, ledger._zone, from_block)
        self._open.setdefault(account, []).append(stream)
        return stream


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.005)


def play(game: Any) -> None:
    asyncio.run(asyncio.wait_for(game, 60))


def test_a_coordinator_learns_of_blocks_that_came_while_its_ledger_was_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, streams = Rig(tmp_path, RULES), Streams(monkeypatch)

    async def game() -> None:
        async with rig.coordinator() as coordinator:
            async with rig.miners("ann", free_loops=True):
                await until(lambda: coordinator.standing().height > 0)
                streams.cut(rig.cora.account)
                await until(lambda: streams.asked > 2 and rig.mining.tip().height > coordinator.standing().height + 2)
            streams.back(rig.cora.account)
            await until(lambda: coordinator.standing().height == rig.mining.tip().height)
            async with rig.miners("bob", free_loops=True), rig.source() as source:
                assert (await source.multiply([A, B], fee=20_000) == product(A, B)).all()
                later = rig.mining.tip().height + 1
                await until(lambda: coordinator.standing().height >= later)

    play(game())


def test_a_miner_learns_of_blocks_that_came_while_its_ledger_was_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, streams = Rig(tmp_path, RULES), Streams(monkeypatch)
    rig.port = steady_port()  # nobody is there

    async def game() -> None:
        async with rig.miners("ann", free_loops=True) as (ann,):
            async with rig.miners("bob", free_loops=True):
                await until(lambda: ann.tally.tip is not None and ann.tally.tip.height > 0)
                streams.cut(ANN)
                await until(lambda: streams.asked > 2 and rig.mining.tip().height > height(ann) + 2)
            streams.back(ANN)
            missed, blocks = rig.mining.tip().height, ann.tally.blocks
            await until(lambda: height(ann) >= missed and ann.tally.blocks > blocks)

    def height(miner: Any) -> int:
        found: int = miner.tally.tip.height
        return found

    play(game())


def test_a_coordinator_asks_again_what_its_ledger_did_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, failed = Rig(tmp_path, RULES), set[str]()
    evaluate = MemoryLedger.evaluate

    def failing(ledger: MemoryLedger, function: str, *args: bytes) -> bytes:
        if ledger._who.account == rig.cora.account and function not in failed:
            failed.add(function)
            raise LedgerUnavailable("away")
        return evaluate(ledger, function, *args)

    monkeypatch.setattr(MemoryLedger, "evaluate", failing)

    async def game() -> None:
        async with rig.coordinator(clock=Hurried()):
            async with rig.miners("ann", free_loops=True), rig.source() as source:
                assert (await source.multiply([A, B], fee=20_000) == product(A, B)).all()
            failed.clear()
            async with rig.miners("bob"), rig.source("sam") as source:
                assert (await source.multiply([A, B], fee=20_000) == product(A, B)).all()
            assert failed >= {"mining:task", "mining:miner"}

    play(game())


def test_a_coordinator_keeps_what_it_cannot_record_until_its_ledger_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, failures = Rig(tmp_path, RULES), 40
    submit = MemoryLedger.submit

    def failing(ledger: MemoryLedger, function: str, *args: bytes, **options: Any) -> Committed:
        nonlocal failures
        if function != "mining:record" or not failures:
            return submit(ledger, function, *args, **options)
        failures -= 1
        if failures % 4:
            raise Conflict("endorsers at different heights") if failures % 2 else LedgerUnavailable("away")
        submit(ledger, function, *args, **options)
        raise CommitUnknown("no answer", "tx")

    monkeypatch.setattr(MemoryLedger, "submit", failing)

    async def game() -> None:
        async with rig.coordinator(clock=Hurried()), rig.miners("ann"), rig.source() as source:
            assert (await source.multiply([A, B], fee=20_000) == product(A, B)).all()
            await source.accept()

    play(game())
    assert not failures
    (task,) = rig.mining.tasks()
    assert rig.mining.miner(ANN).verified == task.verified == 5 * 4 * 5
    rig.books_balance()


@pytest.mark.parametrize("taken", [False, True])
def test_a_block_that_was_won_is_not_lost_when_the_ledger_gives_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: bool
) -> None:
    """``taken``: it was on the ledger all the same."""
    rig, failures = Rig(tmp_path, RULES), [3, 1]
    rig.port = steady_port()
    submit = MemoryLedger.submit
    unanswered: set[bytes] = set()

    def failing(ledger: MemoryLedger, function: str, *args: bytes, **options: Any) -> Committed:
        if function != "mining:submit_block" or not failures:
            return submit(ledger, function, *args, **options)
        failures[0] -= 1
        if not failures[0]:
            failures.pop(0)
        unanswered.add(args[0])
        if taken:
            submit(ledger, function, *args, **options)
            raise CommitUnknown("no answer", "tx")
        raise LedgerUnavailable("away")

    monkeypatch.setattr(MemoryLedger, "submit", failing)

    async def game() -> None:
        async with rig.miners("ann", free_loops=True, clock=Hurried()) as (ann,):
            await until(lambda: ann.tally.blocks > 2)
        # Some may have been on their way when it was stopped.
        assert ann.tally.blocks <= rig.mining.tip().height <= ann.tally.blocks + 2

    play(game())
    assert not failures
    assert unanswered <= {encode(block.header) for block in rig.mining.blocks()}


def test_a_miner_and_a_source_come_back_to_a_coordinator_whose_ledger_was_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, failures = Rig(tmp_path, RULES), {"mining:miner": 25, "mining:task": 25}
    evaluate = MemoryLedger.evaluate

    def failing(ledger: MemoryLedger, function: str, *args: bytes) -> bytes:
        if ledger._who.account == rig.cora.account and failures.get(function):
            failures[function] -= 1
            raise LedgerUnavailable("away")
        return evaluate(ledger, function, *args)

    monkeypatch.setattr(MemoryLedger, "evaluate", failing)

    async def game() -> None:
        async with rig.coordinator(clock=Hurried()), rig.miners("ann"), rig.source() as source:
            assert (await source.multiply([A, B], fee=20_000) == product(A, B)).all()
        assert not any(failures.values())

    play(game())


def test_a_coordinator_can_be_stopped_while_it_waits_for_its_ledger_at_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, asked = Rig(tmp_path, RULES), threading.Event()
    book = Book(tmp_path / "coordinator")
    book.begin(Batch(1, 0, None, 0, (RunDone(bytes(32), 0, 0, 1, rig.cora.account, bytes(32)),)), [])
    book.close()

    def away(ledger: MemoryLedger, function: str, *args: bytes, **options: Any) -> Committed:
        asked.set()
        raise LedgerUnavailable("away")

    @contextlib.asynccontextmanager
    async def lasting(*_: object) -> AsyncIterator[epow_roles.Party]:
        yield epow_roles.Party(as_identity(rig.cora), rig.of(rig.cora), rig.trusted)

    monkeypatch.setattr(MemoryLedger, "submit", away)
    monkeypatch.setattr(epow_roles, "lasting", lasting)
    monkeypatch.setattr(epow_roles, "keep_memory", lambda: None)
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)

    async def game() -> None:
        options = epow_roles.Serving("127.0.0.1", 0, 0, 60.0, 1, 0)
        serving = asyncio.create_task(epow_roles.serve(tmp_path, options, lambda port: None, quiet=True))
        await until(asked.is_set)
        signal.raise_signal(signal.SIGTERM)
        await serving

    play(game())
    book = Book(tmp_path / "coordinator")
    assert book.pending() is not None
    book.close()
