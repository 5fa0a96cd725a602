"""An honest payee in a simulated world, and its watchtower."""

from dataclasses import dataclass, field

from tests.machine.common import Answer, Home, Message, Offer, tried
from tests.machine.payer import WINDOW
from tests.support.escrow_world import Goods
from tests.support.memory_identity import Identity
from tests.support.memory_world import MARGIN
from zoneshare_protocols.codec import decode
from zoneshare_protocols.errors import RuleBroken
from zoneshare_protocols.sharing.channel import initial_state
from zoneshare_protocols.sharing.keys import sign
from zoneshare_protocols.sharing.payee import PayeeSide
from zoneshare_protocols.sharing.payment import PAYMENT
from zoneshare_protocols.sharing.records import (
    ChannelTerms,
    Evidence,
    Payment,
    Phase,
    SignedState,
)


@dataclass
class PayeeJournal:
    """What survives a crash."""

    goods: dict[bytes, Goods] = field(default_factory=dict)
    taken: list[SignedState] = field(default_factory=list)
    final: SignedState | None = None
    closing: bool = False


@dataclass(frozen=True)
class Watchtower:
    """Holds the newest state and its keys for a payee that sleeps."""

    who: Identity
    home: Home
    id: str
    best: SignedState | None
    evidence: Evidence

    def look(self, now: int) -> None:
        """Answer an older state that was posted, or one without its keys; move a finished one on."""
        channel = self.home.channel(self.id)
        if channel is None or channel.posted is None:
            return
        posted, shown = channel.posted.state, len(channel.revealed)
        if self.best is not None and channel.phase in (Phase.CLOSING, Phase.CHALLENGE):
            mine = self.best.state
            missing = mine == posted and shown < len(self.evidence.keys)
            if mine.version > posted.version or missing:
                tried(self.home.far, self.who, "escrow:challenge", self.best, self.evidence)
                return
        if channel.phase is Phase.CLOSING:
            tried(self.home.far, self.who, "escrow:begin_challenge", self.id)
        elif channel.phase is Phase.CHALLENGE and now >= channel.challenge_from + channel.terms.challenge + MARGIN:
            tried(self.home.far, self.who, "escrow:settle", self.id)


class Payee:
    """B."""

    def __init__(self, who: Identity, tower: Identity, terms: ChannelTerms, home: Home) -> None:
        self.who, self.tower_identity, self.terms, self.home = who, tower, terms, home
        self.id = terms.channel
        self.journal = PayeeJournal()
        self.released: dict[bytes, int] = {}
        """Keys that have left B: for the reckoning only."""
        self.asleep: Watchtower | None = None
        self.restart()

    def restart(self) -> None:
        """After a crash: everything from the journal."""
        taken = self.journal.taken + ([self.journal.final] if self.journal.final else [])
        self.side = PayeeSide(self.terms, self.who.signing, initial_state(self.terms), WINDOW, taken=taken)
        for trade, goods in self.journal.goods.items():
            request = goods.commitment.request
            self.side.serve(trade, request.price, request.chunks)

    def refund(self) -> SignedState:
        """B's half of tx4."""
        state = initial_state(self.terms)
        return SignedState(state, None, sign(self.who.signing, state))

    def sell(self, goods: Goods) -> bool:
        """tx5."""
        self.journal.goods[goods.trade] = goods
        if not tried(self.home.far, self.who, "escrow:commit", goods.commitment):
            del self.journal.goods[goods.trade]
            return False
        self.side.serve(goods.trade, goods.commitment.request.price, goods.commitment.request.chunks)
        return True

    def offer(self, trade: bytes) -> Message:
        goods = self.journal.goods[trade]
        return Message("payer", Offer(goods.commitment, goods.leaves, goods.secret))

    def on_update(self, signed: SignedState, now: int) -> Message | None:
        """Write down, then release. Nothing once the channel is being closed: a key then might come too late."""
        channel = self.home.channel(self.id)
        if self.asleep or channel is None or channel.phase is not Phase.OPEN:
            return None
        known = self.side.state.version
        try:
            release = self.side.on_update(signed, now + MARGIN)
        except RuleBroken:
            return None
        state = release.signed.state
        if state.version > known:
            if state.final:
                self.journal.final = release.signed
            else:
                self.journal.taken.append(release.signed)
        key = None
        if release.chunk is not None:
            key = self.journal.goods[release.trade].keys[release.chunk]
            self.released[release.trade] = max(self.released.get(release.trade, 0), release.chunk + 1)
        return Message("payer", Answer(state.version, release.signed.payee_signature or b"", key))

    @property
    def best(self) -> SignedState | None:
        return self.journal.taken[-1] if self.journal.taken else None

    def evidence(self) -> Evidence:
        """The keys the newest state does not acknowledge."""
        if self.best is None:
            return Evidence(())
        payment = decode(Payment, self.best.state.app_state)
        return self.journal.goods[payment.trade].evidence(*range(payment.acked, payment.count))

    def tower(self) -> Watchtower:
        return Watchtower(self.tower_identity, self.home, self.id, self.best, self.evidence())

    def look(self, now: int) -> None:
        """Once within every challenge window, by itself or by its watchtower."""
        if self.asleep is not None:
            self.asleep.look(now)
            return
        channel = self.home.channel(self.id)
        if channel is None or channel.phase is Phase.SETTLED:
            return
        if self.journal.final is not None:
            tried(self.home.far, self.who, "escrow:settle_final", self.journal.final)
            return
        best = self.best
        if channel.phase is Phase.OPEN and self.journal.closing and best is not None and now >= best.state.lock:
            tried(self.home.far, self.who, "escrow:close", best, self.evidence())
        self.tower().look(now)

    def owed(self) -> int:
        """The price of all keys that have left B."""
        goods = self.journal.goods
        return sum(goods[trade].commitment.request.price * count for trade, count in self.released.items())

    def claim(self) -> int:
        """What the newest state pays with all its keys."""
        if self.journal.final is not None:
            return PAYMENT.outcome(self.journal.final.state.app_state, (), (), self.terms.deposit)
        if self.best is None:
            return 0
        return PAYMENT.outcome(self.best.state.app_state, self.evidence().keys, (), self.terms.deposit)
