"""The drone's energy and cost (16), (17), its speed, and its battery across locations (footnote 4).

What the auction and the route decide by is in integers (mJ, mW, money); the propulsion model is floating point and is
rounded up once, when a route is made.
"""

from collections.abc import Iterable
from fractions import Fraction
from math import ceil, sqrt

from msgspec.structs import replace

from zoneshare_protocols.errors import Malformed
from zoneshare_protocols.seal.auction import trim
from zoneshare_protocols.seal.records import Bidder, Outcome, Task, Terms
from zoneshare_protocols.seal.score import energy, fallback

BATTERY = 415_584_000
"""5200 mAh at 22.2 V, mJ."""


def propulsion(speed: float) -> float:
    """P(v), W, at ``speed`` m/s: a rotary wing (Zeng, Xu, Zhang 2019). P(0) is the hovering power."""
    blade = 79.86 * (1 + 3 * speed**2 / 120**2)
    lift = 88.63 * sqrt(sqrt(1 + speed**4 / (4 * 4.03**4)) - speed**2 / (2 * 4.03**2))
    drag = 0.5 * 0.6 * 1.225 * 0.05 * 0.503 * speed**3
    return blade + lift + drag


def cruise(slowest: float, fastest: float) -> float:
    """SEAL's v_u: the speed in [slowest, fastest] with the least energy per metre, to 1 mm/s.

    P(v)/v has one minimum, so the search halves the range. Raises Malformed for an empty range or a speed of 0.
    """
    if not 0 < slowest <= fastest:
        raise Malformed("speeds are positive, the lowest first", slowest=str(slowest), fastest=str(fastest))
    low, high = slowest, fastest
    while high - low > 0.001:
        third = (high - low) / 3
        if propulsion(low + third) / (low + third) <= propulsion(high - third) / (high - third):
            high -= third
        else:
            low += third
    return low if low == slowest else high if high == fastest else (low + high) / 2


def flight(distance: float, speed: float) -> tuple[int, int]:
    """Propulsion in mJ and time in ms of ``distance`` m at ``speed`` m/s, both rounded up."""
    return ceil(1000 * propulsion(speed) * distance / speed), ceil(1000 * distance / speed)


def tasks_energy(tasks: Iterable[Task], bidders: Iterable[Bidder], outcome: Outcome, terms: Terms) -> int:
    """The hovering and transmission part of (17), mJ, rounded up: what the drone itself measures in the end."""
    known = {task.id: task for task in tasks}
    offered = {(one.seat, item.task): item.resource for one in bidders for item in one.bid.items}
    sold = (energy(known[won.task], offered[won.seat, won.task], terms) for won in outcome.awards)
    rest = (fallback(known[one], terms).energy for one in (*outcome.cloud, *outcome.local))
    return ceil(sum(sold, Fraction(0)) + sum(rest, Fraction(0)))


def cost(energy_spent: int, outcome: Outcome, theta: Fraction, eta: Fraction, terms: Terms) -> Fraction:
    """C_l (16), money: ``energy_spent`` is E_l (17) in mJ, propulsion included; the cloud is paid its price."""
    cloud = terms.cloud.price * len(outcome.cloud) if terms.cloud is not None else 0
    return theta * eta * Fraction(energy_spent, 1000) + (1 - theta) * (outcome.paid + cloud)


def highest_energy(task: Task, terms: Terms) -> int:
    """The most a task can cost the drone, mJ, whoever wins it: nobody takes longer than its deadline."""
    vehicle = Fraction(terms.hover * task.deadline, 1000) + Fraction(terms.transmit * task.size, terms.rate)
    return ceil(max(vehicle, fallback(task, terms).energy))


def within_battery(tasks: Iterable[Task], terms: Terms, budget: int) -> list[Task]:
    """The tasks, most urgent first, that ``budget`` mJ is enough for, whatever is bid. The least urgent are left out.

    Decided before bids are opened, so that no bid changes which tasks there are.
    """
    return trim(tasks, lambda kept: sum(highest_energy(task, terms) for task in kept) <= budget)


def next_deficit(deficit: int, spent: int, average: int) -> int:
    """The energy deficit after a location, mJ: a queue fed by what was spent over the average budget (footnote 4)."""
    return max(0, deficit + spent - average)


def deficit_terms(terms: Terms, deficit: int, control: int) -> Terms:
    """The terms with energy weighed dearer by the deficit: drift plus penalty, (control * C_l + deficit * E_l) least.

    ``control``, V, is in mJ: a deficit of V adds one unit of money per joule and (1 - theta). Public, and fixed before
    bids are opened, so within a location the auction stays truthful (docs/seal.md). Raises Malformed unless V > 0.
    """
    if control <= 0 or deficit < 0:
        raise Malformed("V is positive and a deficit not negative", control=control, deficit=deficit)
    ratio = Fraction(*terms.weight) + Fraction(deficit, control)
    return replace(terms, weight=(ratio.numerator, ratio.denominator))
