"""A drone or a vehicle on its zone's ledger, and what both do alike: ask, act once, look again after an event."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from zoneshare.accounts import Accounts, Margin
from zoneshare.identity import Identity
from zoneshare.ledger import ChaincodeEvent, Conflict, Ledger
from zoneshare.seal.claims import Claims
from zoneshare.seal.ledger import Auctions
from zoneshare.trade.alarms import Alarms
from zoneshare.trade.moment import Clock, ensure, persist
from zoneshare_protocols.codec import decode
from zoneshare_protocols.errors import NotFound, RuleBroken, ZoneshareError
from zoneshare_protocols.seal.ledger import Auction, AuctionEvent
from zoneshare_protocols.seal.phases import Phase
from zoneshare_protocols.sharing.records import Trust

R = TypeVar("R")
T = TypeVar("T")
LOOK_MS = 10_000
"""An auction is looked at so often, at least, should an event of its be missed."""
AGAIN_MS = 1_000
"""Between attempts at what was refused, or did not answer."""


@dataclass(frozen=True)
class Party:
    """Who it is, and its zone's ledger. Methods block."""

    identity: Identity
    ledger: Ledger

    @property
    def account(self) -> str:
        return self.identity.account

    @cached_property
    def accounts(self) -> Accounts:
        return Accounts(self.ledger)

    @cached_property
    def auctions(self) -> Auctions:
        return Auctions(self.ledger)

    @cached_property
    def claims(self) -> Claims:
        return Claims(self.ledger)

    @cached_property
    def _margin(self) -> Margin:
        return Margin(self.accounts)

    @property
    def margin(self) -> int:
        """In ms, as :attr:`.Margin.known` has it: who waits so long after a deadline is not surprised by late commits.
        A role that runs knows it."""
        return self._margin.known

    def renew(self) -> tuple[Trust, ...]:
        """What a role asks anew every minute: whom the zone trusts, and the margin, which is kept. Blocks."""
        self._margin.renew()
        return self.accounts.trusts()


def found(ask: Callable[[], R]) -> R | None:
    """What the ledger has, or None."""
    try:
        return ask()
    except NotFound:
        return None


def counted(number: int, what: str) -> str:
    """For a person: ``1 task``, ``2 tasks``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


class Role(ABC):
    """One auction after another is driven by what the ledger has of it, to its end; safe to start anew at any point."""

    def __init__(self, party: Party, clock: Clock, told: Callable[[str], None]) -> None:
        """``told`` gets a line for whatever a person wants to know."""
        self._party, self._clock, self._told = party, clock, told
        self._alarms = Alarms(party.ledger, _auction_of)
        self._said: set[str] = set()

    async def drive(self, id: bytes) -> Auction:
        """Until the auction is closed, or nothing of it concerns us any more."""
        with self._alarms.of(id.hex()) as changed:
            while True:
                # Cleared first: what happens from here on wakes the wait below.
                changed.clear()
                present = await self.ask(lambda: self._party.auctions.auction(id))
                try:
                    until = 0 if await self._counted(present) else await self.step(present)
                except ZoneshareError as failed:
                    self.say_once(f"{id.hex()}/{failed.message}", f"auction {id.hex()[:12]}: {failed}")
                    until = self._clock.now_ms() + AGAIN_MS
                if until is None:
                    return present
                span = min(until - self._clock.now_ms(), LOOK_MS)
                if span > 0:
                    await self._clock.wait(span, changed)

    @abstractmethod
    async def step(self, present: Auction) -> int | None:
        """Do what is to be done now; when to look again (ms), 0 for at once, or None when it is over for us."""

    async def ask(self, call: Callable[[], T]) -> T:
        """A query, asked again while the ledger does not answer."""
        return await persist(self._clock, lambda: asyncio.to_thread(call))

    async def once(self, done: Callable[[], R | None], act: Callable[[], object]) -> R:
        """Bring the ledger to where ``done`` gives something. Raises what ``act`` raises."""
        return await ensure(self._clock, done, act)

    async def pass_timer(self, present: Auction, timer: int, patience: int = 0) -> int:
        """Wait for a timer of the phase and serve it; ``patience``: for somebody else to do that first. 0 once done."""
        if present.phase not in (Phase.INIT, Phase.DEPOSIT) or self._party.account != present.drone:
            patience += self._party.margin
        if self._clock.now_ms() <= timer + patience:
            return timer + patience + 1
        auctions = self._party.auctions

        def moved() -> Auction | None:
            now = auctions.auction(present.id)
            return now if now.phase is not present.phase else None

        def serve() -> None:
            try:
                auctions.advance(present.id)
            except Conflict:
                if present.phase not in (Phase.INIT, Phase.DEPOSIT):
                    raise
                auctions.close(present.id)

        await self.once(moved, serve)
        return 0

    async def _counted(self, present: Auction) -> bool:
        """Where somebody has closed bids or deposits and nothing more: have them counted, and True."""
        bids = present.phase is Phase.DEPOSIT and present.bids is None
        if bids or (present.phase is Phase.AUCTION and present.bid_set is None):
            await self.ask(lambda: self._party.auctions.advance(present.id))
            return True
        return False

    async def refund(self, present: Auction) -> int:
        auctions = self._party.auctions

        def closed() -> Auction | None:
            now = auctions.auction(present.id)
            return now if now.phase is Phase.CLOSED else None

        def pay() -> None:
            try:
                auctions.refund(present.id)
            except Conflict:
                # Somebody's balance never rests; our own share can be had alone.
                with suppress(RuleBroken):
                    auctions.collect(present.id)
                raise

        await self.once(closed, pay)
        return 0

    async def within(self, span_ms: int, work: Awaitable[T]) -> T | None:
        """What ``work`` gives, or None when the span is over first. Raises what it raises."""
        doing = asyncio.ensure_future(work)
        waiting = asyncio.ensure_future(self._clock.wait(max(0, span_ms)))
        try:
            await asyncio.wait([doing, waiting], return_when=asyncio.FIRST_COMPLETED)
            return doing.result() if doing.done() else None
        finally:
            for each in (doing, waiting):
                each.cancel()
            await asyncio.gather(doing, waiting, return_exceptions=True)

    def wake(self, id: bytes) -> None:
        """Look at an auction again now: something happened to it that no event of the ledger tells."""
        self._alarms.ring(id.hex())

    def say_once(self, about: str, line: str) -> None:
        """A line for a person, the first time that there is one about this."""
        if about not in self._said:
            self._said.add(about)
            self._told(line)


def _auction_of(event: ChaincodeEvent) -> str:
    return decode(AuctionEvent, event.payload).auction.hex()
