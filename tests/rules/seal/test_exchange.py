"""The exchange between a winner and a drone, either of them lying: the rules alone, without a ledger."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from zoneshare_protocols.errors import RuleBroken
from zoneshare_protocols.seal.deposits import Ending, share_out
from zoneshare_protocols.seal.hashchain import Claim, claimed, make_chain, may_give, meta
from zoneshare_protocols.seal.records import Award
from zoneshare_protocols.seal.synthetic import paper_terms
from zoneshare_protocols.seal.tasks import SoldTask, TaskState, expire, prove, release, settled, show_payword, sold

AUCTION, GRACE, TERMS = b"a" * 32, 300, paper_terms()
PENALTY = 1000
"""s_0j of every task."""
MOVES = st.lists(
    st.tuples(st.sampled_from(["prove", "send", "pay", "show", "key", "publish", "wait"]), st.integers(0, 2)),
    min_size=12,
    max_size=40,
)
PRICES = st.lists(st.integers(1, 900), min_size=3, max_size=3)


@dataclass
class Exchange:
    """What is on the ledger, what the drone has, and which payword the winner has."""

    prices: list[int]
    now: int = 0
    tasks: list[SoldTask] = field(default_factory=list)
    held: set[int] = field(default_factory=set)
    payword: int = 0

    def __post_init__(self) -> None:
        self.tasks = [sold(Award(one, 1, price, 1000 + 200 * one), 0) for one, price in enumerate(self.prices)]
        self.chain = make_chain(AUCTION, 1, b"s" * 32, self.prices)

    def step(self, move: str, one: int) -> None:
        """A move of either party; one that the rules refuse changes nothing."""
        try:
            task = self.tasks[one]
            if move == "prove":
                self.tasks[one] = prove(task, self.now)
            elif move == "show":
                self.tasks[one] = show_payword(task, self.now)
                self.payword = max(self.payword, one + 1)
            elif move in ("key", "publish"):
                self.tasks[one] = release(task, self.now, GRACE, published=move == "publish")
        except RuleBroken:
            return

    def settle(self) -> tuple[int, dict[int, int]]:
        """What drone and winner have at the end, of 10,000 and 5,000."""
        self.tasks = [settled(task, 10**6, GRACE) for task in self.tasks]
        claim = Claim(AUCTION, 1, self.payword, self.chain[self.payword])
        amount = claimed(meta(1, self.chain), claim, AUCTION, self.tasks)
        faults = PENALTY * sum(task.at_fault for task in self.tasks)
        shares = share_out(Ending(10_000, {1: 5000}, {1: amount}, {1: faults}), TERMS)
        assert shares.drone + shares.bidders[1] == 15_000
        return shares.drone, shares.bidders


@given(PRICES, MOVES)
def test_an_honest_drone_pays_for_nothing_it_cannot_decrypt(prices: list[int], moves: list[tuple[str, int]]) -> None:
    """The winner does what it likes; the drone gives paywords as :func:`may_give` says."""
    trade = Exchange(prices)
    for move, one in moves:
        trade.now += 40
        if move == "send":
            trade.held.add(one + 1)
        elif move in ("pay", "show"):
            if may_give(trade.tasks, one + 1, trade.held):
                trade.payword = max(trade.payword, one + 1)
                if move == "show":
                    trade.step(move, one)
        else:
            trade.step(move, one)
        trade.tasks = [settled(task, trade.now, GRACE) for task in trade.tasks]
    drone, _ = trade.settle()
    got = [
        task.award.payment
        for number, task in enumerate(trade.tasks, 1)
        if task.state is TaskState.RELEASED and (task.published or number in trade.held)
    ]
    assert 10_000 - drone <= sum(got)


@given(PRICES, MOVES)
def test_an_honest_winner_is_paid_and_loses_nothing(prices: list[int], moves: list[tuple[str, int]]) -> None:
    """The drone does what it likes, and time passes as it likes; the winner proves and publishes before each due_ij,
    and answers a payword on the ledger at once."""
    trade = Exchange(prices)
    for move, one in moves:
        trade.now += 40
        for number, task in enumerate(trade.tasks):
            close = trade.now + 80 > task.due
            if close and task.state is TaskState.OPEN:
                trade.step("prove", number)
            if trade.tasks[number].state is TaskState.PROVED and (close or trade.payword > number):
                trade.step("key" if trade.payword > number else "publish", number)
        if move in ("show", "prove") and trade.now + 80 < trade.tasks[one].due:
            trade.step(move, one)
        elif move == "pay":
            trade.payword = max(trade.payword, one + 1)
    for number, task in enumerate(trade.tasks):
        if task.state is TaskState.OPEN:
            trade.now = task.due
            trade.step("prove", number)
        trade.step("publish", number)
    drone, bidders = trade.settle()
    assert bidders[1] == 5000 + sum(prices)
    assert drone == 10_000 - sum(prices)


def test_a_batch_is_given_one_payword() -> None:
    tasks = [prove(sold(Award(one, 1, 10, 1000), 0), 10) for one in range(3)]
    assert may_give(tasks, 3, {1, 2, 3}, first=1)
    assert not may_give(tasks, 3, {1, 2, 3}), "task by task the first two are not decided"
    assert not may_give(tasks, 3, {1, 3}, first=1)
    assert not may_give([tasks[0], sold(Award(1, 1, 10, 1000), 0), tasks[2]], 3, {1, 2, 3}, first=1)
    for index, first in ((0, None), (4, None), (2, 3), (1, 0)):
        assert not may_give(tasks, index, {1, 2, 3}, first)


def test_a_key_without_its_result_is_not_paid_by_a_later_payword_either() -> None:
    tasks = [prove(sold(Award(one, 1, 10, 1000), 0), 10) for one in range(2)]
    tasks[0] = release(tasks[0], 20, GRACE, published=False)
    assert not may_give(tasks, 2, {2}), "it would pay for task 1, which never came"
    tasks[0] = expire(prove(sold(Award(0, 1, 10, 1000), 0), 10), 1001, GRACE)
    assert may_give(tasks, 2, {2})
