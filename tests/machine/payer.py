"""An honest payer in a simulated world: its journal, what it does with messages, and what it does when it looks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.machine.common import Home, Message, Offer, tried
from tests.support.memory_identity import Identity
from tests.support.memory_world import MARGIN, prove_inbound, prove_outbound
from zoneshare_protocols.codec import decode
from zoneshare_protocols.errors import BadProof, DataCorrupt, RuleBroken
from zoneshare_protocols.sharing.chunkcipher import check_leaves, check_revealed, leaves_tree, open_chunk
from zoneshare_protocols.sharing.keys import sign
from zoneshare_protocols.sharing.payer import PayerSide
from zoneshare_protocols.sharing.records import (
    Channel,
    ChannelTerms,
    Complaint,
    Evidence,
    InboundStatus,
    Payment,
    Phase,
    RevealedKey,
    SignedState,
)

WINDOW = 3


@dataclass
class PayerJournal:
    """What survives a crash."""

    refund: SignedState | None = None
    both: SignedState | None = None
    """The newest state both have signed."""
    sent: list[SignedState] = field(default_factory=list)
    offers: dict[bytes, Offer] = field(default_factory=dict)
    right: dict[bytes, set[int]] = field(default_factory=dict)
    garbage: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    """(trade, chunk) -> the key that opens it to garbage."""
    bad_keys: bool = False
    closing: bool = False


class Payer:
    """A. ``store`` has the ciphertexts by their digests."""

    def __init__(self, who: Identity, terms: ChannelTerms, home: Home, store: Mapping[bytes, bytes]) -> None:
        self.who, self.terms, self.home, self.store = who, terms, home, store
        self.id = terms.channel
        self.journal = PayerJournal()
        self.side: PayerSide | None = None

    # Opening

    def lock(self, refund: SignedState) -> None:
        """tx3^A, once B has half-signed tx4."""
        if tried(self.home.own, self.who, "ledger:lock_outbound", self.terms):
            own = sign(self.who.signing, refund.state)
            self.journal.refund = SignedState(refund.state, own, refund.payee_signature)

    def fund(self) -> None:
        tried(self.home.far, self.who, "escrow:fund", self.terms, self.journal.refund, self.proof())

    def proof(self) -> object:
        return prove_outbound(self.home.own, f"channel.{self.id}")

    # Paying

    def restart(self) -> None:
        """After a crash: everything from the journal."""
        if self.journal.refund is None:
            return
        last = (self.journal.both or self.journal.refund).state
        sent = [s for s in self.journal.sent if s.state.version > last.version]
        newest = decode(Payment, (sent[-1].state if sent else last).app_state)
        right = self.journal.right.get(newest.trade, set())
        acked = next(i for i in range(len(right) + 1) if i not in right)
        self.side = PayerSide(self.terms, self.who.signing, last, sent=sent, window=WINDOW, acked=acked)

    def on_offer(self, offer: Offer) -> None:
        """Checks everything against the ledger before a chunk is paid for."""
        channel = self.home.channel(self.id)
        if channel is None or self.side is None or self.home.commitment(self.id, offer.trade) != offer.commitment:
            return
        try:
            check_leaves(offer.commitment, offer.leaves, offer.secret)
        except BadProof:
            return
        self.journal.offers[offer.trade] = offer
        self.journal.right.setdefault(offer.trade, set())
        self._begin(offer)

    def _begin(self, offer: Offer) -> None:
        if self.side is None or self.stopped or self.side.payment.trade == offer.trade:
            return
        try:
            self.side.begin_trade(offer.trade, offer.commitment.request.price)
        except RuleBroken:
            return

    @property
    def stopped(self) -> bool:
        return self.journal.bad_keys or self.journal.closing or bool(self.journal.garbage)

    def pay(self, trade: bytes, now: int) -> Message | None:
        """Sign for the next chunk of ``trade``, or acknowledge what is left of the one before."""
        offer = self.journal.offers.get(trade)
        if offer is None or self.side is None or self.stopped:
            return None
        payment = self.side.payment
        try:
            if payment.trade != trade:
                if payment.acked != payment.count:
                    return self._send(self.side.sign_ack(now + MARGIN))
                self._begin(offer)
            elif payment.count >= len(offer.leaves):
                return self._send(self.side.sign_ack(now + MARGIN))
            index = payment.count if payment.trade == trade else 0
            if offer.leaves[index].cid not in self.store or not self.side.can_sign:
                return None
            return self._send(self.side.sign_next(now + MARGIN))
        except RuleBroken:
            return None

    def finish(self) -> Message | None:
        """T_n, when everything is right."""
        if self.side is None or self.stopped:
            return None
        try:
            signed = self.side.sign_final()
        except RuleBroken:
            return None
        self.journal.closing = True
        return self._send(signed)

    def _send(self, signed: SignedState) -> Message:
        self.journal.sent.append(signed)
        return Message("payee", signed)

    def resend(self) -> list[Message]:
        return [] if self.side is None else [Message("payee", signed) for signed in self.side.unanswered]

    def on_release(self, version: int, signature: bytes, key: bytes | None) -> None:
        if self.side is None:
            return
        try:
            released = self.side.on_release(version, signature)
        except RuleBroken:
            return
        self.journal.both = released.signed
        if released.chunk is None:
            return
        trade = decode(Payment, released.signed.state.app_state).trade
        offer = self.journal.offers[trade]
        if key is None or not self._judge(trade, offer, released.chunk, key):
            self.journal.bad_keys = True
        elif not self.journal.bad_keys:
            self.side.acknowledge(released.chunk)

    def _judge(self, trade: bytes, offer: Offer, chunk: int, key: bytes) -> bool:
        """Whether the key opens the chunk; a key that opens it to garbage is kept for the complaint."""
        leaf = offer.leaves[chunk]
        try:
            open_chunk(leaf, offer.secret, key, self.store[leaf.cid])
        except BadProof:
            return False
        except DataCorrupt:
            self.journal.garbage[trade, chunk] = key
            return False
        self.journal.right[trade].add(chunk)
        return True

    # Looking at the ledger

    def look(self, now: int, margin: int = MARGIN) -> None:
        """Once within every challenge window: learn keys, complain, answer, settle, and take the rest home."""
        channel = self.home.channel(self.id)
        if channel is None:
            self._give_up(now, margin)
            return
        self.learn(channel)
        self._complain(channel)
        channel = self.home.channel(self.id) or channel
        best = self.journal.both or self.journal.refund
        if best is not None and best.state.final and channel.phase is not Phase.SETTLED:
            tried(self.home.far, self.who, "escrow:settle_final", best)
            return
        match channel.phase:
            case Phase.OPEN:
                if self.journal.closing and best is not None and now >= best.state.lock:
                    tried(self.home.far, self.who, "escrow:close", best, Evidence(()))
            case Phase.CLOSING:
                tried(self.home.far, self.who, "escrow:begin_challenge", self.id)
            case Phase.CHALLENGE:
                if now >= channel.challenge_from + self.terms.challenge + margin:
                    tried(self.home.far, self.who, "escrow:settle", self.id)
            case Phase.SETTLED:
                self._go_home(channel)

    def learn(self, channel: Channel) -> None:
        """Keys shown on the ledger are keys."""
        if channel.posted is None:
            return
        trade = decode(Payment, channel.posted.state.app_state).trade
        offer = self.journal.offers.get(trade)
        if offer is None:
            return
        for revealed in channel.revealed:
            check_revealed(offer.commitment, revealed)
            self._judge(trade, offer, revealed.leaf.index, revealed.key)

    def _complain(self, channel: Channel) -> None:
        for (trade, chunk), key in self.journal.garbage.items():
            if (trade, chunk) in channel.complaints or channel.phase is Phase.SETTLED:
                continue
            offer = self.journal.offers[trade]
            leaf = offer.leaves[chunk]
            revealed = RevealedKey(leaf, leaves_tree(offer.leaves).path(chunk), key)
            complaint = Complaint(self.id, trade, revealed, offer.secret, self.store[leaf.cid])
            tried(self.home.far, self.who, "escrow:complain", complaint)

    def _give_up(self, now: int, margin: int) -> None:
        """Never funded: a tombstone there, the money back here."""
        out = self.home.outbound(self.home.own, f"channel.{self.id}")
        if out is None or out.status != "locked" or now < self.terms.fund_before + margin:
            return
        tried(self.home.far, self.who, "ledger:tombstone", self.home.own.name, self.proof())
        self._show_home(InboundStatus.TOMBSTONE)

    def _go_home(self, channel: Channel) -> None:
        self._show_home(InboundStatus.RECEIVED)
        rest = f"rest.{self.id}"
        out = self.home.outbound(self.home.far, rest)
        if out is None or out.status != "locked":
            return
        tried(self.home.own, self.who, "ledger:receive", self.home.far.name, prove_outbound(self.home.far, rest))
        answer = prove_inbound(self.home.own, self.home.far.name, rest)
        tried(self.home.far, self.who, "ledger:acknowledge", rest, answer)

    def _show_home(self, status: InboundStatus) -> None:
        id = f"channel.{self.id}"
        out = self.home.outbound(self.home.own, id)
        if out is None or out.status != "locked":
            return
        function = "ledger:acknowledge" if status is InboundStatus.RECEIVED else "ledger:reclaim"
        tried(self.home.own, self.who, function, id, prove_inbound(self.home.far, self.home.own.name, id))

    # What it is owed

    def worth(self) -> int:
        """The price of the chunks whose plaintext A has."""
        offers = self.journal.offers
        return sum(offers[trade].commitment.request.price * len(chunks) for trade, chunks in self.journal.right.items())

    def forfeits(self) -> int:
        """The bonds of the trades in which A was sold garbage."""
        return sum(self.journal.offers[trade].commitment.bond for trade in {trade for trade, _ in self.journal.garbage})
