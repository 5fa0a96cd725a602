"""What each party puts in escrow, and what everybody has out of it at the end (H9, H10, H11). Money is conserved."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from zoneshare_protocols.errors import InsufficientFunds, NotConserved
from zoneshare_protocols.seal.auction import trim
from zoneshare_protocols.seal.records import Outcome, Task, Terms
from zoneshare_protocols.seal.score import fallback


def drone_deposit(tasks: Iterable[Task], terms: Terms) -> int:
    """D_u: the sum of every task's s_0j, and Q. It covers all payments whatever the bids are (H9)."""
    return sum(fallback(task, terms).score for task in tasks) + terms.penalty


def covered(tasks: Iterable[Task], terms: Terms, deposit: int) -> list[Task]:
    """The tasks, most urgent first, that ``deposit`` covers: the least urgent are left out until it does (H9)."""
    return trim(tasks, lambda kept: drone_deposit(kept, terms) <= deposit)


def bidder_deposit(tasks: Sequence[Task], terms: Terms) -> int:
    """D_i, the same for all, so that it tells nothing: n_max times the highest s_0j, and the stalling charge (H10)."""
    highest = max((fallback(task, terms).score for task in tasks), default=0)
    return min(terms.max_tasks, len(tasks)) * highest + terms.stall


def check_covered(outcome: Outcome, terms: Terms, deposit: int) -> None:
    """What the contract checks when it records a result. Raises InsufficientFunds unless payments <= D_u - Q."""
    if outcome.paid + terms.penalty > deposit:
        raise InsufficientFunds(
            "the drone's deposit does not cover the payments", balance=deposit, needed=outcome.paid + terms.penalty
        )


@dataclass(frozen=True)
class Ending:
    """How an auction ended, in money."""

    drone: int
    """The drone's deposit."""
    bidders: Mapping[int, int]
    """Deposits by seat, of everybody who paid one."""
    claims: Mapping[int, int] = field(default_factory=dict)
    """due_i of those who claimed."""
    faults: Mapping[int, int] = field(default_factory=dict)
    """Sum of s_0j of the tasks a winner is to blame for."""
    stalled: frozenset[int] = frozenset()
    """Who paid, but neither agreed nor declined."""
    cancelled: bool = False
    """By the drone's fault: no result, or no commit, in time."""


@dataclass(frozen=True)
class Shares:
    """What leaves the escrow for each."""

    drone: int
    bidders: dict[int, int]


def share_out(ending: Ending, terms: Terms) -> Shares:
    """RefundAll. Q of a drone that did not carry the auction through goes in equal parts to the bidders that did not
    stall; what does not divide, and all of it where there is none, stays the drone's.

    Raises NotConserved when a claim, a fault or Q is more than the deposit it comes from.
    """
    left = {
        seat: deposit - ending.faults.get(seat, 0) - (terms.stall if seat in ending.stalled else 0)
        for seat, deposit in ending.bidders.items()
    }
    drone = ending.drone + sum(ending.bidders.values()) - sum(left.values()) - sum(ending.claims.values())
    if min(left.values(), default=0) < 0 or sum(ending.claims.values()) > ending.drone:
        raise NotConserved("more is taken than was deposited", expected=ending.drone, actual=drone)
    for seat, amount in ending.claims.items():
        left[seat] += amount
    patient = [seat for seat in left if seat not in ending.stalled]
    if ending.cancelled and patient:
        if terms.penalty > ending.drone:
            raise NotConserved("Q is more than the drone's deposit", expected=terms.penalty, actual=ending.drone)
        part = terms.penalty // len(patient)
        drone -= part * len(patient)
        for seat in patient:
            left[seat] += part
    return Shares(drone, left)
