"""One channel with its two parties, honest or lying, the wire between them, and what is reckoned about it."""

from dataclasses import dataclass, field

from tests.machine.common import Answer, Home, Message, Offer
from tests.machine.payee import Payee
from tests.machine.payer import Payer
from tests.support.escrow_world import Goods, make_goods, terms_of
from tests.support.memory_identity import Identity
from tests.support.memory_stub import Zone
from tests.support.memory_world import HOUR, World, balance
from zoneshare_protocols.codec import decode
from zoneshare_protocols.sharing.channel import final_state, initial_state
from zoneshare_protocols.sharing.keys import sign
from zoneshare_protocols.sharing.records import (
    Complaint,
    Evidence,
    OutboundStatus,
    Payment,
    Phase,
    RevealedKey,
    SignedState,
    State,
)

CHALLENGE = HOUR
DEPOSIT = 120
START_PAYER, START_PAYEE = 1_000, 300


@dataclass
class Deal:
    """``payer_lies`` and ``payee_lies`` say whom the machine lets misbehave; who does not lie must never lose."""

    world: World
    name: str
    own: Zone
    far: Zone
    payer_lies: bool
    payee_lies: bool
    wire: list[Message] = field(default_factory=list)
    store: dict[bytes, bytes] = field(default_factory=dict)
    goods: list[Goods] = field(default_factory=list)
    highest: int = -1
    """The highest version that was ever seen posted."""

    def __post_init__(self) -> None:
        person, now = self.world.person, self.world.net.now
        self.anna = person(f"{self.name}-payer", self.own, START_PAYER)
        self.ben = person(f"{self.name}-payee", self.far, START_PAYEE)
        changes = {"payer_zone": self.own.name, "payee_zone": self.far.name, "deposit": DEPOSIT}
        times = {
            "challenge": CHALLENGE,
            "tick": 60_000,
            "refund_from": now + 2 * HOUR,
            "nonce": self.name.encode().ljust(16),
        }
        self.terms = terms_of(self.anna, self.ben, now, **changes, **times)
        self.id = self.terms.channel
        home = Home(self.own, self.far)
        self.home = home
        self.payer = Payer(self.anna, self.terms, home, self.store)
        self.payee = Payee(self.ben, self.anna if self.payer_lies else self.ben, self.terms, home)

    # Honest steps

    def open(self) -> None:
        """Open and Accept, and tx3^A."""
        if self.payer.journal.refund is None:
            self.payer.lock(self.payee.refund())
            self.payer.restart()

    def trade(self, chunks: int, price: int, bond: int, garbage: dict[int, str]) -> None:
        """A asks, B commits, puts the ciphertexts into the store, and offers."""
        bad = garbage if self.payee_lies else {}
        name = f"{self.name}/{len(self.goods)}"
        goods = make_goods(self.terms, self.anna, chunks=chunks, price=price, bond=bond, name=name, garbage=bad)
        if self.payee.sell(goods):
            self.goods.append(goods)
            self.store |= {leaf.cid: c for leaf, c in zip(goods.leaves, goods.ciphertexts, strict=True)}
            self.wire.append(self.payee.offer(goods.trade))

    def post(self, message: Message | None) -> None:
        if message is not None:
            self.wire.append(message)

    def deliver(self, message: Message) -> None:
        """To whom it is for; once the channel is settled nobody listens, and garbage is nobody's claim any more."""
        channel = self.home.channel(self.id)
        if channel is not None and channel.phase is Phase.SETTLED:
            return
        match message:
            case Message("payer", Offer() as offer):
                self.payer.on_offer(offer)
            case Message("payer", Answer(version, signature, key)):
                self.payer.on_release(version, signature, key)
            case Message("payee", SignedState() as signed):
                self.post(self.payee.on_update(signed, self.world.net.now))

    def look(self) -> None:
        """Both who are honest, once."""
        now = self.world.net.now
        if not self.payee_lies:
            self.payee.look(now)
        if not self.payer_lies:
            self.payer.look(now)

    # What a liar has in hand

    def states(self) -> list[SignedState]:
        """Every state the lying side can show with both signatures."""
        states = [initial_state(self.terms)]
        if self.payee_lies:
            states += [signed.state for signed in self.payer.journal.sent]
        elif self.payer_lies:
            taken = [*self.payee.journal.taken, *filter(None, [self.payee.journal.final])]
            states += [signed.state for signed in taken]
        if self.payer_lies and self.payee_lies and self.goods:
            last = states[-1]
            payment = Payment(DEPOSIT * 2, self.goods[-1].trade, 10**6, 9, 1)
            states.append(final_state(last, payment) if not last.final else last)
        return [self.both(state) for state in states]

    def both(self, state: State) -> SignedState:
        return SignedState(state, sign(self.anna.signing, state), sign(self.ben.signing, state))

    def keys(self, signed: SignedState, start: int, count: int) -> Evidence:
        """Keys the lying side knows; ``start`` is where they begin beyond what is acknowledged."""
        payment = decode(Payment, signed.state.app_state)
        goods = next((g for g in self.goods if g.trade == payment.trade), None)
        if goods is None:
            return Evidence(())
        known = len(goods.leaves) if self.payee_lies else self.payee.released.get(goods.trade, 0)
        first = payment.acked + start
        return goods.evidence(*range(first, min(first + count, known)))

    def owed_keys(self, signed: SignedState) -> Evidence:
        """All the keys that a state owes, as far as the lying side knows them."""
        payment = decode(Payment, signed.state.app_state)
        return self.keys(signed, 0, payment.count - payment.acked)

    def complaint(self, which: int, chunk: int, forge: int) -> Complaint | None:
        """About any chunk of any trade, true or forged."""
        if not self.goods:
            return None
        goods = self.goods[which % len(self.goods)]
        index = chunk % len(goods.leaves)
        other = (index + 1) % len(goods.leaves)
        revealed: RevealedKey = goods.reveal(index)
        match forge % 4:
            case 1:
                return goods.complaint(index, ciphertext=goods.ciphertexts[other] + b"x")
            case 2:
                return goods.complaint(
                    index, revealed=goods.reveal(index, key=goods.keys[other] if other else bytes(32))
                )
            case 3:
                return goods.complaint(index, revealed=RevealedKey(revealed.leaf, (), revealed.key))
        return goods.complaint(index)

    # The reckoning

    def check(self) -> None:
        """Whoever is honest is not worse off than owed: now, or as soon as it acts within its window."""
        channel = self.home.channel(self.id)
        if channel is not None and channel.posted is not None:
            assert channel.posted.state.version >= self.highest, "an older state has won"
            self.highest = channel.posted.state.version
        if not self.payee_lies:
            owed = self.payee.owed()
            if channel is None:
                assert owed == 0, "keys left B before the channel was funded"
            elif channel.phase is Phase.SETTLED:
                assert not channel.complaints, "a complaint was upheld against an honest seller"
                assert channel.paid >= owed + channel.bond, (channel.paid, owed, channel.bond)
            else:
                assert self.payee.claim() >= owed, (self.payee.claim(), owed)
                best = self.payee.best
                if channel.posted is not None:
                    newest = best.state.version if best else 0
                    assert channel.posted.state.version <= newest, "a state was posted that B does not have"
        if not self.payer_lies and channel is not None and channel.phase is Phase.SETTLED:
            self.payer.learn(channel)
            cost = self.terms.deposit - channel.returned
            assert cost <= self.payer.worth() - self.payer.forfeits(), (cost, self.payer.worth())

    def check_end(self) -> None:
        """Once the honest are done: nothing is stuck, and the balances say the same."""
        channel = self.home.channel(self.id)
        out = self.home.outbound(self.own, f"channel.{self.id}")
        if not self.payer_lies:
            assert out is None or out.status is not OutboundStatus.LOCKED, "A's money is stuck"
            assert channel is None or channel.phase is Phase.SETTLED
            owed = START_PAYER - self.payer.worth() + self.payer.forfeits()
            assert balance(self.own, self.anna) >= owed, (balance(self.own, self.anna), owed)
        if not self.payee_lies:
            started = self.payee.journal.taken or self.payee.journal.final
            assert channel is None or channel.phase is Phase.SETTLED or not started, "B's money is stuck"
            if channel is None or channel.phase is Phase.SETTLED:
                assert balance(self.far, self.ben) >= START_PAYEE + self.payee.owed()
        if not self.payer_lies and not self.payee_lies and channel is not None:
            assert balance(self.own, self.anna) == START_PAYER - self.payer.worth()
            assert balance(self.far, self.ben) == START_PAYEE + self.payee.owed()

    def actor(self) -> Identity:
        return self.anna if self.payer_lies else self.ben
