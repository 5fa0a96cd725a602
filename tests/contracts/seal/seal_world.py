"""A zone with auctions on the in-memory ledger: a drone, vehicles, and an enclave on a simulated platform."""

import datetime
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec.structs import replace

from tests.contracts.ledger.test_conservation import books
from tests.rules.seal.market import TERMS, task
from tests.support.memory_identity import Identity, identity
from tests.support.memory_proofs import prove, trust_in
from tests.support.memory_stub import VALID, Argument
from tests.support.memory_world import CLIENT, ORGS, World, balance, pages
from zoneshare.seal.enclave import Enclave
from zoneshare.seal.platform import SimulatedPlatform, make_simulated_platform
from zoneshare.seal.proving_keys import development
from zoneshare.seal.sealing import seal_bid
from zoneshare_protocols.codec import decode, digest, encode
from zoneshare_protocols.seal.bids import Agreement, Notice, SealedBid
from zoneshare_protocols.seal.hashchain import ChainMeta, Commit, make_chain, meta
from zoneshare_protocols.seal.ledger import (
    Auction,
    BidderRecord,
    BidList,
    Observed,
    Opening,
    Ready,
    Recorded,
    SealZone,
    Winner,
)
from zoneshare_protocols.seal.phases import Timers
from zoneshare_protocols.seal.records import Bid, Item, Task, Terms
from zoneshare_protocols.sharing.records import EndorsedQuery

GIGA = 10**9
STEP = 60_000
RICH = 10_000_000
DWELL = 600_000
STALLING = replace(TERMS, stall=40)
DAY = 86_400_000
RESULTS_KEY = X25519PrivateKey.from_private_bytes(b"r" * 32).public_key().public_bytes_raw()


class MemoryStore:
    """The host's disk."""

    def __init__(self) -> None:
        self.sealed: dict[bytes, bytes] = {}
        self.bids: dict[bytes, list[SealedBid]] = {}

    def load(self) -> list[tuple[bytes, bytes, tuple[SealedBid, ...]]]:
        return [(id, sealed, tuple(self.bids.get(id, ()))) for id, sealed in self.sealed.items()]

    def keep(self, auction: bytes, sealed: bytes) -> None:
        self.sealed[auction] = sealed

    def keep_bid(self, bid: SealedBid) -> None:
        self.bids.setdefault(bid.auction, []).append(bid)

    def forget(self, auction: bytes) -> None:
        self.sealed.pop(auction)
        self.bids.pop(auction, None)


def bid_for(*prices: tuple[int, int], resource: int = 2 * GIGA) -> Bid:
    """``prices``: (task, price)."""
    return Bid(resource * len(prices), tuple(Item(number, resource, price) for number, price in prices))


class SealWorld:
    """zone-a: dora is the drone, ann, bob and cid are vehicles; every step of an auction as honest parties take it."""

    def __init__(self) -> None:
        self.world = World()
        self.zone = self.world.a
        self.dora, self.ann, self.bob, self.cid = (
            self.world.person(name, self.zone, RICH) for name in ("dora", "ann", "bob", "cid")
        )
        self.trust = trust_in("zone-a", ORGS)
        with TemporaryDirectory(prefix="zoneshare-seal-") as folder:
            root = make_simulated_platform(Path(folder), datetime.datetime.fromtimestamp(self.now / 1000, datetime.UTC))
            self.platform = SimulatedPlatform(Path(folder), self.trust)
            self.other_program = SimulatedPlatform(Path(folder), replace(self.trust, version=9))
            """On the same platform."""
        self.store = MemoryStore()
        self.enclave = self.start_enclave()
        keys = tuple(key.record for key in development())
        self.rules = SealZone("zone-a", 1, False, (self.platform.measurement,), (root,), STEP, keys)
        self.approve(self.rules)

    @property
    def now(self) -> int:
        return self.world.net.now

    def wait_until(self, moment: int) -> None:
        self.world.net.now = moment

    def start_enclave(self) -> Enclave:
        return Enclave(self.platform, self.trust, self.store, lambda: self.now)

    def approve(self, rules: SealZone, orgs: Iterable[str] = ORGS) -> None:
        for mspid in orgs:
            self.zone.submit(identity(mspid, "admin", "admin"), "auction:approve", rules)

    def submit(self, who: Identity, function: str, *args: Argument) -> bytes:
        simulation = self.zone.endorse(who, f"auction:{function}", *args)
        payload = simulation.result()
        assert self.zone.commit(simulation) == VALID
        return payload

    def ask(self, kind: Any, function: str, *args: Argument) -> Any:
        return decode(kind, self.zone.evaluate(CLIENT, f"auction:{function}", *args))

    def auction(self, id: bytes) -> Auction:
        found: Auction = self.ask(Auction, "auction", id)
        return found

    def bidder(self, id: bytes, who: Identity) -> BidderRecord:
        found: BidderRecord = self.ask(BidderRecord, "bidder", id, who.account)
        return found

    def money(self, who: Identity) -> int:
        return balance(self.zone, who)

    def books_balance(self) -> None:
        found = books(self.zone)
        auctions = pages(self.zone, "auction:auctions", Auction)
        held = sum(self.ask(int, "held", one.id) for one in auctions)
        assert found.balances + found.escrows + held == found.issued

    def timers(self) -> Timers:
        now = self.now
        return Timers(now + STEP, now + 2 * STEP, now + 3 * STEP, now + 4 * STEP, now + 8 * STEP, STEP)

    def notice(self, tasks: tuple[Task, ...] = (task(1), task(2)), terms: Terms = STALLING, nonce: int = 0) -> Notice:
        program = self.platform.measurement
        return Notice(self.dora.account, tasks, terms, self.timers(), program, nonce.to_bytes(16, "big"), RESULTS_KEY)

    def open(self, notice: Notice | None = None) -> "Round":
        """By dora, with the enclave's quote."""
        return Round(self, self.enclave.prepare(notice or self.notice(), self.dora.account))


class Round:
    """One auction. Each step is by honest parties, and can be left out or done otherwise by the test."""

    def __init__(self, world: SealWorld, opening: Opening) -> None:
        self.world, self.opening = world, opening
        self.notice, self.quote = opening.notice, opening.quote.quote
        self.id = self.notice.id
        self.sealed: dict[str, SealedBid] = {}
        self.receipts: dict[str, bytes] = {}
        self.chains: dict[int, list[bytes]] = {}
        world.submit(world.dora, "open", opening)

    @property
    def auction(self) -> Auction:
        return self.world.auction(self.id)

    def submit(self, who: Identity, function: str, *args: Argument) -> bytes:
        return self.world.submit(who, function, self.id, *args)

    def bid(self, who: Identity, bid: Bid, *, deliver: bool = True) -> SealedBid:
        """Sealed, to the enclave, and its hash to the ledger."""
        sealed = seal_bid(bid, self.notice, self.quote, who.account)
        self.submit(who, "bid", sealed.hash)
        self.sealed[who.account] = sealed
        if deliver:
            self.receipts[who.account] = self.world.enclave.take(sealed, who.account)
        return sealed

    def close_bids(self) -> None:
        self.world.wait_until(self.notice.timers.init + 1)
        self.submit(self.world.dora, "advance")

    @property
    def bids(self) -> bytes:
        found: BidList = self.world.ask(BidList, "bids", self.id)
        return digest(found.hashes)

    def fund(self, dwell: dict[str, int] | None = None) -> None:
        found: BidList = self.world.ask(BidList, "bids", self.id)
        times = tuple((dwell or {}).get(bidder, DWELL) for bidder, _ in found.bids)
        self.submit(self.world.dora, "fund", Observed(digest(self.quote), digest(found.hashes), times))

    def agree(self, who: Identity) -> None:
        """With the enclave's receipt, or else with the sealed bid for the ledger."""
        agreement = Agreement(digest(self.quote), self.bids, who.account)
        receipt = self.receipts.get(who.account, b"")
        self.submit(who, "agree", agreement, receipt, b"" if receipt else encode(self.sealed[who.account]))

    def pay_in(self, *bidders: Identity) -> None:
        self.fund()
        for who in bidders:
            self.submit(who, "deposit")
            self.agree(who)

    def close_deposits(self) -> None:
        self.world.wait_until(self.notice.timers.deposit + 1)
        self.submit(self.world.dora, "advance")

    @property
    def partakers(self) -> list[str]:
        found: Ready = self.world.ask(Ready, "ready", self.id)
        return [entry.bidder for entry in found.bid_set.entries]

    def order(self) -> EndorsedQuery:
        return prove(self.world.zone, CLIENT, "auction:ready", self.id)

    def decide(self, published: tuple[SealedBid, ...] = ()) -> Recorded:
        return self.world.enclave.decide(self.order(), published)

    def record(self, found: Recorded) -> None:
        self.world.submit(self.world.dora, "record", found.result, found.signature)

    def commit(self, found: Recorded) -> None:
        self.world.submit(self.world.dora, "commit", self.a_commit(found))

    def a_commit(self, found: Recorded) -> Commit:
        chains: list[ChainMeta] = []
        for seat in found.result.outcome.winners:
            prices = [award.payment for award in found.result.outcome.of(seat)]
            self.chains[seat] = make_chain(self.id, seat, bytes([seat]) * 32, prices)
            chains.append(meta(seat, self.chains[seat]))
        return self.commitment(tuple(chains))

    def commitment(self, chains: tuple[ChainMeta, ...]) -> Commit:
        return Commit(self.id, self.world.dora.account, chains, self.notice.timers.claim)

    def winner(self, seat: int) -> Winner:
        found: Winner = self.world.ask(Winner, "winner", self.id, seat)
        return found

    def until_deposits(self) -> None:
        """ann, bob and cid bid for tasks 1 and 2; ann is cheapest."""
        for who, price in ((self.world.ann, 100), (self.world.bob, 150), (self.world.cid, 400)):
            self.bid(who, bid_for((1, price), (2, price)))
        self.close_bids()

    def until_auction(self) -> None:
        self.until_deposits()
        self.pay_in(self.world.ann, self.world.bob, self.world.cid)
        self.close_deposits()

    def until_commit(self) -> Recorded:
        self.until_auction()
        found = self.decide()
        self.record(found)
        return found

    def until_exchange(self) -> Recorded:
        found = self.until_commit()
        self.commit(found)
        return found
