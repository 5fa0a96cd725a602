"""What a buyer's journal says: its channels, its trades, and A's side of a channel built again from them."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from zoneshare.trade.entries import (
    BUYER_CHANNEL,
    BUYER_TRADE,
    KEY,
    LEAVES,
    SENT,
    STATE,
    BuyerChannel,
    BuyerTrade,
    chunk_key,
)
from zoneshare.trade.journal import Entry, Journal
from zoneshare_protocols.codec import decode, digest
from zoneshare_protocols.errors import NotFound, RuleBroken
from zoneshare_protocols.sharing.channel import check_signed, initial_state
from zoneshare_protocols.sharing.keys import sign
from zoneshare_protocols.sharing.payer import PayerSide
from zoneshare_protocols.sharing.records import ChunkLeaf, Payment, SignedState, State


class BuyerBook:
    """Reads the journal; what is written there is written where it happens."""

    def __init__(self, journal: Journal, private: Ed25519PrivateKey) -> None:
        self._journal, self._private = journal, private

    def channels(self) -> list[BuyerChannel]:
        return [channel for _, channel in self._journal.scan(BUYER_CHANNEL, BuyerChannel)]

    def channel(self, id: str) -> BuyerChannel:
        """Raises NotFound."""
        found = self._journal.get(BUYER_CHANNEL, id, BuyerChannel)
        if found is None:
            raise NotFound("this device opened no such channel", channel=id)
        return found

    def trades(self, channel: str = "") -> list[BuyerTrade]:
        """All trades, or those of a channel."""
        trades = (trade for _, trade in self._journal.scan(BUYER_TRADE, BuyerTrade))
        return [trade for trade in trades if not channel or trade.request.channel == channel]

    def trade(self, channel: str, trade: bytes) -> BuyerTrade | None:
        return next((t for t in self.trades(channel) if t.trade == trade), None)

    def leaves(self, trade: bytes) -> tuple[ChunkLeaf, ...]:
        return self._journal.get(LEAVES, trade.hex(), tuple[ChunkLeaf, ...]) or ()

    def keys(self, trade: bytes) -> dict[int, bytes]:
        """The keys of a trade that A has found right, by chunk."""
        return {int(name[-10:]): key for name, key in self._journal.scan(KEY, bytes, chunk_key(trade, 0)[:-10])}

    def leavings(self, channel: str) -> list[Entry]:
        """What deletes from the journal what a settled channel needs no more: what A signed, and the keys and leaves of
        the files that are whole."""
        entries = self._journal.deletions(SENT, f"{channel}/")
        for trade in self.trades(channel):
            if trade.done and len(self.keys(trade.trade)) == trade.request.chunks:
                entries.append(Entry(LEAVES, trade.trade.hex(), None))
                entries += self._journal.deletions(KEY, chunk_key(trade.trade, 0)[:-10])
        return entries

    def newest(self, entry: BuyerChannel) -> SignedState:
        """The newest state that both have signed: tx4 at first."""
        found = self._journal.get(STATE, entry.terms.channel, SignedState)
        if found is not None:
            return found
        first = initial_state(entry.terms)
        return SignedState(first, sign(self._private, first), entry.refund)

    def sent(self, channel: str, after: int) -> list[SignedState]:
        """What A signed since version ``after``, in order."""
        rows = (signed for _, signed in self._journal.scan(SENT, SignedState, f"{channel}/"))
        return sorted((s for s in rows if s.state.version > after), key=lambda s: s.state.version)

    def side(self, entry: BuyerChannel, window: int, newest: SignedState | None = None) -> PayerSide:
        """A's side as the journal has it, or from ``newest`` on, which B showed and :meth:`check` passed."""
        newest = newest or self.newest(entry)
        sent = self.sent(entry.terms.channel, newest.state.version)
        trade = decode(Payment, (sent[-1] if sent else newest).state.app_state).trade
        keys = self.keys(trade) if trade else {}
        acked = next(n for n in range(len(keys) + 1) if n not in keys)
        return PayerSide(entry.terms, self._private, newest.state, sent=sent, window=window, acked=acked)

    def check(self, entry: BuyerChannel, shown: SignedState | None) -> SignedState:
        """The newest state both have signed, after B showed its own. Raises RuleBroken when they cannot both be."""
        ours = self.newest(entry)
        if shown is None or shown.state.version < ours.state.version:
            if ours.state.version == 0:
                return ours
            raise RuleBroken("the seller shows an older state than it signed", present=ours.state.version)
        check_signed(entry.terms, shown)
        known: list[State] = [ours.state, *(s.state for s in self.sent(entry.terms.channel, ours.state.version))]
        if all(digest(shown.state) != digest(state) for state in known):
            raise RuleBroken("the seller shows a state that this device did not sign", version=shown.state.version)
        return shown
