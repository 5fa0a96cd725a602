"""The single-minded reverse combinatorial auction (Algorithm 2), in integers: winners and critical payments.

Every task is an auction of its own among the bidders that reserved resources for it beforehand, so no win changes
another task's candidates (H5). The cloud, or the drone itself, takes part in each as bidder 0 (H1, H2).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from zoneshare_protocols.errors import LimitExceeded, Malformed
from zoneshare_protocols.seal.records import Award, Bid, Bidder, Item, Outcome, Task, Terms
from zoneshare_protocols.seal.score import Fallback, duration, energy_term, fallback, in_time


class Candidate(NamedTuple):
    """A member of N_j (30). They sort by (score, seat): the auction's order (H3)."""

    score: int
    """s_ij = e_ij + b_ij, the marginal cost factor (31) over (1 - theta), rounded up."""
    seat: int
    energy_term: int
    price: int
    resource: int


def by_urgency(tasks: Iterable[Task]) -> list[Task]:
    """J': the most urgent first, equally urgent ones by id. Raises Malformed for two tasks of one id."""
    order = sorted(tasks, key=lambda task: (-task.urgency, task.id))
    if len({task.id for task in order}) != len(order):
        raise Malformed("two tasks have the same id")
    return order


def trim(tasks: Iterable[Task], enough: Callable[[list[Task]], bool]) -> list[Task]:
    """The tasks, most urgent first, without the least urgent ones until ``enough`` says so."""
    order = by_urgency(tasks)
    while order and not enough(order):
        order.pop()
    return order


def check_bid(bid: Bid, tasks: Sequence[Task]) -> None:
    """Whether a bid can be taken as it is: what a client runs before it seals one, so that (29) drops nothing.

    Raises Malformed for a task twice, an unknown task or another resource than the posted one, LimitExceeded when the
    bundle needs more than is free.
    """
    known = {task.id: task for task in tasks}
    if len({item.task for item in bid.items}) != len(bid.items):
        raise Malformed("a bid names a task twice")
    for item in bid.items:
        if item.task not in known:
            raise Malformed("a bid for a task that is not auctioned", task=item.task)
        if known[item.task].resource not in (0, item.resource):
            raise Malformed("the task's resource is posted", task=item.task, posted=known[item.task].resource)
    needed = sum(item.resource for item in bid.items)
    if needed > bid.free:
        raise LimitExceeded("the bundle needs more than is free", value=needed, limit=bid.free)


def feasible(bid: Bid, order: Sequence[Task], max_tasks: int) -> list[tuple[Task, Item]]:
    """A_i (29): in the order of urgency every task that still fits, ``max_tasks`` at most (H10)."""
    offered = {item.task: item for item in bid.items}
    taken: list[tuple[Task, Item]] = []
    left = bid.free
    for task in order:
        item = offered.get(task.id)
        if item is not None and item.resource <= left and task.resource in (0, item.resource):
            taken.append((task, item))
            left -= item.resource
            if len(taken) == max_tasks:
                break
    return taken


def candidates(order: Sequence[Task], bidders: Iterable[Bidder], terms: Terms) -> dict[int, list[Candidate]]:
    """N_j (30) of every task, by its id. Raises Malformed for two bidders on one seat."""
    found: dict[int, list[Candidate]] = {task.id: [] for task in order}
    seats: set[int] = set()
    for bidder in bidders:
        if bidder.seat in seats:
            raise Malformed("two bidders have the same seat", seat=bidder.seat)
        seats.add(bidder.seat)
        for task, item in feasible(bidder.bid, order, terms.max_tasks):
            if in_time(task, item.resource, min(task.deadline, bidder.dwell), terms.rate):
                spent = energy_term(task, item.resource, terms)
                one = Candidate(spent + item.price, bidder.seat, spent, item.price, item.resource)
                found[task.id].append(one)
    return found


def run(tasks: Iterable[Task], bidders: Iterable[Bidder], terms: Terms) -> Outcome:
    """Algorithm 2: for each task the least (score, seat) wins and is paid up to the next best score, or bidder 0's.

    Raises Malformed for two tasks of one id or two bidders on one seat.
    """
    order = by_urgency(tasks)
    groups = candidates(order, bidders, terms)
    awards: list[Award] = []
    unsold: dict[int, Fallback] = {}
    for task in order:
        other = fallback(task, terms)
        limit = other.limit(terms)
        best = sorted(groups[task.id])[:2]
        if not best or best[0].score > limit:
            unsold[task.id] = other
            continue
        critical = min(best[1].score, limit) if len(best) > 1 else limit
        awards.append(award(task, best[0], critical - best[0].energy_term, terms))
    return outcome(awards, unsold)


def award(task: Task, winner: Candidate, payment: int, terms: Terms) -> Award:
    """What the winner of a task gets, and how long it has (H6)."""
    return Award(task.id, winner.seat, payment, duration(task, winner.resource, terms.rate) + terms.slack)


def outcome(awards: Iterable[Award], unsold: Mapping[int, Fallback]) -> Outcome:
    """The auction's result, with the tasks no vehicle got at their fallback."""
    ids = {
        kind: tuple(task for task, other in unsold.items() if other.kind == kind)
        for kind in ("cloud", "local", "dropped")
    }
    return Outcome(tuple(awards), ids["cloud"], ids["local"], ids["dropped"])
