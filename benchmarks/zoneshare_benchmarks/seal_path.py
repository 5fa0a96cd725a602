"""A whole auction by honest parties over the real contracts, each phase's cost on the zone's bill: Algorithm 1."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from zoneshare.accounts import Accounts
from zoneshare.ledger import Ledger
from zoneshare.seal.enclave import Enclave
from zoneshare.seal.enclave_store import FolderStore
from zoneshare.seal.ledger import Auctions
from zoneshare.seal.platform import SimulatedPlatform, make_simulated_platform
from zoneshare.seal.sealing import seal_bid
from zoneshare.seal.setup import set_up_auctions
from zoneshare_benchmarks.runner.site import Person
from zoneshare_benchmarks.seal_markets import Market
from zoneshare_benchmarks.seal_zone import ZONE, Meter, Zone
from zoneshare_protocols.codec import digest, encode
from zoneshare_protocols.seal.attestation import check_opening
from zoneshare_protocols.seal.bids import Agreement, Notice, SealedBid
from zoneshare_protocols.seal.deposits import bidder_deposit, drone_deposit
from zoneshare_protocols.seal.hashchain import Commit, make_chain, meta
from zoneshare_protocols.seal.ledger import Observed, Opening, ProofKey, Recorded
from zoneshare_protocols.seal.phases import Timers
from zoneshare_protocols.seal.records import Bidder, Outcome

DRONE, ENCLAVE = "drone", "enclave"
INIT, DEPOSIT, AUCTION, COMMIT, EXCHANGE, CLAIM, REFUND = (
    "init", "deposit", "auction", "commit", "exchange", "claim", "refund",
)  # fmt: skip
PHASES = (INIT, DEPOSIT, AUCTION, COMMIT, EXCHANGE, CLAIM, REFUND)
STEP = 600_000
HOURS = 40 * STEP


@dataclass(frozen=True)
class Vehicle:
    """A bidder with its account."""

    number: int
    person: Person
    ledger: Ledger
    bidder: Bidder

    @property
    def account(self) -> str:
        return self.person.account

    @property
    def auctions(self) -> Auctions:
        return Auctions(self.ledger)


@dataclass
class Sale:
    """An auction between two phases."""

    opening: Opening
    vehicles: dict[str, Vehicle]
    """By account."""
    sealed: dict[str, SealedBid] = field(default_factory=dict)
    receipts: dict[str, bytes] = field(default_factory=dict)
    recorded: Recorded | None = None
    chains: dict[int, list[bytes]] = field(default_factory=dict)
    """w_0 .. w_n by seat."""

    @property
    def id(self) -> bytes:
        return self.opening.notice.id


class Drone:
    """The drone of a zone with its enclave; vehicles come and go."""

    def __init__(self, zone: Zone, money: int, keys: Sequence[ProofKey] = ()) -> None:
        self.zone = zone
        self.person, self.ledger = zone.person("drone", money)
        self.auctions = Auctions(self.ledger)
        folder = zone.folder / "platform"
        root = make_simulated_platform(folder, datetime.now(UTC))
        trust = Accounts(self.ledger).trust(ZONE)
        self.platform = SimulatedPlatform(folder, trust)
        self.results = X25519PrivateKey.generate()
        """What the winners seal their results to."""
        self.enclave = Enclave(self.platform, trust, FolderStore(zone.folder / "enclave"), zone.clock)
        self.rules = set_up_auctions(zone.admins(), self.platform.measurement, root, proof_keys=keys)

    @property
    def meter(self) -> Meter:
        return self.zone.meter

    def vehicles(self, market: Market) -> list[Vehicle]:
        """One for each bidder of a market, with enough money."""
        deposit = bidder_deposit(market.tasks, market.terms)
        made = [(bidder, *self.zone.person(f"vehicle{bidder.seat}", 2 * deposit)) for bidder in market.bidders]
        return [Vehicle(bidder.seat, person, ledger, bidder) for bidder, person, ledger in made]

    def notice(self, market: Market) -> Notice:
        now = self.zone.clock()
        timers = Timers(now + STEP, now + 2 * STEP, now + 3 * STEP, now + 4 * STEP, now + HOURS, STEP)
        program, key = self.platform.measurement, self.results.public_key().public_bytes_raw()
        return Notice(self.person.account, market.tasks, market.terms, timers, program, os.urandom(16), results_key=key)

    def init(self, market: Market, vehicles: list[Vehicle]) -> Sale:
        """Notice, quote, attestation by every bidder, sealed bids: hashes on the ledger, bids at the enclave."""
        bill = self.meter.bill
        with self.meter.during(INIT):
            with bill.timed(INIT, ENCLAVE):
                opening = self.enclave.prepare(self.notice(market), self.person.account)
            self.auctions.open(opening)
            sale = Sale(opening, {vehicle.account: vehicle for vehicle in vehicles})
            for vehicle in vehicles:
                self._bid(sale, vehicle)
            self.zone.clock.pass_by(opening.notice.timers.init)
            self.auctions.advance(sale.id)
        return sale

    def _bid(self, sale: Sale, vehicle: Vehicle) -> None:
        bill, opening = self.meter.bill, sale.opening
        bill.send(INIT, len(encode(opening)))
        with bill.timed(INIT, vehicle.number):
            check_opening(opening, self.rules, self.zone.clock())
            sealed = seal_bid(vehicle.bidder.bid, opening.notice, opening.quote.quote, vehicle.account)
        vehicle.auctions.bid(sale.id, sealed.hash)
        bill.send(INIT, len(encode(sealed)))
        with bill.timed(INIT, ENCLAVE):
            receipt = self.enclave.take(sealed, vehicle.account)
        bill.send(INIT, len(receipt))
        sale.sealed[vehicle.account], sale.receipts[vehicle.account] = sealed, receipt

    def deposit(self, sale: Sale) -> None:
        """Everybody's money to escrow, and its word on program and bids."""
        quote = digest(sale.opening.quote.quote)
        with self.meter.during(DEPOSIT):
            found = self.auctions.bids(sale.id)
            times = tuple(sale.vehicles[account].bidder.dwell for account, _ in found.bids)
            self.auctions.fund(sale.id, Observed(quote, digest(found.hashes), times))
            for account, vehicle in sale.vehicles.items():
                with self.meter.bill.timed(DEPOSIT, vehicle.number):
                    agreement = Agreement(quote, digest(found.hashes), account)
                vehicle.auctions.deposit(sale.id)
                vehicle.auctions.agree(sale.id, agreement, receipt=sale.receipts[account])
            self.zone.clock.pass_by(sale.opening.notice.timers.deposit)
            self.auctions.advance(sale.id)

    def auction(self, sale: Sale) -> Outcome:
        """The enclave opens the bids and decides; its result goes on the ledger."""
        with self.meter.during(AUCTION):
            order = self.auctions.prove_ready(sale.id)
            self.meter.bill.send(AUCTION, len(encode(order)))
            with self.meter.bill.timed(AUCTION, ENCLAVE):
                sale.recorded = self.enclave.decide(order, ())
            self.meter.bill.send(AUCTION, len(encode(sale.recorded)))
            self.auctions.record(sale.recorded.result, sale.recorded.signature)
        return sale.recorded.result.outcome

    def commit(self, sale: Sale, outcome: Outcome) -> None:
        """A chain for each winner; one transaction for all of them."""
        with self.meter.during(COMMIT):
            with self.meter.bill.timed(COMMIT, DRONE):
                for seat in outcome.winners:
                    prices = [award.payment for award in outcome.of(seat)]
                    sale.chains[seat] = make_chain(sale.id, seat, os.urandom(32), prices)
                chains = tuple(meta(seat, chain) for seat, chain in sale.chains.items())
                commit = Commit(sale.id, self.person.account, chains, sale.opening.notice.timers.claim)
            self.auctions.commit(commit)

    def until_commit(self, market: Market, vehicles: list[Vehicle]) -> Sale:
        """All phases up to the exchange."""
        sale = self.init(market, vehicles)
        self.deposit(sale)
        self.commit(sale, self.auction(sale))
        return sale


def money_for(market: Market) -> int:
    """What a drone needs for one such auction."""
    return drone_deposit(market.tasks, market.terms)
