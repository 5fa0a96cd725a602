"""The least cost of any assignment (23), and the auction that pays by it: exact, for small instances.

The problem is NP-hard; it is solved by HiGHS (scipy, the ``solver`` extra). Here every bid counts, with F_i as the only
limit, not the sets A_i that Algorithm 2 reserves beforehand: the difference is what that rule costs, and the Clarke
payments make which tasks to bid for safe to tell (docs/seal.md).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from zoneshare_protocols.errors import LimitExceeded
from zoneshare_protocols.seal.auction import by_urgency
from zoneshare_protocols.seal.records import Bidder, Task, Terms
from zoneshare_protocols.seal.score import energy_term, fallback, in_time


@dataclass(frozen=True)
class Assignment:
    """Who does what at the least sum of scores."""

    cost: int
    """Sum of the scores s_ij, bidder 0's included: C_l / (1 - theta) at the bids, less the propulsion."""
    chosen: tuple[tuple[int, int], ...]
    """(task, seat), by task; tasks left to bidder 0 are not in it."""


@dataclass(frozen=True)
class _Pair:
    task: int
    seat: int
    resource: int
    score: int
    price: int


def least_cost(tasks: Iterable[Task], bidders: Iterable[Bidder], terms: Terms) -> Assignment:
    """The optimum of (23) at the given prices, under (24), (27), F_i and n_max.

    Raises LimitExceeded when the solver finds no optimum (too large an instance).
    """
    order = by_urgency(tasks)
    crowd = list(bidders)
    return _solve(order, crowd, _pairs(order, crowd, terms), terms)


def clarke(tasks: Iterable[Task], bidders: Iterable[Bidder], terms: Terms) -> tuple[Assignment, dict[int, int]]:
    """The optimum, and what each winner gets for all its tasks: what its bid saves the drone, and its price.

    Truthful in prices, in which tasks to bid for, and in a smaller F_i told; costs one solution more for each winner.
    Raises LimitExceeded as :func:`least_cost`.
    """
    order = by_urgency(tasks)
    crowd = list(bidders)
    pairs = _pairs(order, crowd, terms)
    best = _solve(order, crowd, pairs, terms)
    prices = {(pair.task, pair.seat): pair.price for pair in pairs}
    paid: dict[int, int] = {}
    for seat in {seat for _, seat in best.chosen}:
        without = _solve(order, crowd, [pair for pair in pairs if pair.seat != seat], terms)
        own = sum(prices[one] for one in best.chosen if one[1] == seat)
        paid[seat] = without.cost - best.cost + own
    return best, paid


def _pairs(order: Sequence[Task], bidders: Sequence[Bidder], terms: Terms) -> list[_Pair]:
    limits = {task.id: fallback(task, terms).limit(terms) for task in order}
    known = {task.id: task for task in order}
    found: list[_Pair] = []
    for bidder in bidders:
        for item in bidder.bid.items:
            task = known.get(item.task)
            if task is None or item.resource > bidder.bid.free or task.resource not in (0, item.resource):
                continue
            score = energy_term(task, item.resource, terms) + item.price
            soon = in_time(task, item.resource, min(task.deadline, bidder.dwell), terms.rate)
            if soon and score <= limits[task.id]:
                found.append(_Pair(task.id, bidder.seat, item.resource, score, item.price))
    return found


def _solve(order: Sequence[Task], bidders: Sequence[Bidder], pairs: Sequence[_Pair], terms: Terms) -> Assignment:
    """Variables: each pair's saving against bidder 0. What floating point lets through over F_i is cut off anew."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    rest = {task.id: fallback(task, terms).score for task in order}
    everything = sum(rest.values())
    if not pairs:
        return Assignment(everything, ())
    free = {bidder.seat: bidder.bid.free for bidder in bidders}
    rows = [[float(pair.task == task.id) for pair in pairs] for task in order]
    tops = [1.0] * len(order)
    for seat, limit in free.items():
        rows.append([pair.resource / limit if pair.seat == seat else 0.0 for pair in pairs])
        rows.append([float(pair.seat == seat) for pair in pairs])
        tops += [1.0, float(terms.max_tasks)]
    savings = np.array([pair.score - rest[pair.task] for pair in pairs], dtype=np.float64)
    while True:
        limits = LinearConstraint(np.array(rows), ub=np.array(tops))
        options = {"mip_rel_gap": 0.0}
        found = milp(savings, constraints=limits, integrality=np.ones(len(pairs)), bounds=Bounds(0, 1), options=options)
        if found.x is None or found.status != 0:
            raise LimitExceeded("no optimum was found", value=len(pairs), limit=0)
        taken = [index for index, value in enumerate(found.x) if value > 0.5]
        over = _over(free, [(index, pairs[index]) for index in taken])
        if not over:
            chosen = tuple(sorted((pairs[index].task, pairs[index].seat) for index in taken))
            cost = everything + sum(pairs[index].score - rest[pairs[index].task] for index in taken)
            return Assignment(cost, chosen)
        rows.append([float(index in over) for index in range(len(pairs))])
        tops.append(float(len(over) - 1))


def _over(free: dict[int, int], taken: Sequence[tuple[int, _Pair]]) -> set[int]:
    """The pairs of a bidder that, in exact integers, have been given more than it has free."""
    for seat, limit in free.items():
        own = [(index, pair.resource) for index, pair in taken if pair.seat == seat]
        if sum(resource for _, resource in own) > limit:
            return {index for index, _ in own}
    return set()
