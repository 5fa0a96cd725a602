"""What the auction keeps: monotone, critical payments, nobody loses, and no lie found that pays (Theorem 2)."""

from collections.abc import Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.rules.seal.lies import Setting, bundle_lies, price_lies, resource_lies
from tests.rules.seal.market import TERMS, payoff, random_market
from zoneshare_protocols.seal.auction import run
from zoneshare_protocols.seal.baselines import Scheme, run_scheme
from zoneshare_protocols.seal.records import Bidder, Outcome, Task, Terms

SEEDS = st.integers(0, 2**32)
HALF = replace(TERMS, reserve=600_000)


def market(seed: int) -> tuple[list[Task], list[Bidder]]:
    tasks, vehicles = random_market(Random(seed), 3, 5)
    return tasks, [one.truth() for one in vehicles]


def told(bidder: Bidder, task: int, price: int, resource: int | None = None) -> Bidder:
    items = tuple(
        replace(item, price=price, resource=resource or item.resource) if item.task == task else item
        for item in bidder.bid.items
    )
    more = sum(item.resource for item in items)
    return replace(bidder, bid=replace(bidder.bid, items=items, free=max(bidder.bid.free, more)))


def winners(tasks: list[Task], bidders: list[Bidder]) -> dict[int, tuple[int, int]]:
    return {won.task: (won.seat, won.payment) for won in run(tasks, bidders, TERMS).awards}


@given(SEEDS, st.integers(0, 400), st.integers(0, 2_000_000_000))
def test_a_winner_still_wins_for_less_money_or_with_more_resources(seed: int, less: int, more: int) -> None:
    tasks, bidders = market(seed)
    for task, (seat, payment) in winners(tasks, bidders).items():
        bidder = next(one for one in bidders if one.seat == seat)
        item = next(item for item in bidder.bid.items if item.task == task)
        others = [one for one in bidders if one.seat != seat]
        better = told(bidder, task, max(0, item.price - less), item.resource + more)
        again = winners(tasks, [*others, better])[task]
        assert again[0] == seat
        assert again[1] >= payment, "more resources raise the payment, a lower price does not change it"
        assert winners(tasks, [*others, told(bidder, task, max(0, item.price - less))])[task] == (seat, payment)


@given(SEEDS)
def test_the_payment_is_the_highest_price_that_still_wins(seed: int) -> None:
    tasks, bidders = market(seed)
    for task, (seat, payment) in winners(tasks, bidders).items():
        bidder = next(one for one in bidders if one.seat == seat)
        others = [one for one in bidders if one.seat != seat]
        if payment > 0:
            assert winners(tasks, [*others, told(bidder, task, payment - 1)])[task] == (seat, payment)
        dearer = winners(tasks, [*others, told(bidder, task, payment + 1)])
        assert dearer.get(task, (0, 0))[0] != seat


@given(SEEDS)
def test_no_truthful_bidder_loses(seed: int) -> None:
    tasks, vehicles = random_market(Random(seed), 3, 5)
    for terms in (TERMS, HALF):
        outcome = run(tasks, [one.truth() for one in vehicles], terms)
        assert all(payoff(outcome, one, tasks, terms) >= 0 for one in vehicles)


def test_no_lie_was_found_that_pays_for_a_task_or_a_whole_round() -> None:
    """Prices, understated resources at what the slices cost, smaller bundles; alone and all at once."""
    tried = 0
    for seed in range(120):
        dice = Random(seed)
        tasks, vehicles = random_market(dice, 1 if seed % 2 else 4, 4)
        terms = HALF if seed % 3 == 0 else TERMS
        setting = Setting(tasks, vehicles, terms)
        for liar in vehicles:
            if not liar.slices:
                continue
            lies = [*price_lies(liar, dice, 12), *resource_lies(liar, dice, 8), *bundle_lies(liar)]
            tried += len(lies)
            assert setting.best_gain(liar, lies) <= 0, (seed, liar)
    assert tried > 8000


def test_the_search_finds_lies_where_the_winner_is_paid_its_own_price() -> None:
    """The search can fail."""

    def first_price(tasks: Sequence[Task], bidders: Sequence[Bidder], terms: Terms) -> Outcome:
        return run_scheme(Scheme.PAA, tasks, bidders, terms)

    gains = []
    for seed in range(10):
        dice = Random(seed)
        tasks, vehicles = random_market(dice, 2, 3)
        setting = Setting(tasks, vehicles, mechanism=first_price)
        gains += [setting.best_gain(one, price_lies(one, dice, 30)) for one in vehicles if one.slices]
    assert sum(gain > 0 for gain in gains) > 5
