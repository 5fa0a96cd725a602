"""Drone, vehicle and enclave while their ledger is away, and what the organisations decide while they run."""

import asyncio
from pathlib import Path

import pytest

from tests.support.memory_ledger import MemoryLedger, as_identity
from tests.support.memory_proofs import trust_in
from tests.support.memory_world import ISSUER, MARGIN, TOLERANCE, approve
from tests.wire.seal.rig import TERMS_HERE, FastClock, Rig
from tests.wire.seal.test_door import Door
from zoneshare.ledger import Committed, LedgerUnavailable
from zoneshare.seal.auctioneer import Auctioneer
from zoneshare.seal.bidder import Bidder
from zoneshare.trade.peers import RENEWED_MS
from zoneshare.trade.wire import PeerGone
from zoneshare_protocols.errors import NotAllowed
from zoneshare_protocols.sharing.records import Trust, ZoneParameters

QUICK = 5_000
"""Times our time: pauses are over at once."""


def role(rig: Rig, name: str) -> Auctioneer | Bidder:
    return rig.drone() if name == "dora" else rig.vehicle(name)


async def start(one: Auctioneer | Bidder) -> None:
    await (one.start("127.0.0.1", 0) if isinstance(one, Auctioneer) else one.start())


@pytest.mark.parametrize("name", ["dora", "ann"])
def test_a_role_waits_for_its_ledger_and_learns_of_a_tolerance_that_is_raised(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig, failures = Rig(tmp_path, speed=QUICK), [LedgerUnavailable("away")] * 5
    evaluate = MemoryLedger.evaluate

    def away_at_first(ledger: MemoryLedger, function: str, *args: bytes) -> bytes:
        if failures:
            raise failures.pop()
        return evaluate(ledger, function, *args)

    async def play() -> None:
        monkeypatch.setattr(MemoryLedger, "evaluate", away_at_first)
        one = role(rig, name)
        await start(one)
        assert not failures
        assert one._party.margin == MARGIN
        with rig.changed:
            approve(rig.zone, "parameters", ZoneParameters(rig.zone.name, ISSUER.account, 3 * TOLERANCE, 2))
        while one._party.margin != 3 * MARGIN:
            await asyncio.sleep(0.005)
            rig.clock.jump(rig.clock.now_ms() + RENEWED_MS)
        await one.stop()
        rig.kill(name)

    asyncio.run(asyncio.wait_for(play(), 30))


def test_no_role_asks_its_ledger_on_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call there would hold up every other session."""
    rig, on_the_loop = Rig(tmp_path), list[str]()
    evaluate, submit = MemoryLedger.evaluate, MemoryLedger.submit

    def note(function: str) -> None:
        if asyncio._get_running_loop() is not None:
            on_the_loop.append(function)

    def evaluated(ledger: MemoryLedger, function: str, *args: bytes) -> bytes:
        note(function)
        return evaluate(ledger, function, *args)

    def submitted(
        ledger: MemoryLedger, function: str, *args: bytes, transient: dict[str, bytes] | None = None
    ) -> Committed:
        note(function)
        return submit(ledger, function, *args, transient=transient)

    async def play() -> None:
        monkeypatch.setattr(MemoryLedger, "evaluate", evaluated)
        monkeypatch.setattr(MemoryLedger, "submit", submitted)
        async with rig.flying() as drone, rig.driving("ann") as (ann,):
            await drone.auction(rig.work(), TERMS_HERE)
            await drone.settled()
            await ann.settled()

    asyncio.run(asyncio.wait_for(play(), 60))
    assert rig.gain("ann") > 0
    assert on_the_loop == []


def test_an_enclave_waits_for_its_ledger_and_asks_anew_whom_it_trusts(tmp_path: Path) -> None:
    door, clock = Door(tmp_path / "enclave"), FastClock(QUICK)
    world, asked = door.world, list[str]()

    def trusted() -> list[Trust]:
        asked.append("")
        if len(asked) == 1:
            raise LedgerUnavailable("away")
        return [trust_in("zone-a", ("Org2MSP",)) if len(asked) == 2 else world.trust]

    async def play() -> None:
        async with door.opened(trusted, clock):
            with pytest.raises((NotAllowed, PeerGone)):
                await door.client(world.dora).prepare(world.notice())
            while len(asked) < 3:
                clock.jump(clock.now_ms() + RENEWED_MS)
                await asyncio.sleep(0.005)
            opening = await door.client(world.dora).prepare(world.notice())
            assert opening.notice.drone == as_identity(world.dora).account

    asyncio.run(asyncio.wait_for(play(), 30))
