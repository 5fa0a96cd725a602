"""The drone: it puts tasks up, pays its deposit, has its enclave decide, commits to chains, and gives paywords.

One auction at a time takes bids; those before are still seen to their end.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from msgspec.structs import replace

from zoneshare.seal.deciding import Deciding, Dwell, Enclave
from zoneshare.seal.drone_server import DroneServer
from zoneshare.seal.entries import AUCTION, Held
from zoneshare.seal.exchange import Exchange
from zoneshare.seal.outcomes import Decided, Settled, compute_rest, results_of
from zoneshare.seal.party import Party, Role, found
from zoneshare.seal.planning import Spans, plan
from zoneshare.seal.work import Work
from zoneshare.trade.journal import Entry, Journal
from zoneshare.trade.moment import Clock
from zoneshare_protocols.errors import NotFound
from zoneshare_protocols.seal.ledger import Auction
from zoneshare_protocols.seal.phases import Phase
from zoneshare_protocols.seal.records import Terms


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
        Of new auctions: ``sample``, the part of the results that is computed again; ``disputable``, wrong ones can be
        charged on the ledger, and deposits then stay until claims end.
        """
        super().__init__(party, clock, told)
        self._journal = journal
        self._deciding = Deciding(self, party, enclave, clock=clock, told=told)
        self._door = DroneServer(party, clock, enclave_at, self._load)
        self.dwell, self._spans, self._sample = dwell, spans, sample
        self._disputable = disputable
        self._exchanges: dict[bytes, Exchange] = {}
        self._loading = asyncio.Lock()
        self._driving: dict[bytes, asyncio.Task[Settled]] = {}
        self._decided: dict[bytes, asyncio.Event] = {}

    async def start(self, host: str, port: int) -> int:
        """Listen for vehicles; the port (a free one for 0). Raises Misuse when the port is in use."""
        self._alarms.start()
        return await self._door.start(host, port)

    async def stop(self) -> None:
        """Nothing is lost: a new start goes on from the journal."""
        self._alarms.close()
        for task in self._driving.values():
            task.cancel()
        await self._door.stop()
        await asyncio.gather(*self._driving.values(), return_exceptions=True)

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
        now = self._clock.now_ms()
        return await self.ask(
            lambda: plan(self._party, self._spans, work, terms, now, sample=self._sample, disputable=self._disputable)
        )

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
        await compute_rest(self._journal, held, outcome)
        return Decided(id, outcome, results_of(self._journal, held), held.work)

    async def settled(self) -> list[Settled]:
        """All auctions that were taken up, when they are closed."""
        return await asyncio.gather(*self._driving.values())

    async def _see_through(self, held: Held) -> Settled:
        id = held.notice.id
        present = await self._deciding.open(held.notice)
        if present.phase is Phase.INIT:
            self._door.announce(id)
        closed = await self.drive(id)
        await self._journal.commit([self.entry(replace(held, closed=True))])
        claims = self._party.claims
        winners = await self.ask(lambda: list(self._party.auctions.winners(id)))
        claimed = [await self.ask(partial(claims.claimed, id, one.seat)) for one in winners]
        return Settled(closed, sum(one.paid for one in claimed if one is not None))

    # What the ledger shows.

    async def step(self, present: Auction) -> int | None:
        timers, now = present.timers, self._clock.now_ms()
        if present.phase is not Phase.INIT:
            self._door.retract(present.id)
        until: int | None = None
        match present.phase:
            case Phase.INIT:
                until = await self.pass_timer(present, timers.init)
            case Phase.DEPOSIT:
                if not present.deposit and now <= timers.deposit:
                    await self._deciding.fund(present, self.dwell)
                until = await self.pass_timer(present, timers.deposit)
            case Phase.AUCTION if now <= timers.auction:
                until = await self._deciding.decide(present)
            case Phase.AUCTION:
                until = await self.pass_timer(present, timers.auction)
            case Phase.COMMIT if now <= timers.commit:
                until = await self._deciding.commit(present, self.held(present.id))
            case Phase.COMMIT:
                until = await self.pass_timer(present, timers.commit)
            case Phase.EXCHANGE | Phase.CLAIM:
                until = await self._exchange(present)
            case Phase.REFUND | Phase.CANCELLED:
                until = await self.refund(present)
            case Phase.CLOSED:
                self._decided[present.id].set()
        return until

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
                    told=self._told,
                )
            return self._exchanges[id]

    def held(self, id: bytes) -> Held:
        """An auction of the journal. Raises NotFound."""
        held = self._journal.get(AUCTION, id.hex(), Held)
        if held is None:
            raise NotFound("no such auction of ours", auction=id.hex())
        return held
