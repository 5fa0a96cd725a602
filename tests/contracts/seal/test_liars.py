"""An auction up to the commit in which every party may break off anywhere, lie, or hold a transaction back.

Whatever they do, it can be closed, the books balance after every step, and each has exactly what the rules say.
"""

from contextlib import suppress
from dataclasses import dataclass

from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.contracts.seal.seal_world import DWELL, RICH, STALLING, Round, SealWorld, bid_for
from tests.support.memory_identity import Identity
from tests.support.memory_stub import VALID, Simulation
from tests.support.memory_world import MARGIN
from zoneshare.seal.sealing import seal_bid
from zoneshare_protocols.codec import digest, encode
from zoneshare_protocols.errors import AlreadyExists, NotFound, ZoneshareError
from zoneshare_protocols.seal.bids import Agreement, SealedBid
from zoneshare_protocols.seal.ledger import Observed, Word
from zoneshare_protocols.seal.phases import Phase
from zoneshare_protocols.seal.score import fallback

USUALLY = st.sampled_from([True] * 5 + [False])
SELDOM = st.sampled_from([False] * 5 + [True])


@dataclass(frozen=True)
class Vehicle:
    """What one vehicle does. ``held``: its last transaction of the deposits reaches the ledger too late."""

    bids: bool
    price: int
    garbage: bool
    delivers: bool
    pays: bool
    word: Word
    held: bool


@dataclass(frozen=True)
class Drone:
    funds: bool
    sees: bool
    decides: bool
    commits: bool
    held: bool
    """Its record or commit reaches the ledger too late."""


VEHICLES = st.builds(
    Vehicle,
    bids=USUALLY,
    price=st.integers(0, 500),
    garbage=SELDOM,
    delivers=USUALLY,
    pays=USUALLY,
    word=st.sampled_from([Word.AGREED] * 4 + [Word.DECLINED, Word.NONE]),
    held=SELDOM,
)
DRONES = st.builds(Drone, funds=USUALLY, sees=USUALLY, decides=USUALLY, commits=USUALLY, held=SELDOM)


class Story:
    def __init__(self, plans: list[Vehicle], drone: Drone) -> None:
        self.world = SealWorld()
        self.one: Round = self.world.open()
        people = (self.world.ann, self.world.bob, self.world.cid)
        self.plans = {who.account: (who, plan) for who, plan in zip(people, plans, strict=True)}
        self.drone = drone
        self.late: list[Simulation] = []

    def act(self, who: Identity, function: str, *args: object, late: bool = False) -> None:
        simulation = self.world.zone.endorse(who, f"auction:{function}", *args)
        simulation.result()
        if late:
            self.late.append(simulation)
        else:
            assert self.world.zone.commit(simulation) == VALID
        self.world.books_balance()

    def pass_timer(self, moment: int) -> None:
        """Somebody serves it; then what was held back comes, and is lost."""
        self.world.wait_until(moment + 1)
        self.act(self.world.dora, "advance", self.one.id)
        assert VALID not in [self.world.zone.commit(simulation) for simulation in self.late]
        self.late.clear()
        self.world.books_balance()

    def bids(self) -> None:
        one = self.one
        for who, plan in self.plans.values():
            if plan.bids:
                sealed = seal_bid(bid_for((1, plan.price), (2, plan.price)), one.notice, one.quote, who.account)
                one.sealed[who.account] = SealedBid(one.id, who.account, bytes(99)) if plan.garbage else sealed
                self.act(who, "bid", one.id, one.sealed[who.account].hash)
        self.pass_timer(one.notice.timers.init)

    def deposits(self) -> None:
        one = self.one
        for account, sealed in one.sealed.items():
            who, plan = self.plans[account]
            if plan.pays:
                self.act(who, "deposit", one.id, late=plan.held and plan.word is Word.NONE)
            if plan.word is Word.DECLINED:
                self.act(who, "decline", one.id, late=plan.held)
            elif plan.word is Word.AGREED:
                receipt = self.world.enclave.take(sealed, account) if plan.delivers else b""
                agreement = Agreement(digest(one.quote), one.bids, account)
                self.act(who, "agree", one.id, agreement, receipt, b"" if receipt else encode(sealed), late=plan.held)
        if self.drone.funds:
            dwell = (DWELL if self.drone.sees else 0,) * len(one.sealed)
            self.act(self.world.dora, "fund", one.id, Observed(digest(one.quote), one.bids, dwell))
        self.pass_timer(one.notice.timers.deposit)

    def result(self) -> None:
        one, dora = self.one, self.world.dora
        found = one.decide(tuple(one.sealed.values()))
        if self.drone.decides:
            late = self.drone.held
            self.act(dora, "record", found.result, found.signature, late=late)
            if not late and found.result.outcome.awards and self.drone.commits:
                one.commit(found)

    def paid(self, account: str) -> bool:
        plan = self.plans[account][1]
        return account in self.one.sealed and plan.pays and not (plan.held and plan.word is Word.NONE)

    def word(self, account: str) -> Word:
        plan = self.plans[account][1]
        return Word.NONE if plan.held else plan.word


@given(st.lists(VEHICLES, min_size=3, max_size=3), DRONES, st.lists(st.integers(0, 3), max_size=4))
@settings(max_examples=60, deadline=None)
def test_whatever_they_do_each_has_what_the_rules_say(plans: list[Vehicle], drone: Drone, first: list[int]) -> None:
    """``first``: who takes its share alone, before the refund of all."""
    story = Story(plans, drone)
    world, one = story.world, story.one
    story.bids()
    story.deposits()
    present = one.auction
    assert present.phase is (Phase.AUCTION if drone.funds else Phase.CANCELLED)
    if drone.funds:
        assert set(one.partakers) == {a for a in one.sealed if story.paid(a) and story.word(a) is Word.AGREED}
        story.result()
    end = one.auction.phase
    event(end.value)
    world.wait_until(one.notice.timers.claim + MARGIN + 1)
    everybody = (world.dora, world.ann, world.bob, world.cid)
    for who in (everybody[number] for number in first):
        with suppress(AlreadyExists, NotFound):
            one.submit(who, "collect")
        world.books_balance()
    try:
        one.submit(world.cid, "refund")
    except ZoneshareError as refusal:
        raise AssertionError("an auction that cannot be closed") from refusal
    world.books_balance()

    payers = [account for account in one.sealed if story.paid(account)]
    silent = {account for account in payers if drone.funds and story.word(account) is Word.NONE}
    patient = [account for account in payers if account not in silent]
    part = STALLING.penalty // len(patient) if one.auction.at_fault and patient else 0
    worth = {task.id: fallback(task, STALLING).score for task in one.notice.tasks}
    faults = dict.fromkeys(story.plans, 0)
    if one.auction.committed is not None:
        for seat in one.chains:
            winner = one.winner(seat)
            faults[winner.bidder] = sum(worth[award.task] for award in winner.awards)
    for account, (who, _) in story.plans.items():
        expected = RICH - (STALLING.stall if account in silent else 0) + part * (account in patient) - faults[account]
        assert world.money(who) == expected
    assert world.money(world.dora) == RICH + STALLING.stall * len(silent) - part * len(patient) + sum(faults.values())
