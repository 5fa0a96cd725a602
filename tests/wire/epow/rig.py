"""A zone of miners in one process: real TLS on loopback, real journals, the real contracts in memory."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.memory_identity import Identity as Person
from tests.support.memory_identity import identity
from tests.support.memory_ledger import Hook, MemoryLedger, Shared, as_identity, no_hook
from tests.support.memory_world import ORGS, World, balance
from tests.support.ports import steady_port
from zoneshare.epow.book import Book
from zoneshare.epow.coordinator import Coordinator
from zoneshare.epow.ledger import Mining
from zoneshare.epow.miner import Miner
from zoneshare.epow.source import Source
from zoneshare.trade.moment import SystemClock
from zoneshare.trade.peers import PeerBook
from zoneshare_protocols.codec import decode
from zoneshare_protocols.epow.ledger import MiningZone
from zoneshare_protocols.epow.records import MiningRules
from zoneshare_protocols.sharing.records import Trust

MONEY = 10**9
RULES = MiningRules(
    1,
    basic=16,
    block_time=2_000,
    initial=1 << 40,
    max_claim=4096,
    least_claim=256,
    block_reward=100,
    penalty=500,
)


class Rig:
    """zone-a mines: the coordinator cora, miners by name, sources by name."""

    def __init__(self, folder: Path, rules: MiningRules = RULES, dispute_time: int = 3_600_000) -> None:
        self.folder = folder
        self._shared = Shared(self.turn)
        sys.setswitchinterval(0.0002)  # engines of tiny products hog Python's lock
        self.world = World()
        self.zone = self.world.a
        self.port = 0
        self._began, self._started = self.world.net.now, time.monotonic()
        self.cora = self.person("cora")
        self.zone_rules = MiningZone("zone-a", self.cora.account, dispute_time, rules)
        for mspid in ORGS:
            Mining(self.ledger(identity(mspid, "admin", "admin"))).approve(self.zone_rules)
        self.mining = self.of(self.cora)
        self.mining.register(10_000)

    def turn(self) -> None:
        """The ledger's clock follows ours."""
        self.world.net.now = self._began + int((time.monotonic() - self._started) * 1000)

    def later(self, span_ms: int) -> None:
        self._began += span_ms

    def person(self, name: str, money: int = MONEY) -> Person:
        with self._shared.changed:
            return self.world.person(name, self.zone, money)

    def ledger(self, who: Person, hook: Hook = no_hook) -> MemoryLedger:
        return MemoryLedger(self._shared, self.zone, who, hook)

    def of(self, who: Person, hook: Hook = no_hook) -> Mining:
        return Mining(self.ledger(who, hook))

    def balance(self, who: Person) -> int:
        with self._shared.changed:
            return balance(self.zone, who)

    def trusted(self) -> list[Trust]:
        with self._shared.changed:
            return [decode(Trust, self.zone.evaluate(self.cora, "ledger:trust", "zone-b"))]

    @property
    def peers(self) -> PeerBook:
        return PeerBook(self.trusted())

    @contextlib.asynccontextmanager
    async def coordinator(self, hook: Hook = no_hook, **options: Any) -> AsyncIterator[Coordinator]:
        book = Book(self.folder / "cora", hook, spare=1 << 20)
        options = {"trusted": self.trusted, "clock": SystemClock(), **options}
        made = Coordinator(self.of(self.cora, hook), as_identity(self.cora), book=book, **options)
        try:
            self.port = await made.start("127.0.0.1", self.port or steady_port())
            yield made
        finally:
            await made.stop()
            book.close()

    @contextlib.asynccontextmanager
    async def miners(self, *names: str, kind: type[Miner] = Miner, **options: Any) -> AsyncIterator[list[Miner]]:
        """They run while the block does."""
        made, tasks = [], []
        for name in names:
            who = self.person(name)
            self.of(who).register(1_000)
            options.setdefault("free_loops", False)
            options = {"trusted": self.trusted, "clock": SystemClock(), **options}
            miner = kind(self.of(who), as_identity(who), address=("127.0.0.1", self.port), **options)
            made.append(miner)
            tasks.append(asyncio.create_task(miner.run()))
        try:
            yield made
        finally:
            for miner in made:
                miner.stop()
            await asyncio.gather(*tasks)

    @contextlib.asynccontextmanager
    async def source(self, name: str = "sue") -> AsyncIterator[Source]:
        who = self.person(name)
        made = Source(self.of(who), as_identity(who), self.peers, ("127.0.0.1", self.port))
        try:
            yield made
        finally:
            await made.close()

    def books_balance(self) -> None:
        """All that was issued is with somebody, or held by mining."""
        from tests.contracts.ledger.test_conservation import books

        with self._shared.changed:
            found = books(self.zone)
        assert found.balances + found.escrows + self.mining.holds() == found.issued


def int8(rng: np.random.Generator, rows: int, columns: int) -> NDArray[np.int8]:
    return rng.integers(-128, 128, (rows, columns), dtype=np.int8)
