"""The drone: it puts tasks up, pays its deposit, has its enclave decide, commits to chains, and gives paywords.

One auction at a time takes bids; those before are still seen to their end.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec.structs import replace

from zoneshare.seal.drone_messages import DRONE, Announced, Deliver, Fetch, Look, Nothing
from zoneshare.seal.entries import AUCTION, RESULT, Done, Held, place
from zoneshare.seal.exchange import Exchange, chain_of
from zoneshare.seal.party import Party, Role, found
from zoneshare.seal.setup import make_notice
from zoneshare.seal.work import Work
from zoneshare.trade.journal import Entry, Journal
from zoneshare.trade.moment import Clock, persist
from zoneshare.trade.wire import Connection, serve
from zoneshare_protocols.codec import digest
from zoneshare_protocols.errors import BadProof, NotFound, RuleBroken
from zoneshare_protocols.seal.attestation import check_opening
from zoneshare_protocols.seal.bids import Notice, SealedBid
from zoneshare_protocols.seal.hashchain import Commit, meta
from zoneshare_protocols.seal.ledger import Auction, Observed, Opening, Recorded
from zoneshare_protocols.seal.phases import Phase, Timers
from zoneshare_protocols.seal.records import Outcome, Terms
from zoneshare_protocols.sharing.records import EndorsedQuery

IDLE_S = 60.0
HOLD_MS = 5_000
"""So long a vehicle that looks for an auction waits for an answer."""
Dwell = Callable[[Sequence[str]], Mapping[str, int]]
"""How long each of these accounts' vehicles stays in coverage, ms, as the drone observes it; who is not in it: 0."""


class Enclave(Protocol):
    """As :class:`.enclave_client.EnclaveClient` has it."""

    async def prepare(self, notice: Notice) -> Opening: ...

    async def decide(self, order: EndorsedQuery, published: Sequence[SealedBid] = ()) -> Recorded: ...


class Spans(NamedTuple):
    """How long each phase may take, ms; ``grace`` must be longer than the zone's margin."""

    bidding: int = 5_000
    deposits: int = 5_000
    deciding: int = 15_000
    committing: int = 15_000
    grace: int = 12_000
    claiming: int = 10_000
    """After every task is decided."""


class Decided(NamedTuple):
    """What came of an auction's tasks."""

    id: bytes
    outcome: Outcome | None
    """None where it was cancelled."""
    results: tuple[Done, ...]
    work: tuple[Work, ...]
    """What was put up."""

    @property
    def failed(self) -> tuple[int, ...]:
        """Tasks that were sold, and of which there is no result."""
        there = {done.task for done in self.results}
        sold = () if self.outcome is None else self.outcome.awards
        return tuple(award.task for award in sold if award.task not in there)


class Settled(NamedTuple):
    """An auction that is closed: all money is where it belongs."""

    auction: Auction
    paid: int
    """To the winners."""


class Auctioneer(Role):
    """One device's auctions. ``journal`` is its own."""

    desk: type[Exchange] = Exchange

    def __init__(
        self,
        party: Party,
        enclave: Enclave,
        enclave_at: tuple[str, int],
        journal: Journal,
        *,
        clock: Clock,
        dwell: Dwell = lambda _: {},
        spans: Spans = Spans(),  # noqa: B008 - a tuple
        sample: float = 0.25,
        disputable: bool = True,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``enclave_at``: what bidders are told. ``dwell``: without, nobody is in coverage; a journey brings its own.
        ``sample``: the part of the results that is computed again. ``disputable``: wrong ones can be charged on the
        ledger; deposits then stay until claims end.
        """
        super().__init__(party, clock, told)
        self._enclave, self._enclave_at, self._journal = enclave, enclave_at, journal
        self.dwell, self._spans, self._sample = dwell, spans, sample
        self._disputable = disputable
        self._exchanges: dict[bytes, Exchange] = {}
        self._loading = asyncio.Lock()
        self._announced: bytes | None = None
        self._news = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()
        self._handlers: set[asyncio.Task[Any]] = set()
        self._driving: dict[bytes, asyncio.Task[Settled]] = {}
        self._decided: dict[bytes, asyncio.Event] = {}

    async def start(self, host: str, port: int) -> int:
        """Listen for vehicles; the port (a free one for 0). Raises Misuse when the port is in use."""
        self._alarms.start()
        peers = await persist(self._clock, lambda: asyncio.to_thread(self._party.peers))
        self._server = await serve(host, port, self._party.identity, peers, self._handle, language=DRONE)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Nothing is lost: a new start goes on from the journal."""
        self._alarms.close()
        if self._server is not None:
            self._server.close()
        for task in (*self._sessions, *self._driving.values()):
            task.cancel()
        await asyncio.gather(*self._sessions, *self._driving.values(), *self._handlers, return_exceptions=True)

    async def auction(self, work: Sequence[Work], terms: Terms) -> Decided:
        """One auction, until every task is decided; it goes on to its end beside (:meth:`settled`).

        The least urgent tasks are left out where the balance does not cover all. Raises InsufficientFunds where it
        covers none.
        """
        held = await self.plan(work, terms)
        await self._journal.commit([self.entry(held)])
        return await self.take_up(held)

    async def plan(self, work: Sequence[Work], terms: Terms) -> Held:
        """An auction to be: the caller puts its :meth:`entry` into the journal before anything else.

        Raises InsufficientFunds.
        """
        return await self.ask(lambda: self._plan(work, terms))

    def entry(self, held: Held) -> Entry:
        return Entry.of(AUCTION, held.notice.id.hex(), held)

    def unfinished(self) -> list[Held]:
        """Auctions of the journal that are not over."""
        return [held for _, held in self._journal.scan(AUCTION, Held) if not held.closed]

    async def take_up(self, held: Held) -> Decided:
        """An auction of the journal, from wherever it is, until every task is decided."""
        id = held.notice.id
        if id not in self._driving:
            self._decided[id] = asyncio.Event()
            self._driving[id] = asyncio.create_task(self._see_through(held))
        deciding = asyncio.create_task(self._decided[id].wait())
        await asyncio.wait([deciding, self._driving[id]], return_when=asyncio.FIRST_COMPLETED)
        deciding.cancel()
        if self._driving[id].done():
            self._driving[id].result()
        recorded = await self.ask(lambda: found(lambda: self._party.auctions.result(id)))
        outcome = None if recorded is None else recorded.result.outcome
        await self._compute_rest(held, outcome)
        return Decided(id, outcome, self._results(held), held.work)

    async def settled(self) -> list[Settled]:
        """All auctions that were taken up, when they are closed."""
        return await asyncio.gather(*self._driving.values())

    async def _see_through(self, held: Held) -> Settled:
        id = held.notice.id
        await self._open(held)
        closed = await self.drive(id)
        await self._journal.commit([self.entry(replace(held, closed=True))])
        claims = self._party.claims
        winners = await self.ask(lambda: list(self._party.auctions.winners(id)))
        claimed = [await self.ask(lambda seat=one.seat: claims.claimed(id, seat)) for one in winners]  # type: ignore[misc]
        return Settled(closed, sum(one.paid for one in claimed if one is not None))

    def _plan(self, work: Sequence[Work], terms: Terms) -> Held:
        party, spans = self._party, self._spans
        zone, balance = party.auctions.zone(), party.accounts.balance(party.account)
        now = self._clock.now_ms()
        longest = max((one.task.deadline for one in work), default=0) + terms.slack
        init, deposit = now + spans.bidding, now + spans.bidding + spans.deposits
        decided = deposit + spans.deciding
        committed = decided + spans.committing
        last = committed + longest + 2 * spans.grace + spans.claiming
        timers = Timers(init, deposit, decided, committed, last, spans.grace)
        results = X25519PrivateKey.generate()
        notice = make_notice(
            party.account,
            [one.task for one in work],
            terms,
            timers,
            measurement=zone.measurements[-1],
            nonce=os.urandom(16),
            budget=balance,
            results_key=results.public_key().public_bytes_raw(),
            jobs={one.task.id: digest(one.job) for one in work} if self._disputable else None,
        )
        given = {one.task.id: one for one in work}
        chosen = tuple(given[task.id] for task in notice.tasks)
        return Held(notice, results.private_bytes_raw(), os.urandom(32), chosen)

    async def _open(self, held: Held) -> None:
        """On the ledger, with a quote that the drone has checked too; and announced while bids are taken."""
        auctions, notice = self._party.auctions, held.notice

        def opened() -> Auction | None:
            return found(lambda: auctions.auction(notice.id))

        present = await self.ask(opened)
        if present is None:
            opening = await persist(self._clock, lambda: self._enclave.prepare(notice))
            zone = await self.ask(auctions.zone)
            check_opening(opening, zone, self._clock.now_ms())
            present = await self.once(opened, lambda: auctions.open(opening))
        if present.phase is Phase.INIT:
            self._announced = notice.id
            self._news.set()
            self._news = asyncio.Event()

    # What the ledger shows.

    async def step(self, present: Auction) -> int | None:
        timers, now = present.timers, self._clock.now_ms()
        if present.phase is not Phase.INIT and self._announced == present.id:
            self._announced = None
        until: int | None = None
        match present.phase:
            case Phase.INIT:
                until = await self.pass_timer(present, timers.init)
            case Phase.DEPOSIT:
                if not present.deposit and now <= timers.deposit:
                    await self._fund(present)
                until = await self.pass_timer(present, timers.deposit)
            case Phase.AUCTION if now <= timers.auction:
                until = await self._decide(present)
            case Phase.AUCTION:
                until = await self.pass_timer(present, timers.auction)
            case Phase.COMMIT if now <= timers.commit:
                until = await self._commit(present)
            case Phase.COMMIT:
                until = await self.pass_timer(present, timers.commit)
            case Phase.EXCHANGE | Phase.CLAIM:
                until = await self._exchange(present)
            case Phase.REFUND | Phase.CANCELLED:
                until = await self.refund(present)
            case Phase.CLOSED:
                self._decided[present.id].set()
        return until

    async def _fund(self, present: Auction) -> None:
        auctions = self._party.auctions
        bids = await self.ask(lambda: auctions.bids(present.id))
        dwell = self.dwell([bidder for bidder, _ in bids.bids])
        times = tuple(dwell.get(bidder, 0) for bidder, _ in bids.bids)
        observed = Observed(present.quote, digest(bids.hashes), times)

        def funded() -> Auction | None:
            now = auctions.auction(present.id)
            return now if now.deposit else None

        await self.once(funded, lambda: auctions.fund(present.id, observed))
        self._told(f"auction {present.id.hex()[:12]}: {len(bids.bids)} sealed bids; deposit {present.drone_deposit}")

    async def _decide(self, present: Auction) -> int:
        """The enclave runs on what the ledger orders; whoever has its result may record it."""
        auctions = self._party.auctions
        order = await self.ask(lambda: auctions.prove_ready(present.id))
        try:
            recorded = await self._enclave.decide(order)
        except BadProof:
            recorded = await self._enclave.decide(order, await self.ask(lambda: self._published(present.id)))

        def there() -> Recorded | None:
            return found(lambda: auctions.result(present.id))

        await self.once(there, lambda: auctions.record(recorded.result, recorded.signature))
        out = recorded.result.outcome
        self._told(
            f"auction {present.id.hex()[:12]}: {len(out.awards)} tasks to {len(out.winners)} vehicles for {out.paid}; "
            f"{len(out.cloud)} to the cloud, {len(out.local)} stay local, {len(out.dropped)} dropped"
        )
        return 0

    def _published(self, id: bytes) -> list[SealedBid]:
        """Sealed bids whose makers have put them on the ledger."""
        auctions = self._party.auctions
        entries = auctions.ready(id).bid_set.entries
        sealed = [found(lambda bidder=entry.bidder: auctions.sealed(id, bidder)) for entry in entries]  # type: ignore[misc]
        return [one for one in sealed if one is not None]

    async def _commit(self, present: Auction) -> int:
        auctions, held = self._party.auctions, self.held(present.id)
        outcome = (await self.ask(lambda: auctions.result(present.id))).result.outcome
        chains = tuple(
            meta(seat, chain_of(held, seat, tuple(award.payment for award in outcome.of(seat))))
            for seat in outcome.winners
        )
        commit = Commit(present.id, self._party.account, chains, present.timers.claim)

        def committed() -> Auction | None:
            now = auctions.auction(present.id)
            return now if now.phase is not Phase.COMMIT else None

        await self.once(committed, lambda: auctions.commit(commit))
        return 0

    async def _exchange(self, present: Auction) -> int:
        """Until every winner has claimed, or may not any more."""
        exchange = await self._load(present.id)
        if self._clock.now_ms() > present.timers.claim:
            return await self.pass_timer(present, present.timers.claim)
        until = await exchange.look(present)
        if until is not None:
            return until
        self._decided[present.id].set()
        if not exchange.held.notice.jobs and await exchange.all_claimed():
            return await self.refund(present)
        return present.timers.claim + 1

    async def _load(self, id: bytes) -> Exchange:
        """Raises NotFound before the commit is on the ledger."""
        async with self._loading:
            if id not in self._exchanges:
                winners = await self.ask(lambda: list(self._party.auctions.winners(id)))
                if not winners:
                    raise NotFound("no exchange yet", auction=id.hex())
                self._exchanges[id] = self.desk(
                    self,
                    self._party,
                    self._journal,
                    self.held(id),
                    winners=winners,
                    clock=self._clock,
                    sample=self._sample,
                    told=self._told,
                )
            return self._exchanges[id]

    # What is left to the drone.

    async def _compute_rest(self, held: Held, outcome: Outcome | None) -> None:
        """Tasks for the cloud, which is simulated, and those that stay here, are computed here."""
        places = (
            {}
            if outcome is None
            else {**dict.fromkeys(outcome.cloud, "cloud"), **dict.fromkeys(outcome.local, "local")}
        )
        for work in held.work:
            where = places.get(work.task.id)
            key = place(held.notice.id, work.task.id)
            if where is not None and self._journal.get(RESULT, key, Done) is None:
                result = await asyncio.to_thread(work.compute)
                await self._journal.commit([Entry.of(RESULT, key, Done(work.task.id, where, result))])

    def _results(self, held: Held) -> tuple[Done, ...]:
        done = [self._journal.get(RESULT, place(held.notice.id, work.task.id), Done) for work in held.work]
        return tuple(one for one in done if one is not None)

    def held(self, id: bytes) -> Held:
        """An auction of the journal. Raises NotFound."""
        held = self._journal.get(AUCTION, id.hex(), Held)
        if held is None:
            raise NotFound("no such auction of ours", auction=id.hex())
        return held

    # What vehicles ask.

    async def _handle(self, connection: Connection) -> None:
        session = asyncio.create_task(self._serve(connection))
        self._sessions.add(session)
        handler = asyncio.current_task()
        if handler is not None:
            self._handlers.add(handler)
            handler.add_done_callback(self._handlers.discard)
        try:
            await asyncio.wait([session])
        finally:
            session.cancel()
            self._sessions.discard(session)
        if not session.cancelled():
            session.result()

    async def _serve(self, connection: Connection) -> None:
        account = connection.peer.account
        while True:
            match await connection.receive_one(IDLE_S):
                case Look() as look:
                    await connection.send(await self._look(look.after))
                case Fetch() as fetch:
                    exchange = await self._load(fetch.auction)
                    await connection.send(exchange.input(account, fetch.number))
                case Deliver() as deliver:
                    exchange = await self._load(deliver.encrypted.context.auction)
                    await connection.send(await exchange.take(account, deliver.encrypted))
                case other:
                    raise RuleBroken(f"a drone does not take {type(other).__name__}")

    async def _look(self, after: bytes) -> Announced | Nothing:
        if self._announced in (None, after):
            await self._clock.wait(HOLD_MS, self._news)
        if self._announced in (None, after):
            return Nothing()
        return Announced(self._announced or b"", *self._enclave_at)
