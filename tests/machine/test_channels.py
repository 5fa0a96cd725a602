"""Two channels between two zones, in both directions, driven at random on the real contracts and real proofs.

Payers and payees are honest or lying; messages are dropped, repeated, reordered and late; transactions are held back;
parties crash, sleep behind a watchtower, and close alone; time passes, past every deadline. After every step money is
conserved in each zone and over all zones, and no honest party is worse off than it is owed:

- an honest payee has been, or can make the ledger credit it, the price of every key that left it, and its bonds;
- an honest payer has paid for no chunk but those whose right plaintext it has, and has the bond of a trade in which it
  was sold garbage.
"""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.contracts.ledger.test_conservation import books
from tests.machine.common import Answer, Message
from tests.machine.deal import CHALLENGE, Deal
from tests.support.memory_stub import Simulation, Zone
from tests.support.memory_world import MARGIN, World, pages
from zoneshare_protocols.errors import RuleBroken
from zoneshare_protocols.sharing.money import check_conserved
from zoneshare_protocols.sharing.records import Evidence, Inbound, InboundStatus, Outbound, OutboundStatus, SignedState

WHICH = st.integers(0, 1)
PICK = st.integers(0, 30)
KINDS = st.sampled_from(["undecryptable", "other data", "other index", "other secret"])
GARBAGE = st.dictionaries(st.integers(0, 3), KINDS, max_size=2)
ATTACKS = ("close", "challenge", "begin_challenge", "settle", "settle_final", "complain", "refund")
PIECE = CHALLENGE // 2


class Channels(RuleBasedStateMachine):
    @initialize(
        lies=st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
        bought=st.sampled_from([4, 3, 2, 1, 0, -1]),
        bad=GARBAGE,
    )
    def start(self, lies: tuple[bool, bool, bool, bool], bought: int, bad: dict[int, str]) -> None:
        self.world = World()
        a, b = self.world.a, self.world.b
        self.deals = [Deal(self.world, "there", a, b, *lies[:2]), Deal(self.world, "back", b, a, *lies[2:])]
        self.held: list[tuple[Zone, Simulation]] = []
        self.audited: tuple[int, ...] = ()
        # Most of what can go wrong goes wrong once a trade is under way.
        for which, deal in enumerate(self.deals if bought >= 0 else ()):
            deal.open()
            deal.payer.fund()
            deal.trade(5, 9, 40, bad)
            self.shop(which, bought)

    # The honest, or those who still act so

    @rule(which=WHICH, step=st.sampled_from(["open", "fund", "fund late"]))
    def opening(self, which: int, step: str) -> None:
        deal = self.deals[which]
        if step == "open":
            deal.open()
        elif deal.payer.journal.refund is not None:
            if step == "fund":
                deal.payer.fund()
            else:
                self.hold(deal, "fund", deal.terms, deal.payer.journal.refund, deal.payer.proof())

    @rule(
        which=WHICH, chunks=st.integers(1, 5), price=st.integers(1, 25), bond=st.sampled_from([0, 7, 40]), bad=GARBAGE
    )
    def trade(self, which: int, chunks: int, price: int, bond: int, bad: dict[int, str]) -> None:
        if len(self.deals[which].goods) < 3:
            self.deals[which].trade(chunks, price, bond, bad)

    @rule(which=WHICH, times=st.integers(1, 6))
    def shop(self, which: int, times: int) -> None:
        """Chunk by chunk, with nothing lost."""
        deal = self.deals[which]
        for _ in range(times if deal.goods else 0):
            self.in_order(deal, len(deal.wire))
            deal.post(deal.payer.pay(deal.goods[-1].trade, self.world.net.now))
            self.in_order(deal, 1)

    @rule(which=WHICH, times=st.integers(1, 4))
    def pay_ahead(self, which: int, times: int) -> None:
        deal = self.deals[which]
        for _ in range(times if deal.goods else 0):
            deal.post(deal.payer.pay(deal.goods[-1].trade, self.world.net.now))

    @rule(which=WHICH, fate=st.sampled_from(["in order", "out of order", "repeated", "lost", "sent again"]), pick=PICK)
    def wire(self, which: int, fate: str, pick: int) -> None:
        deal = self.deals[which]
        wire = deal.wire
        if fate == "sent again":
            wire += deal.payer.resend()
            wire += [deal.payee.offer(goods.trade) for goods in deal.goods]
        elif wire and fate == "in order":
            self.in_order(deal, pick)
        elif wire:
            message = wire[pick % len(wire)]
            if fate != "repeated":
                wire.remove(message)
            if fate != "lost":
                deal.deliver(message)

    def in_order(self, deal: Deal, count: int) -> None:
        for _ in range(min(count, len(deal.wire))):
            deal.deliver(deal.wire.pop(0))

    @rule(which=WHICH, how=st.sampled_from(["together", "payer alone", "payee alone"]))
    def end(self, which: int, how: str) -> None:
        """T_n is offered; or one party wants its money, and closes alone when its lock comes."""
        deal = self.deals[which]
        if not deal.payer.journal.sent:
            return
        match how:
            case "together":
                deal.post(deal.payer.finish())
            case "payer alone":
                deal.payer.journal.closing = True
            case "payee alone":
                deal.payee.journal.closing = True

    @rule(which=WHICH, what=st.sampled_from(["payer crashes", "payee crashes", "payee sleeps", "payee wakes"]))
    def trouble(self, which: int, what: str) -> None:
        """A crash loses all but the journal. While B sleeps its watchtower has what B had."""
        deal = self.deals[which]
        match what:
            case "payer crashes":
                deal.payer.restart()
            case "payee crashes":
                deal.payee.restart()
            case "payee sleeps":
                deal.payee.asleep = deal.payee.tower()
            case "payee wakes":
                deal.payee.asleep = None

    @rule(pieces=st.integers(0, 4), more=st.sampled_from([0, 1, MARGIN, PIECE - 1]))
    def time_passes(self, pieces: int, more: int) -> None:
        """Who is honest looks at its ledger twice in every challenge window."""
        self.world.net.advance(more)
        self.all_look()
        for _ in range(pieces):
            self.world.net.advance(PIECE)
            self.all_look()

    @rule()
    def the_locks_come(self) -> None:
        while self.world.net.now < self.deals[0].terms.refund_from:
            self.world.net.advance(PIECE)
            self.all_look()

    def all_look(self) -> None:
        for deal in self.deals:
            deal.look()

    # Liars, and whoever holds transactions back

    @rule(
        which=WHICH,
        attack=st.sampled_from(ATTACKS),
        pick=PICK,
        show=st.tuples(st.integers(0, 1), st.integers(0, 4)),
        hold=st.booleans(),
    )
    def attack(self, which: int, attack: str, pick: int, show: tuple[int, int], hold: bool) -> None:
        deal = self.deals[which]
        if not (deal.payer_lies or deal.payee_lies):
            return
        start, keys = show
        states = deal.states()
        signed = states[pick % len(states)]
        evidence = deal.keys(signed, start, keys) if keys else Evidence(())
        complaint = deal.complaint(pick, keys, start + pick)
        match attack:
            case "close" | "challenge":
                self.submit(deal, attack, hold, signed, evidence)
            case "settle_final":
                self.submit(deal, attack, hold, signed)
            case "refund":
                self.submit(deal, "close", hold, states[0], Evidence(()))
            case "complain" if complaint is not None:
                self.submit(deal, attack, hold, complaint)
            case "begin_challenge" | "settle":
                self.submit(deal, attack, hold, deal.id)

    @rule(which=WHICH, pick=PICK, keys=st.integers(0, 4), hold=st.booleans())
    def post_an_old_state(self, which: int, pick: int, keys: int, hold: bool) -> None:
        """Whatever is taken at this moment: to begin with, or as an answer."""
        deal = self.deals[which]
        channel = deal.home.channel(deal.id)
        if channel is not None and (deal.payer_lies or deal.payee_lies):
            states = [signed for signed in deal.states() if not signed.state.final]
            signed = states[pick % len(states)]
            function = "close" if channel.posted is None else "challenge"
            self.submit(deal, function, hold, signed, deal.keys(signed, 0, keys))

    @rule(which=WHICH, pick=PICK, keys=st.integers(0, 4), again=st.booleans())
    def grab(self, which: int, pick: int, keys: int, again: bool) -> None:
        """Post an old state, begin its window and settle before anybody looks; ``again``: more in the last moment."""
        deal = self.deals[which]
        self.post_an_old_state(which, pick, keys, False)
        if deal.payer_lies or deal.payee_lies:
            self.submit(deal, "begin_challenge", False, deal.id)
            if again:
                self.world.net.advance(PIECE)
                self.all_look()
                self.world.net.advance(PIECE + MARGIN)
                self.post_an_old_state(which, pick, 4, False)
            self.submit(deal, "settle", False, deal.id)

    @rule(which=WHICH, times=st.integers(1, 3))
    def ambush(self, which: int, times: int) -> None:
        """B takes payments and keeps its answers back; when the locks have come it posts its newest state without the
        keys, and shows them in the last moment of the window: A has a window of its own to look at them."""
        deal = self.deals[which]
        if not deal.payee_lies or not deal.goods:
            return
        for _ in range(times):
            paid = deal.payer.pay(deal.goods[-1].trade, self.world.net.now)
            if paid is not None:
                deal.deliver(paid)
        deal.wire[:] = [message for message in deal.wire if not isinstance(message.body, Answer)]
        self.the_locks_come()
        newest = [signed for signed in deal.states() if not signed.state.final][-1]
        self.submit(deal, "close", False, newest, Evidence(()))
        self.submit(deal, "begin_challenge", False, deal.id)
        self.world.net.advance(PIECE)
        self.all_look()
        self.world.net.advance(PIECE + MARGIN)
        self.submit(deal, "challenge", False, newest, deal.owed_keys(newest))
        self.submit(deal, "settle", False, deal.id)

    @rule(which=WHICH, pick=PICK, lie=st.sampled_from(["key", "signature", "old state", "other signature"]))
    def lie(self, which: int, pick: int, lie: str) -> None:
        deal = self.deals[which]
        answers = [message.body for message in deal.wire if isinstance(message.body, Answer)]
        sent = deal.payer.journal.sent
        if lie in ("key", "signature") and deal.payee_lies and answers:
            answer = answers[pick % len(answers)]
            deal.wire.remove(Message("payer", answer))
            version, signature, key = answer
            bad_key = bytes([key[0] ^ 1]) + key[1:] if key and lie == "key" else key
            bad_signature = bytes(64) if lie == "signature" else signature
            deal.wire.append(Message("payer", Answer(version, bad_signature, bad_key)))
        elif lie in ("old state", "other signature") and deal.payer_lies and sent:
            old = sent[pick % len(sent)]
            known = deal.payee.side.state.version
            swapped = SignedState(old.state, old.payee_signature, old.payer_signature)
            deal.deliver(Message("payee", old if lie == "old state" else swapped))
            assert deal.payee.side.state.version >= known

    @precondition(lambda self: self.held)
    @rule(pick=PICK)
    def order_what_was_held_back(self, pick: int) -> None:
        zone, simulation = self.held.pop(pick % len(self.held))
        zone.commit(simulation)

    def submit(self, deal: Deal, function: str, hold: bool, *args: object) -> None:
        if hold:
            self.hold(deal, function, *args)
            return
        try:
            simulation = deal.far.endorse(deal.actor(), f"escrow:{function}", *args)
            simulation.result()
        except RuleBroken:
            return
        deal.far.commit(simulation)

    def hold(self, deal: Deal, function: str, *args: object) -> None:
        simulation = deal.far.endorse(deal.actor(), f"escrow:{function}", *args)
        if simulation.response.status == 200:
            self.held.append((deal.far, simulation))

    # What must hold

    @invariant()
    def money_is_conserved(self) -> None:
        zones = [self.world.a, self.world.b]
        blocks = tuple(zone.block for zone in zones)
        if blocks == self.audited:
            return
        self.audited = blocks
        found = [books(zone) for zone in zones]
        for zone, each in zip(zones, found, strict=True):
            check_conserved(zone.name, each)
        taken = {
            (i.source_zone, i.id): i.amount
            for zone in zones
            for i in pages(zone, "ledger:inbounds", Inbound, 50)
            if i.status is InboundStatus.RECEIVED
        }
        away = sum(
            o.amount
            for zone in zones
            for o in pages(zone, "ledger:outbounds", Outbound, 50)
            if o.status is OutboundStatus.LOCKED and (zone.name, o.id) in taken
        )
        assert sum(each.held for each in found) - away == sum(each.issued for each in found)

    @invariant()
    def the_honest_get_what_they_are_owed(self) -> None:
        for deal in self.deals:
            deal.check()

    def teardown(self) -> None:
        """The honest wind up; whoever lies does nothing any more. Nothing may be stuck."""
        if not hasattr(self, "deals"):
            return
        for deal in self.deals:
            deal.payee.asleep = None
            deal.payer.journal.closing = deal.payee.journal.closing = True
        self.world.net.advance(max(0, self.deals[0].terms.refund_from - self.world.net.now))
        for _ in range(8):
            self.all_look()
            self.world.net.advance(CHALLENGE + MARGIN)
        self.money_is_conserved()
        for deal in self.deals:
            deal.check()
            deal.check_end()


Channels.TestCase.settings = settings(
    max_examples=400,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # Shrinking a story of fifty transactions takes minutes; the failing story is printed whole instead.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
TestChannels = pytest.mark.timeout(400)(Channels.TestCase)
