"""The vehicle: it looks for auctions of a drone, checks the enclave, seals a bid, pays in, and sees it through.

What it signs is in its journal before it is sent; killed, it goes on where the ledger is.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from msgspec.structs import replace

from zoneshare.identity import Identity
from zoneshare.seal.bonds import take_bonds
from zoneshare.seal.drone_client import DroneClient
from zoneshare.seal.drone_messages import Announced
from zoneshare.seal.enclave_client import EnclaveClient
from zoneshare.seal.entries import BID, Offer
from zoneshare.seal.party import AGAIN_MS, Party, Role, counted, found
from zoneshare.seal.prover import Prover
from zoneshare.seal.sealing import seal_bid
from zoneshare.seal.winning import Winning
from zoneshare.trade.journal import Entry, Journal
from zoneshare.trade.moment import Clock
from zoneshare.trade.peers import PeerBook, renewed
from zoneshare_protocols.codec import digest
from zoneshare_protocols.errors import NotAllowed, RuleBroken, ZoneshareError
from zoneshare_protocols.seal.attestation import check_opening
from zoneshare_protocols.seal.bids import Agreement, SealedBid, seats
from zoneshare_protocols.seal.deposits import bidder_deposit
from zoneshare_protocols.seal.ledger import Auction, BidderRecord, Opening, Word
from zoneshare_protocols.seal.phases import Phase
from zoneshare_protocols.seal.records import Bid, Task
from zoneshare_protocols.seal.synthetic import MEGA, Parameters, Span, draw_bid

log = logging.getLogger(__name__)

PATIENCE_MS = 3_000
"""What the drone, or anybody, should have done is left to them so long."""


class Enclave(Protocol):
    """As :class:`.enclave_client.EnclaveClient` has it."""

    async def deliver(self, bid: SealedBid, opening: Opening) -> bytes: ...


@dataclass(frozen=True)
class Policy:
    """What a vehicle bids: the truth, which is its best. ``batch``: its tasks under one proof, at most."""

    free: int = 4_000 * MEGA
    """F_i, cycles/s."""
    resource: Span = (1_000 * MEGA, 4_000 * MEGA)
    """f_ij, drawn for each task."""
    unit_cost: int = 100
    """a_i, money for 1e9 cycles/s."""
    fixed_cost: int = 30
    batch: int = 32

    def bid(self, rng: np.random.Generator, tasks: tuple[Task, ...], max_tasks: int) -> Bid | None:
        """A bundle that fits, at cost. None where no task does."""
        unit, fixed, free = ((one, one) for one in (self.unit_cost, self.fixed_cost, self.free))
        drawn = draw_bid(
            rng, tasks, max_tasks, Parameters(resource=self.resource, free=free, unit_cost=unit, fixed_cost=fixed)
        )
        return None if drawn is None else drawn[0]


class Bidder(Role):
    """One device's bids. ``journal`` is its own; ``prover`` has a key for every circuit."""

    side: type[Winning] = Winning

    def __init__(
        self,
        party: Party,
        prover: Prover,
        journal: Journal,
        *,
        clock: Clock,
        policy: Policy = Policy(),
        rng: np.random.Generator | None = None,
        told: Callable[[str], None] = lambda _: None,
        enclave: Callable[[str, int, Identity, PeerBook], Enclave] = EnclaveClient,
    ) -> None:
        super().__init__(party, clock, told)
        self._prover, self._journal, self._policy = prover, journal, policy
        self._rng = rng or np.random.default_rng()
        self._enclave = enclave
        self._driven: dict[bytes, asyncio.Task[None]] = {}
        self._winning: dict[bytes, Winning] = {}
        self._seen: dict[bytes, int] = {}
        self._peers: PeerBook | None = None
        self._open = AsyncExitStack()

    async def start(self) -> None:
        """Take up all auctions of the journal that are not over."""
        self._alarms.start()
        self._peers = await self._open.enter_async_context(renewed(self._party.renew, self._clock))
        await self._prover.load()
        for _, offer in self._journal.scan(BID, Offer):
            if not offer.closed:
                self._drive(offer.sealed.auction)

    async def stop(self) -> None:
        """Nothing is lost: a new start goes on from the journal."""
        self._alarms.close()
        for task in self._driven.values():
            task.cancel()
        await asyncio.gather(*self._driven.values(), return_exceptions=True)
        await self._open.aclose()

    async def settled(self) -> None:
        """Until no auction is under way."""
        await asyncio.gather(*self._driven.values())

    async def look(self, drone: tuple[str, int]) -> None:
        """Bid in the auctions of a drone, one after another, as long as it is in reach. Runs until cancelled."""
        after = b""
        while True:
            try:
                account, announced = await self._drone(drone).look(after)
                if announced is not None:
                    after = announced.auction
                    await self.bid(drone, account, announced)
            except ZoneshareError as failed:
                self.say_once(f"{after.hex()}/{failed.message}", f"no bid: {failed}; trying again")
                await self._clock.wait(AGAIN_MS)

    async def bid(self, drone: tuple[str, int], account: str, announced: Announced) -> None:
        """Check an auction, and bid in it unless that is done; it is seen to its end then.

        Raises what :func:`check_opening` does of its enclave, NotAllowed for another drone's auction.
        """
        id = announced.auction
        if self._journal.get(BID, id.hex(), Offer) is None:
            opening = await self.ask(lambda: self._party.auctions.opening(id))
            zone = await self.ask(self._party.auctions.zone)
            if opening.notice.drone != account:
                raise NotAllowed("a drone announces another's auction", drone=opening.notice.drone, caller=account)
            check_opening(opening, zone, self._clock.now_ms())
            notice = opening.notice
            balance = await self.ask(lambda: self._party.accounts.balance(self._party.account))
            needed = bidder_deposit(notice.tasks, notice.terms)
            made = self._policy.bid(self._rng, notice.tasks, notice.terms.max_tasks)
            if made is None or balance < needed:
                why = "no task fits" if made is None else f"the deposit is {needed}, the balance {balance}"
                self._told(f"auction {id.hex()[:12]}: no bid, {why}")
                return
            sealed = seal_bid(made, notice, opening.quote.quote, self._party.account)
            offer = Offer(sealed, drone, (announced.host, announced.port))
            await self._journal.commit([Entry.of(BID, id.hex(), offer)])
            simulated = ", whose enclave is SIMULATED" if opening.quote.quote.simulated else ""
            self._told(f"auction {id.hex()[:12]}{simulated}: sealed bid for {counted(len(made.items), 'task')}")
        self._drive(id)

    def _drive(self, id: bytes) -> None:
        if id not in self._driven:
            self._driven[id] = asyncio.create_task(self._see_through(id))

    async def _see_through(self, id: bytes) -> None:
        try:
            closed = await self.drive(id)
            await take_bonds(self, self._party, self._clock, closed)
            offer = self._offer(id)
            await self._journal.commit([Entry.of(BID, id.hex(), replace(offer, closed=True))])
        except ZoneshareError:
            log.exception("the auction %s is not looked after any more", id.hex())
        finally:
            self._driven.pop(id, None)

    # What the ledger shows.

    async def step(self, present: Auction) -> int | None:
        timers, until = present.timers, None
        match present.phase:
            case Phase.INIT:
                await self._bid_once(present)
                until = await self.pass_timer(present, timers.init, PATIENCE_MS)
            case Phase.DEPOSIT:
                if self._clock.now_ms() > timers.deposit or await self._pay_in(present):
                    until = await self.pass_timer(present, timers.deposit, PATIENCE_MS)
            case Phase.AUCTION:
                until = await self.pass_timer(present, timers.auction, PATIENCE_MS)
            case Phase.COMMIT | Phase.EXCHANGE | Phase.CLAIM:
                until = await self._after_result(present)
            case Phase.REFUND | Phase.CANCELLED:
                until = self._seen.setdefault(present.id, self._clock.now_ms()) + PATIENCE_MS
                if self._clock.now_ms() >= until:
                    until = await self.refund(present)
        return until

    async def _bid_once(self, present: Auction) -> None:
        """The hash on the ledger, the sealed bid at the enclave."""
        offer, auctions = self._offer(present.id), self._party.auctions
        if self._clock.now_ms() > present.timers.init:
            return
        await self.once(self._record(present.id), lambda: auctions.bid(present.id, offer.sealed.hash))
        if offer.receipt:
            return
        opening = await self.ask(lambda: auctions.opening(present.id))
        enclave = self._enclave(*offer.enclave, self._party.identity, self._known_peers)
        try:
            receipt = await enclave.deliver(offer.sealed, opening)
        except ZoneshareError as failed:
            # Without a receipt the sealed bid goes on the ledger.
            self.say_once(f"{present.id.hex()}/receipt", f"auction {present.id.hex()[:12]}: no receipt yet: {failed}")
            return
        await self._journal.commit([Entry.of(BID, present.id.hex(), replace(offer, receipt=receipt))])

    async def _pay_in(self, present: Auction) -> bool:
        """Deposit and agreement; False for who has not bid in time."""
        auctions, record = self._party.auctions, self._record(present.id)
        mine = await self.ask(record)
        if mine is None:
            return False
        bids = await self.ask(lambda: auctions.bids(present.id))
        opening = await self.ask(lambda: auctions.opening(present.id))
        offer = self._offer(present.id)
        if (self._party.account, offer.sealed.hash) not in bids.bids:
            raise RuleBroken("our bid is not among those on the ledger", bidder=self._party.account)

        def deposited() -> BidderRecord | None:
            now = record()
            return now if now is not None and now.deposit else None

        def said() -> BidderRecord | None:
            now = record()
            return now if now is not None and now.word is not Word.NONE else None

        agreement = Agreement(digest(opening.quote.quote), digest(bids.hashes), self._party.account)
        published = None if offer.receipt else offer.sealed
        # The word first: who has paid and said nothing when deposits close is charged.
        await self.once(said, lambda: auctions.agree(present.id, agreement, receipt=offer.receipt, sealed=published))
        await self.once(deposited, lambda: auctions.deposit(present.id))
        return True

    async def _after_result(self, present: Auction) -> int | None:
        seat = await self._seat(present)
        if seat is None:
            await self._withdraw(present)
            return None
        if present.phase is Phase.COMMIT:
            return await self.pass_timer(present, present.timers.commit, PATIENCE_MS)
        if present.id not in self._winning:
            winner = await self.ask(lambda: self._party.auctions.winner(present.id, seat))
            opening = await self.ask(lambda: self._party.auctions.opening(present.id))
            self._winning[present.id] = self.side(
                self,
                self._party,
                self._journal,
                winner,
                notice=opening.notice,
                prover=self._prover,
                drone=self._drone(self._offer(present.id).drone),
                clock=self._clock,
                batch=self._policy.batch,
                told=self._told,
            )
        return await self._winning[present.id].step(present)

    async def _seat(self, present: Auction) -> int | None:
        """Ours among the winners."""
        auctions = self._party.auctions
        bidders = await self.ask(lambda: list(auctions.bidders(present.id)))
        places = seats({one.bidder: one.order for one in bidders if one.takes_part})
        winners = (await self.ask(lambda: auctions.result(present.id))).result.outcome.winners
        seat = places.get(self._party.account)
        return seat if seat in winners else None

    async def _withdraw(self, present: Auction) -> None:
        auctions, record = self._party.auctions, self._record(present.id)

        def out() -> BidderRecord | None:
            now = record()
            return now if now is not None and (now.withdrawn or not now.deposit) else None

        if await self.ask(record) is not None:
            await self.once(out, lambda: auctions.withdraw(present.id))

    def _record(self, id: bytes) -> Callable[[], BidderRecord | None]:
        auctions, account = self._party.auctions, self._party.account
        return lambda: found(lambda: auctions.bidder(id, account))

    def _offer(self, id: bytes) -> Offer:
        offer = self._journal.get(BID, id.hex(), Offer)
        if offer is None:
            raise RuleBroken("no bid of ours in this auction", auction=id.hex())
        return offer

    def _drone(self, address: tuple[str, int]) -> DroneClient:
        return DroneClient(*address, self._party.identity, self._known_peers)

    @property
    def _known_peers(self) -> PeerBook:
        if self._peers is None:
            raise RuleBroken("the bidder was not started")
        return self._peers
