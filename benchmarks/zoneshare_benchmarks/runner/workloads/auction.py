"""``auction``: a sealed auction from its notice to the refund, by honest parties with a simulated enclave.

Arguments: ``drones`` (of each worker: so many auctions at a time, 4), ``bidders`` (3) and ``tasks`` (3) of each,
``step`` (ms from one timer to the next, 2500), ``zone``. Two timers run out in each auction, so that it takes two steps
at least; who is late is refused by the contract. Every proof is made, with development keys, one at a time in a worker.
"""

import atexit
import queue
import random
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec.structs import replace

from zoneshare.accounts import Accounts
from zoneshare.gateway import now_ms
from zoneshare.ledger import Ledger
from zoneshare.seal.enclave import Enclave
from zoneshare.seal.enclave_store import FolderStore
from zoneshare.seal.ledger import Auctions
from zoneshare.seal.platform import SimulatedPlatform, make_simulated_platform
from zoneshare.seal.setup import set_up_auctions
from zoneshare_benchmarks.runner.site import Person, Site
from zoneshare_benchmarks.runner.workloads import Setting, number, zone
from zoneshare_benchmarks.runner.workloads.people import at_once, issue, with_money
from zoneshare_benchmarks.seal_exchange import Exchange, bring_keys
from zoneshare_benchmarks.seal_markets import Market, market
from zoneshare_benchmarks.seal_path import Drone, Vehicle, money_for
from zoneshare_benchmarks.seal_prover import Proofs, proofs
from zoneshare_benchmarks.seal_zone import Clock, Meter, Zone
from zoneshare_protocols.errors import Misuse, RuleBroken
from zoneshare_protocols.seal.auction import run
from zoneshare_protocols.seal.bids import Notice
from zoneshare_protocols.seal.deposits import bidder_deposit
from zoneshare_protocols.seal.ledger import SealZone
from zoneshare_protocols.seal.phases import Timers
from zoneshare_protocols.seal.synthetic import paper_terms

HOUR_MS = 3_600_000
LATE_MS = 50
"""Waited beyond a timer, for the peers' clocks."""
SLACK_MS = 120_000
"""For results, beyond what their tasks take: a machine that is overloaded is slow, and nobody's fraud."""
_APPROVALS = 20
_DRAWS = 100


class _Waits(Clock):
    """The machine's time: what is set forward elsewhere is waited for here."""

    def __call__(self) -> int:
        return now_ms()

    def pass_by(self, moment: int) -> None:
        time.sleep(max(0, moment + LATE_MS - now_ms()) / 1e3)


class _Live(Zone):
    """A zone of the site, by the machine's time; nothing is counted."""

    def __init__(self, folder: Path, site: Site, name: str) -> None:
        self.folder, self.meter, self.clock = folder, Meter(), _Waits()
        self._place, self._name = site, name

    def admins(self) -> tuple[Ledger, ...]:
        return self._place.admins(self._name)

    def person(self, name: str, money: int) -> tuple[Person, Ledger]:
        (made,) = with_money(self._place, self._name, 1, name)
        ledger = made.ledger(self._name)
        issue(self._place.issuer(self._name), made.account, money)
        return made, ledger


class _Seller(Drone):
    """A drone with an enclave of its own on the worker's platform, and short timers."""

    def __init__(self, live: Zone, platform: SimulatedPlatform, rules: SealZone, money: int, step: int) -> None:
        self.zone, self.platform, self.rules, self._step = live, platform, rules, step
        self.person, self.ledger = live.person("drone", money)
        self.auctions = Auctions(self.ledger)
        self.results = X25519PrivateKey.generate()
        trust = Accounts(self.ledger).trust(Accounts(self.ledger).parameters.zone)
        store = FolderStore(live.folder / "enclaves" / self.person.account)
        self.enclave = Enclave(platform, trust, store, live.clock)

    def notice(self, market: Market) -> Notice:
        now, step = self.zone.clock(), self._step
        timers = Timers(now + step, now + 2 * step, now + 3 * step, now + 4 * step, now + HOUR_MS, step)
        return replace(super().notice(market), timers=timers)


class SealedAuctions:
    """Drones take turns; each has its own vehicles."""

    def __init__(self, setting: Setting, arguments: dict[str, Any]) -> None:
        self._setting = setting
        self._zone = zone(arguments, setting)
        self._count = number(arguments, "drones", 4)
        self._step = number(arguments, "step", 2_500, least=100)
        size = number(arguments, "bidders", 3), number(arguments, "tasks", 3)
        self._market = _sold(setting.seed, size)
        self._folder = TemporaryDirectory(prefix="zoneshare-auctions-")
        self._proofs: Proofs
        self._free: queue.SimpleQueue[tuple[_Seller, list[Vehicle]]] = queue.SimpleQueue()

    def prepare(self) -> None:
        opened = ExitStack()
        atexit.register(opened.close)
        self._proofs = opened.enter_context(proofs())
        live = _Live(Path(self._folder.name), self._setting.site, self._zone)
        root = make_simulated_platform(live.folder / "platform", datetime.now(UTC))
        issuer = self._setting.site.issuer(self._zone)
        trust = Accounts(issuer).trust(Accounts(issuer).parameters.zone)
        platform = SimulatedPlatform(live.folder / "platform", trust)
        for attempt in range(_APPROVALS):
            try:
                rules = set_up_auctions(live.admins(), platform.measurement, root, proof_keys=self._proofs.records)
                break
            except RuleBroken:
                # Another worker's organisations approve at the same time.
                if attempt == _APPROVALS - 1:
                    raise
                time.sleep(random.uniform(0.1, 0.5))
        bring_keys(issuer, self._proofs)
        money = 1000 * money_for(self._market)
        deposit = 1000 * bidder_deposit(self._market.tasks, self._market.terms)

        def one(_: int) -> None:
            seller = _Seller(live, platform, rules, money, self._step)
            vehicles = [
                Vehicle(each.seat, *live.person(f"vehicle{each.seat}", deposit), each) for each in self._market.bidders
            ]
            self._free.put((seller, vehicles))

        at_once(one, range(self._count))

    def transact(self, number: int) -> None:  # noqa: ARG002  # all are alike
        seller, vehicles = self._free.get()
        try:
            exchange = Exchange(seller, seller.until_commit(self._market, vehicles), self._proofs)
            exchange.run()
            exchange.refund()
        finally:
            self._free.put((seller, vehicles))


def _sold(seed: int, size: tuple[int, int]) -> Market:
    """A market of so many bidders and tasks in which something is sold: without a winner there is no commit.

    Raises Misuse where none is found, as with a single bidder.
    """
    rng, terms = np.random.default_rng(seed), replace(paper_terms(), slack=SLACK_MS)
    for _ in range(_DRAWS):
        drawn = market(rng, *size, terms=terms)
        if run(drawn.tasks, drawn.bidders, drawn.terms).winners:
            return drawn
    raise Misuse("nothing is sold among so few", bidders=size[0], tasks=size[1])


def make(setting: Setting, arguments: dict[str, Any]) -> SealedAuctions:
    return SealedAuctions(setting, arguments)
