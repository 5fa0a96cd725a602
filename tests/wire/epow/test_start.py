"""A ledger that is away when a role starts is waited for; whom a zone trusts is asked anew while it runs."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.memory_ledger import MemoryLedger, as_identity
from tests.support.memory_proofs import trust_in
from tests.support.memory_world import ORGS
from tests.wire.epow.rig import Rig, int8
from zoneshare.epow.messages import EPOW, Inquire, Inquired
from zoneshare.ledger import LedgerUnavailable, Refused
from zoneshare.trade.moment import SystemClock
from zoneshare.trade.peers import RENEWED_MS
from zoneshare.trade.wire import connect
from zoneshare_protocols.epow.exact import product
from zoneshare_protocols.errors import LedgerFailed, ZoneshareError
from zoneshare_protocols.sharing.records import Trust

RNG = np.random.default_rng(9)
A, B = int8(RNG, 40, 30), int8(RNG, 30, 40)
ASKED = ("mining:zone", "mining:tip", "mining:pool", "events")
"""At the start of a coordinator; the pool is not asked for by a miner."""


class Hurried(SystemClock):
    """Waits for nothing but the minute after which the zones trusted are asked for again."""

    def __init__(self) -> None:
        self.minute = asyncio.Event()
        self.waits = 0

    async def wait(self, span_ms: int, event: asyncio.Event | None = None) -> None:
        if span_ms == RENEWED_MS:
            await self.minute.wait()
            self.minute.clear()
        else:
            self.waits += 1


@contextlib.contextmanager
def away(monkeypatch: pytest.MonkeyPatch, failure: LedgerFailed) -> Iterator[None]:
    """Each ledger fails once for each thing that is asked at a start."""
    failed: set[tuple[int, str]] = set()

    def once(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def asked(ledger: MemoryLedger, *args: Any) -> Any:
            what = (id(ledger), args[0] if args else name)
            if what[1] in ASKED and what not in failed:
                failed.add(what)
                raise failure
            return work(ledger, *args)

        return asked

    with monkeypatch.context() as patched:
        for name in ("evaluate", "events"):
            patched.setattr(MemoryLedger, name, once(name, getattr(MemoryLedger, name)))
        yield


def first_away(trusted: Callable[[], list[Trust]]) -> Callable[[], list[Trust]]:
    failures = [LedgerUnavailable("away")]

    def ask() -> list[Trust]:
        if failures:
            raise failures.pop()
        return trusted()

    return ask


def test_coordinator_and_miner_wait_for_a_ledger_that_is_away_at_their_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path)

    async def play() -> None:
        clock = Hurried()
        async with contextlib.AsyncExitStack() as opened:
            with away(monkeypatch, LedgerUnavailable("away")):
                await opened.enter_async_context(rig.coordinator(clock=clock, trusted=first_away(rig.trusted)))
                assert clock.waits == len(ASKED) + 1
                clock.waits = 0
                (miner,) = await opened.enter_async_context(
                    rig.miners("ann", clock=clock, trusted=first_away(rig.trusted))
                )
                while not miner.tally.connected:
                    await asyncio.sleep(0.01)
                assert clock.waits == len(ASKED)
            source = await opened.enter_async_context(rig.source())
            assert (await source.multiply([A, B], fee=20_000) == product(A, B)).all()

    asyncio.run(asyncio.wait_for(play(), 30))


def test_a_ledger_that_refuses_is_not_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(tmp_path)

    async def play() -> None:
        clock = Hurried()
        with away(monkeypatch, Refused("no")), pytest.raises(Refused):
            async with rig.coordinator(clock=clock):
                pass
        assert clock.waits == 0

    asyncio.run(asyncio.wait_for(play(), 30))


def test_a_device_that_is_trusted_later_is_served_by_the_coordinator_that_runs(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    ann, trusts = rig.person("ann"), [trust_in("zone-b", ("Org2MSP",))]

    async def hears() -> bool:
        """Whether the coordinator answers ann."""
        try:
            line = await connect("127.0.0.1", rig.port, as_identity(ann), rig.peers, EPOW)
            await line.send(Inquire(bytes(32), 0, 0))
            await line.receive(Inquired, timeout=5)
            await line.close()
        except ZoneshareError:
            return False
        return True

    async def play() -> None:
        clock = Hurried()
        async with rig.coordinator(clock=clock, trusted=lambda: trusts):
            assert not await hears()
            trusts[:] = [trust_in("zone-b", ORGS)]
            assert not await hears()
            clock.minute.set()
            while not await hears():
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(play(), 30))
