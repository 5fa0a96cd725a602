"""B's side of one channel in memory, as its journal and the ledger have it."""

import asyncio

from zoneshare.trade.entries import LEAVES, SELLER_TRADE, STATE, SellerChannel, SellerTrade
from zoneshare.trade.journal import Entry, Journal
from zoneshare.trade.messages import Key, Resumed
from zoneshare.trade.party import Party
from zoneshare.trade.settler import Holding
from zoneshare.trade.wares import Wares
from zoneshare_protocols.codec import decode, digest
from zoneshare_protocols.errors import BadAmount, LimitExceeded, Misuse, NotFound, RuleBroken, ZoneshareError
from zoneshare_protocols.sharing.channel import initial_state, updates_left
from zoneshare_protocols.sharing.keys import check_signature, sign
from zoneshare_protocols.sharing.payee import PayeeSide, Release
from zoneshare_protocols.sharing.payment import spent
from zoneshare_protocols.sharing.records import ChunkLeaf, Payment, Request, SignedState


class LiveChannel:
    """One open channel. ``lock`` is held over whatever changes it."""

    def __init__(self, entry: SellerChannel, party: Party, journal: Journal, window: int) -> None:
        self.entry, self.terms, self.id = entry, entry.terms, entry.terms.channel
        self.lock = asyncio.Lock()
        self._journal = journal
        first = initial_state(entry.terms)
        refund = SignedState(first, entry.refund, sign(party.keys.signing, first))
        self.newest = journal.get(STATE, self.id, SignedState) or refund
        self.side = PayeeSide(entry.terms, party.keys.signing, self.newest.state, window)
        self._wares: dict[bytes, Wares] = {}
        for _, made in sorted(journal.scan(SELLER_TRADE, SellerTrade, f"{self.id}/"), key=lambda row: row[1].number):
            trade = digest(made.commitment)
            leaves = journal.get(LEAVES, trade.hex(), tuple[ChunkLeaf, ...])
            if leaves is None:
                raise NotFound("the journal has a trade without its leaves", trade=trade.hex())
            self._wares[trade] = Wares(made, leaves)

    @property
    def trades(self) -> tuple[Wares, ...]:
        """In the order in which they were made."""
        return tuple(self._wares.values())

    def serve(self, wares: Wares) -> None:
        """The trade is on the ledger: payments for it are taken."""
        request = wares.made.commitment.request
        self.side.serve(wares.trade, request.price, request.chunks)

    def made_for(self, request: Request) -> Wares | None:
        """The trade already made for this very request."""
        return next((wares for wares in self.trades if wares.made.commitment.request == request), None)

    def check_request(self, request: Request, signature: bytes, earliest: int) -> None:
        """Whether a new trade may begin. Raises RuleBroken while another is under way, BadAmount when the deposit
        does not suffice, LimitExceeded when the locks do not, BadSignature."""
        if request.channel != self.id:
            raise RuleBroken("a request for another channel", channel=request.channel, expected=self.id)
        check_signature(self.terms.payer_key, request, signature, "payer")
        payment = self.side.payment
        if self.side.state.final:
            raise RuleBroken("the channel's final state is signed", version=self.side.state.version)
        last = self.trades[-1] if self.trades else None
        if last is not None and not (
            payment.trade == last.trade and payment.acked == last.made.commitment.request.chunks
        ):
            raise RuleBroken("another trade is under way in this channel", trade=last.trade.hex())
        total = spent(payment) + request.price * request.chunks
        if total > self.terms.deposit:
            raise BadAmount("the channel's deposit does not suffice", value=total, limit=self.terms.deposit)
        room = updates_left(self.terms, self.side.state.version, earliest)
        if room < request.chunks + 1:
            raise LimitExceeded("the channel's locks do not suffice", value=request.chunks + 1, limit=room)

    def add(self, wares: Wares) -> list[Entry]:
        """A new trade, and what goes into the journal for it."""
        self._wares[wares.trade] = wares
        return [
            Entry.of(SELLER_TRADE, f"{self.id}/{wares.trade.hex()}", wares.made),
            Entry.of(LEAVES, wares.trade.hex(), wares.leaves),
        ]

    def leavings(self) -> list[Entry]:
        """What deletes from the journal what a settled channel needs no more: its trades, their secrets and leaves."""
        trades = self._journal.deletions(SELLER_TRADE, f"{self.id}/")
        return [*trades, *(Entry(LEAVES, trade.hex(), None) for trade in self._wares)]

    async def take(self, states: list[SignedState], earliest: int) -> tuple[list[Key], ZoneshareError | None]:
        """T_i after T_i: written down under one fsync, then answered. With the first refusal, what came before counts.

        Raises JournalFailed: then nothing may be answered, and this object is behind its journal no more to be used.
        """
        releases: list[Release] = []
        refused: ZoneshareError | None = None
        for signed in states:
            try:
                releases.append(self.side.on_update(signed, earliest))
            except ZoneshareError as error:
                refused = error
                break
        if releases:
            newest = max((release.signed for release in releases), key=lambda signed: signed.state.version)
            if newest.state.version > self.newest.state.version:
                await self._journal.commit([Entry.of(STATE, self.id, newest)])
                self.newest = newest
        return [self._key(release) for release in releases], refused

    def resumed(self) -> Resumed:
        """What A gets to go on from."""
        payment = decode(Payment, self.newest.state.app_state)
        owed = range(payment.acked, payment.count)
        sealed = tuple(self._of(payment.trade).sealed_key(index) for index in owed)
        return Resumed(self.id, self.newest if self.newest.state.version else None, sealed)

    def holding(self) -> Holding:
        """What B can show the ledger."""
        payment = decode(Payment, self.newest.state.app_state)
        if self.newest.state.final:
            return Holding(self.newest)
        owed = range(payment.acked, payment.count)
        return Holding(self.newest, tuple(self._of(payment.trade).revealed(index) for index in owed))

    def _key(self, release: Release) -> Key:
        signed = release.signed
        if signed.payee_signature is None:
            raise Misuse("a release without a signature")
        sealed = b"" if release.chunk is None else self._of(release.trade).sealed_key(release.chunk)
        return Key(signed.state.version, signed.payee_signature, sealed)

    def _of(self, trade: bytes) -> Wares:
        return self._wares[trade]
