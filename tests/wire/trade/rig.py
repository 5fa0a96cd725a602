"""Buyer, seller and watchtower in one process: real TLS on loopback, real journals, the real contracts in memory."""

import asyncio
import os
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from tests.support.memory_ledger import Hook, MemoryLedger, Shared, as_identity, no_hook
from tests.support.memory_world import World, balance
from tests.support.ports import steady_port
from zoneshare.device_keys import DeviceKeys
from zoneshare.stores import Store
from zoneshare.stores.folder import FolderStore
from zoneshare.trade.buyer import Buyer, Order
from zoneshare.trade.catalogue import Catalogue
from zoneshare.trade.journal import Journal
from zoneshare.trade.opening import Plan
from zoneshare.trade.party import Party, Zone
from zoneshare.trade.seller import Policy, Seller
from zoneshare.trade.tower import Tower
from zoneshare.trade.watchtower import Watchtower

R = TypeVar("R")

PLAN = Plan(lifetime=200_000, tick=10, challenge=20_000, funding=60_000)
MONEY = 1_000_000
PRICE = 7
BOND = 500
CHUNK = 1_000


SHARED = Shared()
WRITES = SHARED.writes
"""(zone, function) of every transaction that committed, of the one world of a test."""


PAUSE_S = 0.002
"""What a short wait takes."""


class TurnedClock:
    """The ledgers' clock, read by ``now_ms`` and turned by ``turn``. Short waits pass at once, long ones when the test
    turns it."""

    def __init__(self, now_ms: Callable[[], int], turn: Callable[[int], None], pause_s: float = PAUSE_S) -> None:
        self.now_ms, self._turn = now_ms, turn
        self._pause_s = pause_s
        self._waiting: set[asyncio.Event] = set()

    async def wait(self, span_ms: int, event: asyncio.Event | None = None) -> None:
        if span_ms <= 4_000:
            await asyncio.sleep(min(span_ms / 1000, self._pause_s))
            return
        due = self.now_ms() + span_ms
        while self.now_ms() < due and not (event and event.is_set()):
            await self._turned_or(event)

    async def _turned_or(self, event: asyncio.Event | None) -> None:
        turned = asyncio.Event()
        self._waiting.add(turned)
        ends = [asyncio.create_task(turned.wait()), *([asyncio.create_task(event.wait())] if event else [])]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiting.discard(turned)
            for end in ends:
                end.cancel()

    def advance(self, span_ms: int) -> None:
        self._turn(span_ms)
        for waiter in list(self._waiting):
            waiter.set()

    async def run(self, work: Awaitable[R], step_ms: int = 5_000) -> R:
        """Turn the clock until ``work`` is done."""
        task = asyncio.ensure_future(work)
        while not task.done():
            await asyncio.wait([task], timeout=0.01)
            self.advance(step_ms)
        return task.result()

    async def until(self, so: Callable[[], bool], step_ms: int = 0) -> None:
        while not so():
            await asyncio.sleep(0.003)
            if step_ms:
                self.advance(step_ms)


class Devices(ABC):
    """alice of zone-a, who buys; bob of zone-b, who sells; carol of zone-b, who watches for bob. Hooks see every
    durable write, and may raise Dead."""

    def __init__(self, folder: Path, clock: TurnedClock, plan: Plan, bond: int) -> None:
        self.folder, self.clock, self.plan, self.bond = folder, clock, plan, bond
        folder.mkdir(parents=True, exist_ok=True)
        self.store: Store = FolderStore(folder / "store")
        self.port = 0
        self.tower_port = 0
        self.policy = Policy(bond=bond, window=16, min_challenge=1_000)
        self.journals: dict[str, Journal] = {}

    @abstractmethod
    def party(self, name: str, hook: Hook = no_hook) -> Party:
        """alice, bob or carol, as she or he reaches the ledgers."""

    @property
    @abstractmethod
    def money(self) -> tuple[int, int]:
        """alice's and bob's balance."""

    def journal(self, name: str, hook: Hook = no_hook) -> Journal:
        journal = Journal(self.folder / f"{name}.journal", hook)
        self.journals[name] = journal
        return journal

    def buyer(self, hook: Hook = no_hook, window: int = 16) -> Buyer:
        journal = self.journal("alice", hook)
        return Buyer(self.party("alice", hook), self.store, journal, clock=self.clock, plan=self.plan, window=window)

    async def seller(self, hook: Hook = no_hook, tower: bool = False) -> Seller:
        party = self.party("bob", hook)
        trusted = party.home.accounts.trusts
        line = Tower("127.0.0.1", self.tower_port, party.identity, trusted, self.clock) if tower else None
        seller = Seller(
            party,
            self.store,
            self.journal("bob", hook),
            Catalogue(self.journals.get("catalogue") or self.journal("catalogue")),
            clock=self.clock,
            policy=self.policy,
            tower=line,
        )
        self.port = await seller.start("127.0.0.1", self.port or steady_port())
        return seller

    async def watchtower(self, hook: Hook = no_hook) -> Watchtower:
        tower = Watchtower(self.party("carol", hook), self.journal("carol", hook), self.clock)
        self.tower_port = await tower.start("127.0.0.1", self.tower_port or steady_port())
        return tower

    def kill(self, name: str) -> None:
        """A journal as a killed process leaves it."""
        self.journals.pop(name).close()

    def kill_journals(self) -> None:
        for name in list(self.journals):
            self.kill(name)

    def file(self, chunks: int = 20, name: str = "goods.bin") -> Path:
        path = self.folder / name
        path.write_bytes(os.urandom(chunks * CHUNK - CHUNK // 3))
        return path

    def order(self, data: bytes, name: str = "bought.bin", deposit: int | None = None) -> Order:
        return Order(data, "127.0.0.1", self.port, self.folder / name, PRICE, deposit)


class Rig(Devices):
    """On the ledgers in memory."""

    def __init__(self, folder: Path, bond: int = BOND) -> None:
        WRITES.clear()
        self.world = World()
        super().__init__(folder, TurnedClock(lambda: self.world.net.now, self._turn), PLAN, bond)
        self.alice = self.world.person("alice", self.world.a, MONEY)
        self.bob = self.world.person("bob", self.world.b, MONEY)
        self.carol = self.world.person("carol", self.world.b)

    def _turn(self, span_ms: int) -> None:
        with SHARED.changed:
            self.world.net.advance(span_ms)

    def party(self, name: str, hook: Hook = no_hook) -> Party:
        who = {"alice": self.alice, "bob": self.bob, "carol": self.carol}[name]
        home = "zone-a" if name == "alice" else "zone-b"
        ledgers = {zone.name: MemoryLedger(SHARED, zone, who, hook) for zone in (self.world.a, self.world.b)}
        keys = DeviceKeys(who.signing.private_bytes_raw())
        return Party(as_identity(who), keys, Zone(home, ledgers[home]), lambda trust: ledgers[trust.zone])

    @property
    def money(self) -> tuple[int, int]:
        with SHARED.changed:
            return balance(self.world.a, self.alice), balance(self.world.b, self.bob)
