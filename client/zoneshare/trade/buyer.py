"""A, the buyer: opens a channel, buys files over it one after another, and sees the channel to its end."""

import asyncio
import contextlib
import logging
import secrets
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from zoneshare.stores import Store
from zoneshare.trade.buyer_book import BuyerBook
from zoneshare.trade.dialogue import Dialogue, Waiting
from zoneshare.trade.ending import BuyerEnding
from zoneshare.trade.entries import BUYER_CHANNEL, BUYER_TRADE, SENT, BuyerChannel, BuyerTrade, sent_key
from zoneshare.trade.journal import Entry, Journal
from zoneshare.trade.messages import Offer
from zoneshare.trade.moment import Clock, answered, ensure, persist
from zoneshare.trade.opening import Plan, check_opening, fund, locked, reclaim
from zoneshare.trade.partial import check_target
from zoneshare.trade.party import Party
from zoneshare.trade.paying import Garbage, Owed, Payments, Progress
from zoneshare.trade.wire import Connection, connect
from zoneshare_protocols.codec import decode, digest
from zoneshare_protocols.errors import (
    BadAmount,
    LimitExceeded,
    NotAllowed,
    NotFound,
    RuleBroken,
    ZoneshareError,
)
from zoneshare_protocols.sharing.channel import updates_left
from zoneshare_protocols.sharing.envelope import Opener
from zoneshare_protocols.sharing.keys import sign
from zoneshare_protocols.sharing.payer import PayerSide
from zoneshare_protocols.sharing.payment import spent
from zoneshare_protocols.sharing.records import Channel, ChannelTerms, Payment, Phase, Request, SignedState

log = logging.getLogger(__name__)

DEFAULT_WINDOW = 16
"""Chunks signed for and not yet here; the seller may allow fewer."""


@dataclass(frozen=True)
class Order:
    """What to buy, where, and for how much at most."""

    data: bytes
    """D."""
    host: str
    port: int
    path: Path
    """Where the file goes."""
    max_price: int
    """For one chunk."""
    deposit: int | None = None
    """For a new channel; None: the price of the file."""
    max_total: int | None = None
    """For the whole file; None: whatever its chunks come to."""


@dataclass(frozen=True)
class Receipt:
    path: Path
    channel: str
    trade: bytes
    chunks: int
    price: int
    spent: int
    """In this channel so far."""


class Buyer:
    """One device's buyer. ``journal`` is its own."""

    def __init__(
        self,
        party: Party,
        store: Store,
        journal: Journal,
        *,
        clock: Clock,
        plan: Plan = Plan(),  # noqa: B008 - a tuple
        window: int = DEFAULT_WINDOW,
    ) -> None:
        self._party, self._journal, self._clock = party, journal, clock
        self._plan, self._window = plan, window
        self._ending = BuyerEnding(party, store, journal, clock)
        self.book = BuyerBook(journal, party.keys.signing)

    async def offer(self, data: bytes, host: str, port: int) -> Offer:
        """What the seller there asks for D. Raises NotFound, PeerGone."""
        peers = await answered(self._clock, self._party.peers)
        connection = await connect(host, port, self._party.identity, peers)
        try:
            return await self._talk(connection).offer(data)
        finally:
            await connection.close()

    async def buy(
        self, order: Order, progress: Progress = lambda _, __: None, waiting: Waiting = lambda _, __: None
    ) -> Receipt:
        """Buy a file; goes on where an earlier try for the same D and path stopped.

        Raises BadAmount over ``max_price``, ``max_total`` or the deposit, Misuse for a lock or challenge window that
        does not do, or a path that cannot be written, Garbage when the seller cheated (the complaint is upheld by
        then), InsufficientFunds, and what seller, ledger and store raise. A connection that is lost is taken up again
        for a while.
        """

        async def attempt() -> Receipt:
            connection = await self._connect(order.host, order.port)
            try:
                return await self._buy(connection, order, progress, waiting)
            finally:
                await connection.close()

        pending = self._pending(order)
        if pending is not None and len(self.book.keys(pending.trade)) == pending.request.chunks and order.path.exists():
            # Killed between the file's last step and the journal's.
            await self._ending.complete(self._ending.goods(pending))
            newest = self.book.newest(self.book.channel(pending.request.channel))
            return self._receipt(pending, decode(Payment, newest.state.app_state))
        check_target(order.path)
        return await persist(self._clock, attempt)

    async def close(self, channel: str) -> Channel:
        """End a channel: together with the seller when it answers, else alone; the money left comes home."""
        entry = self.book.channel(channel)
        try:
            return await persist(self._clock, lambda: self._close_together(entry))
        except ZoneshareError as failed:
            # The seller chooses what it refuses with: whatever it is, the ledger alone suffices.
            log.info("the channel %s is not closed together: %s", channel, failed)
            return await self.close_alone(channel)

    async def close_alone(self, channel: str) -> Channel:
        """End a channel by the ledger alone. Raises NotFound when it was never funded; its money is back then."""
        entry = self.book.channel(channel)
        abroad = await persist(self._clock, lambda: self._party.zone(entry.terms.payee_zone))
        if await answered(self._clock, lambda: abroad.escrow.find(channel)) is None:
            await reclaim(entry.terms, self._party.home, abroad, self._clock)
            if not await answered(self._clock, lambda: locked(entry.terms, self._party.home)):
                await self._journal.commit([Entry.of(BUYER_CHANNEL, channel, replace(entry, closed=True))])
                raise NotFound("the channel was never funded; its money is back", channel=channel)
            # Anyone may show zone B the money: it was funded after all, in the last moment.
            await answered(self._clock, lambda: abroad.opened(channel))
        return await self._ending.alone(entry, abroad)

    def _talk(self, connection: Connection) -> Dialogue:
        return Dialogue(connection, self._party, self._journal, self._clock)

    def _pending(self, order: Order) -> BuyerTrade | None:
        path = str(order.path.absolute())
        return next(
            (t for t in self.book.trades() if not t.done and t.request.data == order.data and t.path == path), None
        )

    async def _connect(self, host: str, port: int) -> Connection:
        peers = await asyncio.to_thread(self._party.peers)
        return await connect(host, port, self._party.identity, peers)

    async def _buy(self, connection: Connection, order: Order, progress: Progress, waiting: Waiting) -> Receipt:
        talk = self._talk(connection)
        offer = await talk.offer(order.data)
        trade = self._pending(order)
        if trade is None:
            if offer.price > order.max_price:
                raise BadAmount("the seller asks too much for a chunk", value=offer.price, limit=order.max_price)
            total = offer.price * offer.chunks
            if order.max_total is not None and total > order.max_total:
                raise BadAmount("the file costs too much", value=total, limit=order.max_total)
            entry = await self._fitting(offer)
        else:
            entry = self.book.channel(trade.request.channel)
        fresh = entry is None
        if entry is None:
            entry = await self._open(talk, offer, order)
        abroad = await self._party.zone(entry.terms.payee_zone)
        sealed: tuple[bytes, ...] = ()
        newest = self.book.newest(entry)
        if not fresh:
            newest, sealed = await talk.resume(self.book, entry)
        if trade is None:
            trade = await self._request(entry, offer, order)
        if not trade.trade:
            trade = await talk.commit(trade, abroad, offer.bond, waiting)
        side = self.book.side(entry, min(self._window, offer.window), newest)
        here = decode(Payment, newest.state.app_state)
        owed = Owed(sealed if here.trade == trade.trade else (), here.acked)
        return await self._pay(connection, side, trade, owed, progress)

    async def _pay(
        self, connection: Connection, side: PayerSide, trade: BuyerTrade, owed: Owed, progress: Progress
    ) -> Receipt:
        abroad = await self._party.zone(self.book.channel(trade.request.channel).terms.payee_zone)
        goods = self._ending.goods(trade)
        payments = Payments(
            connection,
            side=side,
            goods=goods,
            opener=Opener(self._party.keys.envelope, trade.trade, trade.enc),
            clock=self._clock,
            margin=abroad.margin,
            progress=progress,
        )
        try:
            await asyncio.to_thread(goods.recover)
            await payments.run(owed)
            await self._ending.complete(goods)
        except Garbage as garbage:
            index = garbage.values.get("index")
            # NotFound: the seller only calls it so. LimitExceeded: it used the complaints up; this one is heard once it
            # shows the key to be paid for it.
            with contextlib.suppress(LimitExceeded, NotFound):
                await self._ending.complain(goods, index if isinstance(index, int) else 0, abroad)
            raise
        finally:
            goods.partial.close()
        return self._receipt(trade, side.payment)

    def _receipt(self, trade: BuyerTrade, payment: Payment) -> Receipt:
        request = trade.request
        return Receipt(Path(trade.path), request.channel, trade.trade, request.chunks, request.price, spent(payment))

    async def _request(self, entry: BuyerChannel, offer: Offer, order: Order) -> BuyerTrade:
        keys = self._party.keys
        request = Request(
            entry.terms.channel, offer.data, keys.envelope_key, offer.price, offer.chunks, secrets.token_bytes(16)
        )
        trade = BuyerTrade(
            request=request,
            signature=sign(keys.signing, request),
            path=str(order.path.absolute()),
            chunk_size=offer.chunk_size,
            size=offer.size,
            trade=b"",
            secret=None,
            enc=b"",
            done=False,
        )
        await self._journal.commit([Entry.of(BUYER_TRADE, digest(request).hex(), trade)])
        return trade

    async def _fitting(self, offer: Offer) -> BuyerChannel | None:
        """An open channel with this seller in which the file can be paid for."""
        for entry in self.book.channels():
            terms, channel = entry.terms, entry.terms.channel
            if entry.closed or (terms.payee, terms.payee_zone) != (offer.account, offer.zone):
                continue
            state = [self.book.newest(entry), *self.book.sent(channel, 0)][-1].state
            payment = decode(Payment, state.app_state)
            abroad = await self._party.zone(terms.payee_zone)
            room = updates_left(terms, state.version, self._clock.now_ms() + abroad.margin)
            if (
                state.final
                or spent(payment) + offer.price * offer.chunks > terms.deposit
                or room < offer.chunks + 2
                or any(not trade.done for trade in self.book.trades(channel))
            ):
                continue
            present = await fund(terms, entry.refund, self._party.home, abroad, self._clock)
            if present.phase is Phase.OPEN:
                return entry
        return None

    async def _open(self, talk: Dialogue, offer: Offer, order: Order) -> BuyerChannel:
        abroad = await self._party.zone(offer.zone)
        account = await asyncio.to_thread(abroad.accounts.account, offer.account)
        if account.signing_key != offer.key:
            raise NotAllowed("the seller's key is not the one its zone knows", account=offer.account)
        terms = self._terms(offer, order)
        check_opening(offer, terms, self._clock.now_ms(), abroad.margin)
        refund = await talk.open(terms)
        entry = BuyerChannel(terms, f"{order.host}:{order.port}", refund, False)
        await self._journal.commit([Entry.of(BUYER_CHANNEL, terms.channel, entry)])
        try:
            await fund(terms, refund, self._party.home, abroad, self._clock)
        except RuleBroken:
            if not await asyncio.to_thread(locked, terms, self._party.home):
                await self._journal.commit([Entry(BUYER_CHANNEL, terms.channel, None)])
            raise
        await talk.opened(terms)
        return entry

    def _terms(self, offer: Offer, order: Order) -> ChannelTerms:
        now = self._clock.now_ms()
        plan = self._plan
        return ChannelTerms(
            payer_zone=self._party.home.name,
            payer=self._party.account,
            payer_key=self._party.keys.signing_key,
            payee_zone=offer.zone,
            payee=offer.account,
            payee_key=offer.key,
            deposit=order.deposit or offer.price * offer.chunks,
            fund_before=now + plan.funding,
            refund_from=now + plan.lifetime,
            tick=plan.tick,
            challenge=plan.challenge,
            nonce=secrets.token_bytes(16),
        )

    async def _close_together(self, entry: BuyerChannel) -> Channel:
        host, _, port = entry.seller.rpartition(":")
        terms = entry.terms
        connection = await self._connect(host, int(port))
        try:
            talk = self._talk(connection)
            newest, _ = await talk.resume(self.book, entry)
            final = newest
            if not newest.state.final:
                final = await self._finish(talk, entry, newest)
        finally:
            await connection.close()
        abroad = await self._party.zone(terms.payee_zone)

        def settled() -> Channel | None:
            channel = abroad.escrow.channel(terms.channel)
            return channel if channel.phase is Phase.SETTLED else None

        channel = await ensure(self._clock, settled, lambda: abroad.escrow.settle_final(final))
        await self._ending.home(entry, channel, abroad)
        return channel

    async def _finish(self, talk: Dialogue, entry: BuyerChannel, newest: SignedState) -> SignedState:
        side = self.book.side(entry, self._window, newest)
        unanswered = side.unanswered
        if not (unanswered and unanswered[-1].state.final):
            final = side.sign_final()
            channel, version = final.state.channel, final.state.version
            await self._journal.commit([Entry.of(SENT, sent_key(channel, version), final)])
            unanswered = (final,)
        return await talk.finish(entry.terms, unanswered[-1])
