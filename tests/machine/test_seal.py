"""Two winners and a drone exchange results for money on the real contracts; whoever lies does what it likes.

Messages are lost, late, repeated and reordered; transactions are endorsed and held back, with timestamps at either end
of what the endorsers' clocks allow; parties crash and come back with what was on their disk; time passes in steps in
which the honest look at their ledger. After every step money is conserved, and:

- an honest winner is never to blame, and in the end has been paid for every task, whatever paywords it was given;
- an honest drone has paid for nothing that it cannot decrypt and, where results can be recomputed, for nothing wrong;
- who did not win has its deposit back.

Proofs are stood in for (:func:`fake_proof`): real ones are in tests/wire/seal/test_prover.py.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from tests.contracts.seal.claim_world import DATA, JOB, PRIVATE, ClaimWorld
from tests.contracts.seal.seal_world import RICH, bid_for
from tests.machine.seal_parties import (
    LEAD,
    RESULT,
    HonestDrone,
    HonestWinner,
    Message,
    Payword,
    Result,
    Table,
    lock,
    stamp,
)
from tests.rules.seal.market import task
from tests.support.memory_identity import Identity
from tests.support.memory_stub import Simulation
from tests.support.memory_world import MARGIN, TOLERANCE
from zoneshare_protocols.codec import encode
from zoneshare_protocols.seal.claims import KeyMessage, ProofMessage, context_of
from zoneshare_protocols.seal.hashchain import Claim
from zoneshare_protocols.seal.results import Locked, element
from zoneshare_protocols.seal.tasks import TaskState
from zoneshare_protocols.stub import OK

PIECE = LEAD // 2
SKEW = st.sampled_from([0, 0, -TOLERANCE, TOLERANCE])
PICK = st.integers(0, 30)


@dataclass
class Saved:
    """An auction just committed to, to begin every story with."""

    world: ClaimWorld
    table: Table
    state: dict[str, tuple[bytes, int]]
    now: int


@cache
def committed(jobs: bool) -> Saved:
    """ann has won tasks 1 to 3, bob 4 and 5; cid has lost."""
    world = ClaimWorld()
    found = world.open(world.notice(tuple(map(task, range(1, 6))), jobs=jobs))
    found.bid(world.ann, bid_for((1, 100), (2, 110), (3, 90)))
    found.bid(world.bob, bid_for((4, 100), (5, 120)))
    found.bid(world.cid, bid_for((1, 380)))
    found.close_bids()
    found.pay_in(world.ann, world.bob, world.cid)
    found.close_deposits()
    recorded = found.decide()
    found.record(recorded)
    found.commit(recorded)
    winners = {seat: found.winner(seat) for seat in found.chains}
    table = Table(world, found.notice, found.chains, winners)
    return Saved(world, table, dict(world.zone.state), world.now)


class Exchanges(RuleBasedStateMachine):
    @initialize(
        lies=st.tuples(st.booleans(), st.booleans(), st.booleans()),
        jobs=st.booleans(),
        shows=st.booleans(),
        cut=st.sampled_from([((1, 3),), ((1, 1), (2, 3)), ((1, 1), (2, 2), (3, 3))]),
    )
    def start(self, lies: tuple[bool, bool, bool], jobs: bool, shows: bool, cut: tuple[tuple[int, int], ...]) -> None:
        saved = committed(jobs)
        self.world, self.table = saved.world, saved.table
        self.world.zone.state = dict(saved.state)
        self.world.zone.history.clear()
        self.world.zone.events.clear()
        self.world.wait_until(saved.now)
        self.drone_lies = lies[0]
        self.drone = HonestDrone(self.table, self.world.dora, shows=shows)
        people = {who.account: who for who in (self.world.ann, self.world.bob)}
        self.winners: dict[int, HonestWinner] = {}
        for seat, winner in self.table.winners.items():
            count = len(winner.awards)
            batches = [(first, min(last, count)) for first, last in cut if first <= count]
            self.winners[seat] = HonestWinner(self.table, people[winner.bidder], seat, batches)
        self.made: dict[int, list[Locked]] = {seat: [] for seat in self.winners}
        """What each winner has sent to the ledger as proven: a liar releases keys of it."""
        self.liars = {seat for seat, lie in zip(self.winners, lies[1:], strict=True) if lie}
        self.wire: list[Message] = []
        self.held: list[Simulation] = []
        self.seen = -1
        self.refunded = False

    def winner(self, pick: int) -> HonestWinner:
        return list(self.winners.values())[pick % len(self.winners)]

    # The honest, or those who still act so

    @rule(pick=PICK, number=st.integers(1, 3))
    def deliver(self, pick: int, number: int) -> None:
        one = self.winner(pick)
        if one.seat in self.liars and pick % 3:
            return
        if number <= one.batches[-1][1]:
            message = one.deliver(number)
            self.made[one.seat].append(one.locked(*one.batch(number)))
            self.post(message)

    @rule(fate=st.sampled_from(["arrives", "arrives", "arrives", "is repeated", "is lost"]), pick=PICK)
    def wire_moves(self, fate: str, pick: int) -> None:
        if self.wire:
            message = self.wire[pick % len(self.wire)]
            if fate != "is repeated":
                self.wire.remove(message)
            if fate != "is lost":
                self.arrive(message)

    @rule()
    def all_arrives(self) -> None:
        for _ in range(min(8, len(self.wire))):
            self.arrive(self.wire.pop(0))

    def arrive(self, message: Message) -> None:
        match message:
            case Result() if not self.drone_lies:
                self.post(self.drone.on_result(message))
            case Result():
                self.drone.held[message.seat, message.encrypted.context.first] = message.encrypted
            case Payword():
                one = self.winners[message.seat]
                if one.seat in self.liars:
                    one.payword = max(one.payword, message.place)
                else:
                    one.on_payword(message)

    def post(self, message: Message | None) -> None:
        if message is not None:
            self.wire.append(message)

    @rule(pick=PICK, drone=st.booleans())
    def crash(self, pick: int, drone: bool) -> None:
        """Messages under way are lost with it."""
        if drone:
            self.drone.restart()
            self.wire = [message for message in self.wire if not isinstance(message, Result)]
        else:
            one = self.winner(pick)
            one.restart()
            self.wire = [message for message in self.wire if message.seat != one.seat or isinstance(message, Result)]

    @rule(pieces=st.integers(1, 3))
    def time_passes(self, pieces: int) -> None:
        for _ in range(pieces):
            self.world.pass_time(PIECE)
            self.all_look()

    @rule()
    def the_tasks_run_out(self) -> None:
        """All due times, and the margin after them."""
        last = max(one.due for seat in self.winners for one in self.table.tasks(seat))
        while self.world.now < last:
            self.world.pass_time(PIECE)
            self.all_look()
        self.world.pass_time(MARGIN + 1)
        self.all_look()

    def all_look(self) -> None:
        for seat, one in self.winners.items():
            if seat not in self.liars:
                one.look()
        if not self.drone_lies:
            self.drone.look()

    # Liars, and whoever holds transactions back

    @rule(
        pick=PICK,
        attack=st.sampled_from(["rob", "rob", "rob", "prove", "release", "release", "claim", "expire", "send"]),
        numbers=st.tuples(st.integers(1, 3), st.integers(0, 2)),
        what=st.sampled_from(["right", "garbage", "nothing", "nothing", "another's", "wrong"]),
        flags=st.tuples(st.booleans(), st.booleans()),
        skew=SKEW,
    )
    def a_winner_lies(  # noqa: PLR0917 - what Hypothesis draws
        self, pick: int, attack: str, numbers: tuple[int, int], what: str, flags: tuple[bool, bool], skew: int
    ) -> None:
        if not self.liars:
            return
        seat = sorted(self.liars)[pick % len(self.liars)]
        one, (publish, hold) = self.winners[seat], flags
        count = len(self.table.winners[seat].awards)
        first = min(numbers[0], count)
        last = min(first + numbers[1], count)
        locked = self.forged(seat, first, last, what)
        if attack in ("release", "send") and self.made[seat] and what != "another's":
            locked = self.made[seat][pick % len(self.made[seat])]
        whole = encode(locked.encrypted) if publish else b""
        match attack:
            case "prove":
                proof = bytes(256) if what == "wrong" else stamp(locked)
                key = self.world.keys[locked.encrypted.circuit].hash
                message = ProofMessage(self.table.id, seat, key, proof)
                shown = {"encrypted": encode(locked.encrypted.bare)}
                self.submit(one.who, "prove", message, whole, transient=shown, hold=hold, skew=skew)
                self.made[seat].append(locked)
            case "release":
                secret = element(5) if what == "wrong" else locked.key
                released = KeyMessage(self.table.id, seat, locked.encrypted.context.first, secret)
                self.submit(one.who, "release", released, whole, hold=hold, skew=skew)
            case "claim":
                index = one.payword if what != "wrong" else min(one.payword + 1, count)
                known = self.table.chains[seat][min(index, one.payword)]
                self.submit(one.who, "claim", Claim(self.table.id, seat, index, known), hold=hold, skew=skew)
            case "expire":
                self.submit(one.who, "expire", self.table.id, seat, first, last, hold=hold, skew=skew)
            case "send":
                self.post(Result(seat, locked.encrypted))
            case "rob":
                self.rob(one, self.forged(seat, first, last, "nothing" if hold else what))

    def rob(self, one: HonestWinner, locked: Locked) -> None:
        """Prove, and publish with the key at once: the quickest way to be paid for whatever it is."""
        key = self.world.keys[locked.encrypted.circuit].hash
        message = ProofMessage(self.table.id, one.seat, key, stamp(locked))
        self.submit(one.who, "prove", message, encode(locked.encrypted))
        first = locked.encrypted.context.first
        self.submit(one.who, "release", KeyMessage(self.table.id, one.seat, first, locked.key))

    def forged(self, seat: int, first: int, last: int, what: str) -> Locked:
        """A batch as a liar makes it, of any results; ``another's``: bound to the other winner."""
        results = (RESULT if what in ("right", "another's") else b"garbage",) * (last - first + 1)
        context = context_of(self.table.winners[seat], self.table.notice, first, last, computed=what != "nothing")
        if what == "another's":
            other = next(one for one in self.table.winners.values() if one.seat != seat)
            context = replace(context, seat=other.seat, winner=other.bidder)
        return lock(context, results, bytes([seat, first, last, len(what)]) * 8)

    @rule(
        pick=PICK,
        attack=st.sampled_from(["pay", "show", "call_key", "expire", "dispute", "judge", "refund", "advance"]),
        numbers=st.tuples(st.integers(1, 3), st.integers(0, 2)),
        hold=st.booleans(),
        skew=SKEW,
    )
    def the_drone_lies(self, pick: int, attack: str, numbers: tuple[int, int], hold: bool, skew: int) -> None:
        if not self.drone_lies:
            return
        seat = self.winner(pick).seat
        count = len(self.table.winners[seat].awards)
        first = min(numbers[0], count)
        last = min(first + numbers[1], count)
        chain, about = self.table.chains[seat], (self.table.id, seat, first)
        options: dict[str, Any] = {"hold": hold, "skew": skew}
        match attack:
            case "pay":
                self.post(Payword(seat, last, chain[last]))
            case "show":
                self.submit(self.world.dora, "show_payword", self.table.id, seat, last, chain[last], **options)
            case "call_key" | "expire":
                self.submit(self.world.dora, attack, *about, last, **options)
            case "dispute" | "judge":
                self.submit(self.world.dora, "dispute", *about, **options)
                found = self.drone.encrypted(seat, first)
                if found is not None and attack == "judge":
                    shown = {"encrypted": encode(found), "private": PRIVATE.private_bytes_raw(), "job": encode(JOB)}
                    self.submit(self.world.dora, attack, *about, transient={**shown, "data": DATA}, **options)
            case "refund" | "advance":
                self.submit(self.world.dora, f"auction:{attack}", self.table.id, **options)

    @rule(pick=PICK, number=st.integers(1, 3), forfeit=st.booleans())
    def a_stranger_calls(self, pick: int, number: int, forfeit: bool) -> None:
        function = "forfeit" if forfeit else "expire"
        rest = () if forfeit else (number,)
        self.submit(self.world.cid, function, self.table.id, self.winner(pick).seat, number, *rest)

    @rule(pick=PICK)
    def a_held_transaction_is_ordered(self, pick: int) -> None:
        if self.held:
            self.world.zone.commit(self.held.pop(pick % len(self.held)))

    def submit(
        self, who: Identity, function: str, *args: Any, transient: Any = None, hold: bool = False, skew: int = 0
    ) -> None:
        name = function if ":" in function else f"claim:{function}"
        if not hold:
            self.table.tried(who, name, *args, transient=transient, skew=skew)
            return
        simulation = self.table.endorse(who, name, *args, transient=transient, skew=skew)
        if simulation.response.status == OK:
            self.held.append(simulation)

    # What must hold

    @invariant()
    def money_is_conserved(self) -> None:
        if self.world.zone.block != self.seen:
            self.seen = self.world.zone.block
            self.world.books_balance()

    @invariant()
    def no_honest_winner_is_to_blame(self) -> None:
        for seat in self.winners:
            if seat not in self.liars:
                tasks = self.table.tasks(seat)
                assert not any(one.at_fault for one in tasks), tasks
                assert not any(one.state is TaskState.FAILED for one in tasks), "it could have been paid"

    def teardown(self) -> None:
        """The honest wind up; whoever lies claims, and has ordered what it held back."""
        if not hasattr(self, "winners"):
            return
        self.the_tasks_run_out()
        for simulation in self.held:
            self.world.zone.commit(simulation)
        grace = self.table.notice.timers.grace
        while self.world.now < self.table.notice.timers.claim:
            self.world.pass_time(min(grace, self.table.notice.timers.claim - self.world.now))
            self.all_look()
            for one in (self.winners[seat] for seat in self.liars):
                claim = Claim(self.table.id, one.seat, one.payword, self.table.chains[one.seat][one.payword])
                self.table.tried(one.who, "claim:claim", claim)
        self.world.pass_time(grace + MARGIN + 1)
        for seat, winner in self.table.winners.items():
            for number in range(1, len(winner.awards) + 1):
                self.table.tried(self.world.cid, "claim:forfeit", self.table.id, seat, number)
        self.table.tried(self.world.cid, "auction:refund", self.table.id)
        self.money_is_conserved()
        self.no_honest_winner_is_to_blame()
        self.the_money_is_where_the_rules_say()

    def the_money_is_where_the_rules_say(self) -> None:
        assert self.world.money(self.world.cid) == RICH, "who did not win pays nothing"
        released: list[tuple[int, int, int]] = []
        for seat, winner in self.table.winners.items():
            tasks = self.table.tasks(seat)
            for number, one in enumerate(tasks, 1):
                if one.state is TaskState.RELEASED:
                    released.append((seat, number, one.award.payment))
            if seat not in self.liars:
                assert self.world.money(self.winners[seat].who) >= RICH + sum(winner.prices), "the winner is owed more"
        if self.drone_lies:
            return
        for seat, number, _ in released:
            got = self.drone.got(seat, number)
            paid = self.table.claimed(seat)
            assert paid is None or not paid.paid or got is not None or not self.pays_for(seat, number), (seat, number)
            if self.table.notice.jobs and self.pays_for(seat, number):
                assert got == RESULT, "it has paid for a wrong result"
        cost = RICH - self.world.money(self.world.dora)
        assert cost <= sum(payment for seat, number, payment in released if self.pays_for(seat, number))
        if not self.liars:
            assert cost == sum(sum(winner.prices) for winner in self.table.winners.values())

    def pays_for(self, seat: int, number: int) -> bool:
        """Whether the winner's claim covers the task."""
        claimed = self.table.claimed(seat)
        if claimed is None:
            return False
        return number <= claimed.index or self.table.tasks(seat)[number - 1].published


Exchanges.TestCase.settings = settings(
    max_examples=200,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # Shrinking a story of thirty steps takes minutes; the failing story is printed whole instead.
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
TestExchanges = pytest.mark.timeout(400)(Exchanges.TestCase)
