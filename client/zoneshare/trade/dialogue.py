"""A's half of the conversation with B, each question with the checks of its answer."""

import asyncio
from collections.abc import Callable

from zoneshare.trade.buyer_book import BuyerBook
from zoneshare.trade.entries import BUYER_TRADE, LEAVES, STATE, BuyerChannel, BuyerTrade
from zoneshare.trade.journal import Entry, Journal
from zoneshare.trade.messages import (
    Accept,
    Ask,
    Buy,
    Committed,
    Finish,
    Finished,
    Leaves,
    Offer,
    Open,
    Opened,
    Preparing,
    Resume,
    Resumed,
)
from zoneshare.trade.moment import Clock, answered
from zoneshare.trade.party import Party, Zone
from zoneshare.trade.wire import Connection, expect
from zoneshare_protocols.codec import decode, digest
from zoneshare_protocols.errors import BadProof, NotAllowed, RuleBroken
from zoneshare_protocols.sharing.channel import check_signed, initial_state
from zoneshare_protocols.sharing.chunkcipher import check_leaves, check_sizes
from zoneshare_protocols.sharing.envelope import Opener
from zoneshare_protocols.sharing.keys import check_signature, sign
from zoneshare_protocols.sharing.records import ChannelTerms, ChunkLeaf, Commitment, SignedState, TradeSecret

PREPARING_S = 120.0
"""How long B may be silent while it encrypts, commits and uploads: it says every few seconds how far it is."""
Waiting = Callable[[int, int], None]
"""Called while B prepares the goods with the steps done, and how many there are."""


class Dialogue:
    """Over one connection. Methods raise PeerGone, Malformed, or what B refused with."""

    def __init__(self, connection: Connection, party: Party, journal: Journal, clock: Clock) -> None:
        self._connection, self._party, self._journal, self._clock = connection, party, journal, clock

    async def offer(self, data: bytes) -> Offer:
        """What B asks for D. Raises NotAllowed when B offers in another's name."""
        await self._connection.send(Ask(data))
        offer = await self._connection.receive(Offer)
        peer = self._connection.peer
        if offer.data != data or offer.account != peer.account or offer.zone not in peer.zones:
            raise NotAllowed("the seller offers in another's name", account=peer.account, offered=offer.account)
        return offer

    async def open(self, terms: ChannelTerms) -> bytes:
        """B's half of tx4. Raises BadSignature."""
        await self._connection.send(Open(terms))
        accept = await self._connection.receive(Accept)
        check_signature(terms.payee_key, initial_state(terms), accept.payee_signature, "payee")
        return accept.payee_signature

    async def opened(self, terms: ChannelTerms) -> None:
        await self._connection.send(Opened(terms.channel, self._refund(terms)))

    async def resume(self, book: BuyerBook, entry: BuyerChannel) -> tuple[SignedState, tuple[bytes, ...]]:
        """Take a channel up again: the newest state both have signed, and the keys it does not acknowledge, sealed.

        Raises RuleBroken when B shows a state that cannot be.
        """
        await self._connection.send(Resume(entry.terms.channel, self._refund(entry.terms)))
        resumed = await self._connection.receive(Resumed)
        newest = book.check(entry, resumed.newest)
        if newest.state.version:
            await self._journal.commit([Entry.of(STATE, entry.terms.channel, newest)])
        return newest, resumed.sealed_keys

    async def commit(self, entry: BuyerTrade, abroad: Zone, bond: int, waiting: Waiting) -> BuyerTrade:
        """Send the request; the trade once B's commitment is found on the ledger, and the leaves found to be its own.

        Raises BadProof, DataCorrupt; RuleBroken for another request, or a bond below what was offered.
        """
        request = entry.request
        await self._connection.send(Buy(request, entry.signature))
        while isinstance(answer := await self._connection.receive_one(PREPARING_S), Preparing):
            waiting(answer.done, answer.steps)
        committed = expect(Committed, answer)
        leaves: list[ChunkLeaf] = []
        while len(leaves) < request.chunks:
            page = await self._connection.receive(Leaves)
            if page.trade != committed.trade or not page.leaves:
                raise BadProof("the leaves are of another trade")
            leaves += page.leaves
        commitment = await self._commitment(abroad, request.channel, committed.trade)
        if commitment.request != request or commitment.bond < bond:
            raise RuleBroken("the seller committed to something else", bond=commitment.bond, offered=bond)
        opener = Opener(self._party.keys.envelope, committed.trade, committed.enc)
        secret = decode(TradeSecret, opener.open(0, committed.sealed_secret))
        await asyncio.to_thread(check_leaves, commitment, leaves, secret)
        check_sizes(leaves, entry.size, entry.chunk_size)
        entry = BuyerTrade(
            request=request,
            signature=entry.signature,
            path=entry.path,
            chunk_size=entry.chunk_size,
            size=entry.size,
            trade=committed.trade,
            secret=secret,
            enc=committed.enc,
            done=False,
        )
        key = digest(request).hex()
        await self._journal.commit(
            [Entry.of(LEAVES, entry.trade.hex(), tuple(leaves)), Entry.of(BUYER_TRADE, key, entry)]
        )
        return entry

    async def finish(self, terms: ChannelTerms, final: SignedState) -> SignedState:
        """T_n with both signatures; B posts it before it answers."""
        await self._connection.send(Finish(final))
        finished = (await self._connection.receive(Finished)).state
        if finished.state != final.state:
            raise RuleBroken("the seller finishes with another state", version=finished.state.version)
        check_signed(terms, finished)
        await self._journal.commit([Entry.of(STATE, terms.channel, finished)])
        return finished

    async def _commitment(self, abroad: Zone, channel: str, trade: bytes) -> Commitment:
        # The peer that A asks may be a block behind the one that B asked.
        return await answered(self._clock, lambda: abroad.committed(channel, trade))

    def _refund(self, terms: ChannelTerms) -> bytes:
        return sign(self._party.keys.signing, initial_state(terms))
