"""What a vehicle earns with its true bid and with false ones, task by task (the paper's Fig. 9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from msgspec.structs import replace

from zoneshare_benchmarks.seal_markets import Market, market
from zoneshare_benchmarks.seal_table import Table
from zoneshare_protocols.seal.auction import run
from zoneshare_protocols.seal.records import Bid, Bidder, Item
from zoneshare_protocols.seal.score import duration, fallback

PAPER_SLACK = 1620
"""ms: two of the paper's longest ledger latencies."""


@dataclass(frozen=True)
class Lies:
    """``honest``: the payoff of the truth; the others of many false bids, one each."""

    honest: int
    promised: Sequence[int]
    """due_ij from the promised resources, without slack (H6)."""
    slack: Sequence[int]
    """The same with PAPER_SLACK."""
    deadline: Sequence[int]
    """The paper's rule: nothing but Tmax_j is checked."""


def payoffs(seed: int = 9, tasks: int = 10, vehicles: int = 20, lies: int = 300) -> Table:
    """Fig. 9: a vehicle's payoff in several tasks, each an auction of its own; in every other it is the winner."""
    rows: list[tuple[float, ...]] = []
    for task in range(1, tasks + 1):
        found = try_lies(market(np.random.default_rng([seed, task]), vehicles, 1), task % 2 == 1, lies, seed)
        best = (max(found.promised), max(found.slack), max(found.deadline))
        rows.append((task, found.honest, fmean(found.promised), *best))
    return Table(
        "seal-fig9-payoff",
        "Fig. 9: a vehicle's payoff (money) in different tasks, honest and with false bids",
        ("task", "honest", "false, mean", "false, best", "false, best, slack 1.62 s", "false, best, only Tmax"),
        tuple(rows),
        f"{vehicles} vehicles, {lies} false bids a task: price and resources from half to twice the truth. Costs are "
        "those of the true slice, whatever is promised; what it cannot deliver by due_ij costs the task's penalty. "
        "The paper, without numbers: no false bid earns more than the truth. That holds with due_ij from the promise; "
        "with the slack of two slow ledger latencies, and where only the deadline is checked as in the paper, "
        "promising more than one has pays ([seal.md](seal.md), H6).",
    )


def try_lies(one: Market, winner: bool, lies: int, seed: int) -> Lies:
    """The first vehicle's, or the truthful winner's if ``winner`` and there is one."""
    won = run(one.tasks, one.bidders, one.terms).winners
    seat = won[0] if winner and won else one.bidders[0].seat
    liar = next(bidder for bidder in one.bidders if bidder.seat == seat)
    rng = np.random.default_rng(seed)
    told = [_false(rng, liar) for _ in range(lies)]
    return Lies(
        _payoff(one, liar, liar.bid, 0),
        [_payoff(one, liar, bid, 0) for bid in told],
        [_payoff(one, liar, bid, PAPER_SLACK) for bid in told],
        [_payoff(one, liar, bid, None) for bid in told],
    )


def _false(rng: np.random.Generator, liar: Bidder) -> Bid:
    def bent(value: int) -> int:
        return max(1, round(value * float(rng.uniform(0.5, 2))))

    items = tuple(Item(item.task, bent(item.resource), bent(item.price)) for item in liar.bid.items)
    return Bid(max(liar.bid.free, *(item.resource for item in items)), items)


def _payoff(one: Market, liar: Bidder, told: Bid, slack: int | None) -> int:
    """``slack``, ms; without one only the deadline counts."""
    crowd = [replace(bidder, bid=told) if bidder.seat == liar.seat else bidder for bidder in one.bidders]
    true = {item.task: item.resource for item in liar.bid.items}
    known = {task.id: task for task in one.tasks}
    total = 0
    for won in run(one.tasks, crowd, replace(one.terms, slack=slack or 0)).of(liar.seat):
        task = known[won.task]
        limit = task.deadline if slack is None else won.within
        late = duration(task, true[won.task], one.terms.rate) > limit
        earned = -fallback(task, one.terms).score if late else won.payment
        total += earned - one.costs[liar.seat].of(true[won.task])
    return total
