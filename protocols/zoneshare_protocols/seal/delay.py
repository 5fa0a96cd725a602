"""Delay: what is not exact in :mod:`.score`. The channel's rate, and a location's completion time (Figs. 10 and 11)."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import log2

from zoneshare_protocols.errors import Malformed
from zoneshare_protocols.seal.records import Outcome, Task, Terms
from zoneshare_protocols.seal.score import fallback


@dataclass(frozen=True)
class Channel:
    """The air-to-ground link by Shannon: an option, the paper's r is one constant. SI units."""

    bandwidth: float
    """Hz."""
    power: float
    """P_tx, W."""
    gain: float
    """g0, at 1 m."""
    noise: float
    """N0, W/Hz."""
    height: float = 100.0
    """h, m."""

    def rate(self, distance: float) -> float:
        """r in bit/s at a horizontal distance in m."""
        path = self.height**2 + distance**2
        return self.bandwidth * log2(1 + self.power * self.gain / (path * self.noise * self.bandwidth))


def shared_rate(rate: int, uploads: int) -> int:
    """r, bit/s, where uploads share the link (H13): to be put into the terms before the auction. Raises Malformed."""
    if uploads < 1 or rate < uploads:
        raise Malformed("a link is shared by one upload at least", uploads=uploads, rate=rate)
    return rate // uploads


def serving_time(tasks: Iterable[Task], outcome: Outcome, terms: Terms) -> int:
    """sum_j T_j in ms: how long the drone hovers for its tasks by (17), one after the other."""
    known = {task.id: task for task in tasks}
    sold = sum(award.within - terms.slack for award in outcome.awards)
    return sold + sum(fallback(known[one], terms).duration for one in (*outcome.cloud, *outcome.local))
