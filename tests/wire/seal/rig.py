"""A drone and its vehicles in one process: real TLS on loopback, real journals, the real contracts in memory.

Time runs some times as fast as ours, and jumps to the end of a phase in which all has happened.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from tests.contracts.seal.claim_world import DEVELOPMENT, ClaimWorld, fake_proof
from tests.rules.seal.market import BARE
from tests.support.memory_identity import Identity as Person
from tests.support.memory_ledger import Dead, Hook, MemoryLedger, Shared, as_identity, no_hook
from tests.support.memory_stub import Zone
from tests.support.memory_world import pages
from tests.support.ports import steady_port
from zoneshare.ledger import Committed, Conflict
from zoneshare.seal.auctioneer import Auctioneer
from zoneshare.seal.bidder import Bidder, Policy
from zoneshare.seal.claims import Claims
from zoneshare.seal.ledger import Auctions
from zoneshare.seal.party import Party
from zoneshare.seal.planning import Spans
from zoneshare.seal.work import Batches, Work, draw_work
from zoneshare.trade.journal import Journal
from zoneshare_protocols.errors import NotFound
from zoneshare_protocols.seal.bids import Notice, SealedBid
from zoneshare_protocols.seal.ledger import Auction, BidderRecord, Claimed, Opening, Recorded
from zoneshare_protocols.seal.phases import Phase
from zoneshare_protocols.seal.results import Locked
from zoneshare_protocols.seal.synthetic import MEGA
from zoneshare_protocols.sharing.records import EndorsedQuery

SPEED = 20
SPANS = Spans(bidding=60_000, deposits=60_000, deciding=40_000, committing=40_000, grace=25_000, claiming=20_000)
SLACK = 30_000
TERMS_HERE = replace(BARE, slack=SLACK, cap=2_000)
SMALL = Batches(pictures=10, intensity=(60_000, 100_000), deadline=(8_000, 10_000))


class Killer:
    """A crash point that kills at its n-th call, and remembers all that were passed."""

    def __init__(self, at: int = 1 << 30) -> None:
        self.at = at
        self.passed: list[str] = []
        self.struck = threading.Event()

    def __call__(self, point: str) -> None:
        self.passed.append(point)
        if len(self.passed) >= self.at:
            self.struck.set()
            raise Dead(point)


class FastClock:
    """The rig's time; whoever waits is told when it jumps."""

    def __init__(self, speed: float) -> None:
        self._speed, self._started = speed, time.monotonic()
        self._began = 0
        self._jumped: set[asyncio.Event] = set()

    def begin(self, now_ms: int) -> None:
        self._began = now_ms

    def now_ms(self) -> int:
        return self._began + int((time.monotonic() - self._started) * 1000 * self._speed)

    def jump(self, to_ms: int) -> None:
        self._began += max(0, to_ms - self.now_ms())
        for event in self._jumped:
            event.set()

    async def wait(self, span_ms: int, event: asyncio.Event | None = None) -> None:
        until = self.now_ms() + span_ms
        while self.now_ms() < until and not (event is not None and event.is_set()):
            jumped = asyncio.Event()
            self._jumped.add(jumped)
            ends = [asyncio.create_task(one.wait()) for one in (jumped, event) if one is not None]
            try:
                left = (until - self.now_ms()) / 1000 / self._speed
                await asyncio.wait(ends, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._jumped.discard(jumped)
                for end in ends:
                    end.cancel()


class CrowdedLedger(MemoryLedger):
    """Some transactions always come second: ``never`` has their function and number of arguments."""

    def __init__(self, never: Set[tuple[str, int]], shared: Shared, zone: Zone, who: Person, hook: Hook) -> None:
        super().__init__(shared, zone, who, hook)
        self._never = never

    def submit(self, function: str, *args: bytes, transient: dict[str, bytes] | None = None) -> Committed:
        if (function, len(args)) in self._never:
            raise Conflict("money moves in every block")
        return super().submit(function, *args, transient=transient)


class NearEnclave:
    """The enclave's program in this process, called by one party."""

    def __init__(self, rig: "Rig", caller: str) -> None:
        self._rig, self._caller = rig, caller

    async def prepare(self, notice: Notice) -> Opening:
        with self._rig.changed:
            return self._rig.world.enclave.prepare(notice, self._caller)

    async def deliver(self, bid: SealedBid, opening: Opening) -> bytes:
        with self._rig.changed:
            return self._rig.world.enclave.take(bid, self._caller)

    async def decide(self, order: EndorsedQuery, published: Sequence[SealedBid] = ()) -> Recorded:
        with self._rig.changed:
            self._rig.turn()
            return self._rig.world.enclave.decide(order, published)


class QuickProver:
    """Stands for the prover's process where proofs are not what is tested; the world's contract takes what it makes."""

    async def load(self) -> None:
        pass

    def key_hash(self, circuit: str) -> bytes:
        return DEVELOPMENT[circuit].hash

    async def prove(self, locked: Locked) -> bytes:
        return fake_proof(locked)


class Rig:
    """zone-a: dora is the drone; ann, bob and cid are vehicles."""

    def __init__(self, folder: Path, world: ClaimWorld | None = None, speed: float = SPEED) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.world = world or ClaimWorld()
        self.zone = self.world.zone
        self._shared = Shared(self.turn)
        self.changed, self.writes = self._shared.changed, self._shared.writes
        self.never: Set[tuple[str, int]] = frozenset()
        """(function, number of arguments) of what always comes second."""
        self.clock = FastClock(speed)
        self.clock.begin(self.world.now)
        self.port = 0
        self.lines: list[str] = []
        self.people = {name: getattr(self.world, name) for name in ("dora", "ann", "bob", "cid")}
        self._journals: dict[str, Journal] = {}
        self.money = {name: self.balance(name) for name in self.people}

    def turn(self) -> None:
        self.world.wait_until(self.clock.now_ms())

    async def hurry(self, bidders: int) -> None:
        """Jump to the end of a phase when all of so many bidders have done what belongs in it. Until cancelled."""
        while True:
            await asyncio.sleep(0.005)
            with self.changed:
                self._hurry(bidders)

    def _hurry(self, bidders: int) -> None:
        for one in pages(self.zone, "auction:auctions", Auction, 50):
            found = [
                record for who in self.people.values() if (record := self._bidder(one.id, who.account)) is not None
            ]
            delivered = len(self.world.store.bids.get(one.id, ()))
            if one.phase is Phase.INIT and len(found) == delivered == bidders:
                self.clock.jump(one.timers.init + 1)
            said = sum(record.takes_part for record in found)
            if one.phase is Phase.DEPOSIT and one.deposit and said == bidders:
                self.clock.jump(one.timers.deposit + 1)

    def _bidder(self, id: bytes, account: str) -> BidderRecord | None:
        with contextlib.suppress(NotFound):
            found: BidderRecord = self.world.ask(BidderRecord, "bidder", id, account)
            return found
        return None

    def balance(self, name: str) -> int:
        with self.changed:
            return self.world.money(self.people[name])

    def gain(self, name: str) -> int:
        """What somebody has more than at the start."""
        return self.balance(name) - self.money[name]

    def party(self, name: str, hook: Hook = no_hook) -> Party:
        who = self.people[name]
        return Party(as_identity(who), self._ledger(who, hook))

    def _ledger(self, who: Person, hook: Hook = no_hook) -> MemoryLedger:
        return CrowdedLedger(self.never, self._shared, self.zone, who, hook)

    def journal(self, name: str, hook: Hook = no_hook) -> Journal:
        self._journals[name] = Journal(self.folder / f"{name}.journal", hook)
        return self._journals[name]

    def journal_of(self, name: str) -> Journal:
        """The one that is open."""
        return self._journals[name]

    def kill(self, name: str) -> None:
        """A journal as a killed process leaves it."""
        self._journals.pop(name).close()

    def work(self, count: int = 2, seed: int = 5, batches: Batches = SMALL) -> list[Work]:
        rng = np.random.default_rng(seed)
        return [draw_work(rng, number, batches) for number in range(1, count + 1)]

    def drone(self, hook: Hook = no_hook, kind: type[Auctioneer] = Auctioneer, **options: Any) -> Auctioneer:
        party = self.party("dora", hook)
        chosen: dict[str, Any] = {
            "spans": SPANS,
            "sample": 1.0,
            "disputable": False,
            "dwell": lambda accounts: dict.fromkeys(accounts, 600_000),
        } | options
        return kind(
            party, NearEnclave(self, party.account), ("127.0.0.1", 1), self.journal("dora", hook),
            clock=self.clock, told=self.lines.append, **chosen,
        )  # fmt: skip

    def vehicle(self, name: str, hook: Hook = no_hook, kind: type[Bidder] = Bidder, **options: Any) -> Bidder:
        unit = {"ann": 60, "bob": 90, "cid": 120}[name]
        policy = Policy(free=8_000 * MEGA, resource=(1_500 * MEGA, 2_000 * MEGA), unit_cost=unit)
        chosen: dict[str, Any] = {"policy": policy, "rng": np.random.default_rng(1), "prover": QuickProver()} | options
        return kind(
            self.party(name, hook), journal=self.journal(name, hook), clock=self.clock,
            told=lambda line: self.lines.append(f"{name}: {line}"),
            enclave=lambda host, port, identity, peers: NearEnclave(self, identity.account), **chosen,
        )  # fmt: skip

    @contextlib.asynccontextmanager
    async def flying(self, hook: Hook = no_hook, **options: Any) -> AsyncIterator[Auctioneer]:
        """The drone, listening while the block runs."""
        drone = self.drone(hook, **options)
        try:
            self.port = await drone.start("127.0.0.1", self.port or steady_port())
            yield drone
        finally:
            await drone.stop()
            self.kill("dora")

    @contextlib.asynccontextmanager
    async def driving(self, *names: str, **options: Any) -> AsyncIterator[list[Bidder]]:
        """Vehicles that bid while the block runs."""
        vehicles = [self.vehicle(name, **options) for name in names]
        looking = [asyncio.create_task(self.hurry(len(names)))]
        try:
            for vehicle in vehicles:
                await vehicle.start()
                looking.append(asyncio.create_task(vehicle.look(("127.0.0.1", self.port))))
            yield vehicles
        finally:
            for task in looking:
                task.cancel()
            await asyncio.gather(*looking, return_exceptions=True)
            for name, vehicle in zip(names, vehicles, strict=True):
                await vehicle.stop()
                self.kill(name)

    def auctions(self) -> list[Auction]:
        with self.changed:
            return pages(self.zone, "auction:auctions", Auction, 50)

    def claims(self, id: bytes) -> list[Claimed]:
        ledger = self._ledger(self.people["dora"])
        claims, winners = Claims(ledger), Auctions(ledger).winners(id)
        return [claim for one in winners if (claim := claims.claimed(id, one.seat)) is not None]

    def books_balance(self) -> None:
        with self.changed:
            self.world.books_balance()
