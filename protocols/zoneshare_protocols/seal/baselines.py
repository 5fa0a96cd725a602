"""The schemes SEAL is compared with, on the same candidates: EAA, DAA, PAA, all to the cloud, all local.

What they pay is not in the paper: the winner's price here. With one rate for all, the vehicle that takes the least time
takes the least energy too: EAA and DAA choose the same vehicles, and differ by the drone's speed (:mod:`.energy`).
"""

from collections.abc import Callable, Iterable
from enum import StrEnum

from msgspec.structs import replace

from zoneshare_protocols.seal.auction import Candidate, award, by_urgency, candidates, outcome
from zoneshare_protocols.seal.records import Bidder, Outcome, Task, Terms
from zoneshare_protocols.seal.score import fallback


class Scheme(StrEnum):
    """SEAL's rivals in the paper's figures."""

    EAA = "eaa"
    """The least energy."""
    DAA = "daa"
    """The least delay."""
    PAA = "paa"
    """The least price."""
    CLOUD = "cloud"
    LOCAL = "local"


_ORDER: dict[Scheme, Callable[[Candidate], tuple[int, int]]] = {
    Scheme.EAA: lambda one: (-one.resource, one.seat),
    Scheme.DAA: lambda one: (-one.resource, one.seat),
    Scheme.PAA: lambda one: (one.price, one.seat),
}


def run_scheme(scheme: Scheme, tasks: Iterable[Task], bidders: Iterable[Bidder], terms: Terms) -> Outcome:
    """The scheme's result; tasks without a candidate, or that the one place cannot do in time, as SEAL's (H1)."""
    order = by_urgency(tasks)
    if scheme in (Scheme.CLOUD, Scheme.LOCAL):
        only = _only(scheme, terms)
        return outcome((), {task.id: fallback(task, only) for task in order})
    groups = candidates(order, bidders, terms)
    first = {task.id: min(found, key=_ORDER[scheme]) for task in order if (found := groups[task.id])}
    return outcome(
        [award(task, first[task.id], first[task.id].price, terms) for task in order if task.id in first],
        {task.id: fallback(task, terms) for task in order if task.id not in first},
    )


def _only(scheme: Scheme, terms: Terms) -> Terms:
    return replace(terms, local=None) if scheme is Scheme.CLOUD else replace(terms, cloud=None)
