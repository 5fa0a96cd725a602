"""What a pair of task and bidder costs, exactly: times and energy as ratios of integers, rounded once (H4)."""

from fractions import Fraction
from typing import NamedTuple

from zoneshare_protocols.errors import Malformed
from zoneshare_protocols.seal.records import FULL, Task, Terms


def weight(theta: Fraction, eta: Fraction) -> tuple[int, int]:
    """theta * eta / (1 - theta), money per joule, as :attr:`Terms.weight` has it.

    ``theta``: weight of energy against payment, in [0, 1); ``eta``: money per joule. Raises Malformed outside.
    """
    if not 0 <= theta < 1 or eta < 0:
        raise Malformed("theta is in [0, 1) and eta not negative", theta=str(theta), eta=str(eta))
    ratio = theta * eta / (1 - theta)
    return ratio.numerator, ratio.denominator


def in_time(task: Task, resource: int, limit: int, rate: int) -> bool:
    """T_ij <= ``limit`` ms, exactly (18), (24). ``rate`` in bit/s, ``resource`` in cycles/s."""
    return 1000 * task.size * (resource + task.intensity * rate) <= limit * rate * resource


def duration(task: Task, resource: int, rate: int) -> int:
    """T_ij (18) in ms, rounded up."""
    return _ceil(1000 * task.size * (resource + task.intensity * rate), rate * resource)


def energy(task: Task, resource: int, terms: Terms) -> Fraction:
    """dE_ij in mJ: what (17) gains when the pair is chosen. Propulsion is the same for all and not in it."""
    return Fraction(_energy(task, resource, terms.rate, terms), terms.rate * resource)


def energy_term(task: Task, resource: int, terms: Terms) -> int:
    """e_ij = ceil(theta * eta / (1 - theta) * dE_ij), money."""
    up, down = terms.weight
    return _ceil(up * _energy(task, resource, terms.rate, terms), 1000 * down * terms.rate * resource)


class Fallback(NamedTuple):
    """Bidder 0 of a task (H1)."""

    score: int
    """s_0j: the most the drone gives for the task, energy and payment together."""
    kind: str
    """``cloud``, ``local`` or ``dropped``."""
    price: int
    energy: Fraction
    """mJ."""
    duration: int
    """ms, rounded up."""

    def limit(self, terms: Terms) -> int:
        """The highest score at which a vehicle is taken: s_0j, or the reserve's part of it, rounded down."""
        return self.score * terms.reserve // FULL


def fallback(task: Task, terms: Terms) -> Fallback:
    """The cheaper of cloud and local that is in time; else none, at the drone's cap. Ties go to the cloud."""
    found: list[Fallback] = []
    cloud, local = terms.cloud, terms.local
    if cloud is not None and in_time(task, cloud.resource, task.deadline, cloud.rate):
        spent = Fraction(_energy(task, cloud.resource, cloud.rate, terms), cloud.rate * cloud.resource)
        score = cloud.price + _money(spent, terms)
        found.append(Fallback(score, "cloud", cloud.price, spent, duration(task, cloud.resource, cloud.rate)))
    if local is not None and 1000 * task.intensity * task.size <= task.deadline * local.resource:
        cycles = task.intensity * task.size
        spent = Fraction((terms.hover + local.power) * cycles, local.resource)
        found.append(Fallback(_money(spent, terms), "local", 0, spent, _ceil(1000 * cycles, local.resource)))
    return min(found, key=lambda one: one.score, default=Fallback(terms.cap, "dropped", 0, Fraction(0), 0))


def _energy(task: Task, resource: int, rate: int, terms: Terms) -> int:
    """mJ times rate times resource."""
    return task.size * (terms.hover * (resource + task.intensity * rate) + terms.transmit * resource)


def _money(spent: Fraction, terms: Terms) -> int:
    up, down = terms.weight
    return _ceil(up * spent.numerator, 1000 * down * spent.denominator)


def _ceil(above: int, below: int) -> int:
    return -(-above // below)
