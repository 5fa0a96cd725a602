"""Markets with the paper's parameters (Table IV), for whoever has no traces. Randomness comes from the caller."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from zoneshare_protocols.seal.energy import cruise, flight
from zoneshare_protocols.seal.mobility import Road, dwell, whole_millis
from zoneshare_protocols.seal.records import Bid, Bidder, Cloud, Item, Local, Task, Terms
from zoneshare_protocols.seal.route import Location
from zoneshare_protocols.seal.score import weight

MEGA = 10**6
Span = tuple[int, int]
"""Both ends included."""


@dataclass(frozen=True)
class Parameters:
    """Table IV. What the paper's text lost is chosen; docs/seal.md says which."""

    road: Road = field(default_factory=Road)
    size: Span = (5 * MEGA, 20 * MEGA)
    """D_j, bit."""
    deadline: Span = (3000, 10_000)
    """Tmax_j, ms."""
    intensity: int = 500
    urgency: Span = (1, 10)
    resource: Span = (1000 * MEGA, 4000 * MEGA)
    """f_ij, cycles/s."""
    free: Span = (2000 * MEGA, 8000 * MEGA)
    """F_i, cycles/s."""
    unit_cost: Span = (50, 150)
    """a_i, money for 1e9 cycles/s."""
    fixed_cost: Span = (20, 50)
    tasks: Span = (5, 15)
    """A location."""
    locations: int = 20
    segment: float = 500.0
    """d_l, m (chosen)."""
    slowest: float = 5.0
    """vu_min, m/s."""
    fastest: float = 25.0


PAPER = Parameters()


def paper_terms(theta: Fraction = Fraction(1, 2), eta: Fraction = Fraction(1, 2), slack: int = 1620) -> Terms:
    """The public terms of Table IV. ``slack`` in ms: two of the paper's longest ledger latencies."""
    return Terms(
        rate=20 * MEGA,
        hover=168_490,
        transmit=500,
        weight=weight(theta, eta),
        cap=3000,
        max_tasks=32,
        penalty=500,
        slack=slack,
        cloud=Cloud(4 * MEGA, 10_000 * MEGA, 400),
        local=Local(1000 * MEGA, 20_000),
    )


@dataclass(frozen=True)
class Costs:
    """A vehicle's truth (5): c_ij = a_i * f_ij + c0_i, rounded up."""

    unit: int
    fixed: int

    def of(self, resource: int) -> int:
        """Money for ``resource`` cycles/s."""
        return -(-self.unit * resource // 10**9) + self.fixed


def draw_tasks(rng: np.random.Generator, first: int, parameters: Parameters = PAPER) -> tuple[Task, ...]:
    """A location's tasks, with ids from ``first`` on."""
    count = _draw(rng, parameters.tasks)
    return tuple(draw_task(rng, first + index, parameters) for index in range(count))


def draw_task(rng: np.random.Generator, number: int, parameters: Parameters = PAPER) -> Task:
    """One task."""
    size, urgency = _draw(rng, parameters.size), _draw(rng, parameters.urgency)
    return Task(number, size, urgency, _draw(rng, parameters.deadline), parameters.intensity)


def draw_bid(
    rng: np.random.Generator, tasks: Sequence[Task], max_tasks: int, parameters: Parameters = PAPER
) -> tuple[Bid, Costs] | None:
    """A truthful bid whose bundle fits: tasks in random order, a slice for each, as long as there is room.

    Were all to take the most urgent first, nobody would bid for the others (docs/seal.md). None if not one task fits.
    """
    costs = Costs(_draw(rng, parameters.unit_cost), _draw(rng, parameters.fixed_cost))
    left = free = _draw(rng, parameters.free)
    items: list[Item] = []
    for index in rng.permutation(len(tasks)):
        task = tasks[index]
        resource = task.resource or _draw(rng, parameters.resource)
        if resource <= left and len(items) < max_tasks:
            items.append(Item(task.id, resource, costs.of(resource)))
            left -= resource
    return (Bid(free, tuple(items)), costs) if items else None


def draw_dwell(rng: np.random.Generator, density: float, parameters: Parameters = PAPER) -> int:
    """Tdw of a vehicle somewhere on the road, driving either way, ms. ``density`` in vehicles/m."""
    road = parameters.road
    distance, towards = float(rng.uniform(0, road.radius)), bool(rng.integers(2))
    return whole_millis(dwell(road.radius, distance, towards, road.speed(density)))


def draw_bidders(
    rng: np.random.Generator, tasks: Sequence[Task], density: float, terms: Terms, parameters: Parameters = PAPER
) -> tuple[list[Bidder], dict[int, Costs]]:
    """Who is in coverage at ``density`` vehicles/m (Poisson), with truthful bids, and their costs by seat."""
    bidders: list[Bidder] = []
    truths: dict[int, Costs] = {}
    for seat in range(1, int(rng.poisson(density * 2 * parameters.road.radius)) + 1):
        drawn = draw_bid(rng, tasks, terms.max_tasks, parameters)
        when = draw_dwell(rng, density, parameters)
        if drawn is not None:
            bidders.append(Bidder(seat, when, drawn[0]))
            truths[seat] = drawn[1]
    return bidders, truths


def draw_route(rng: np.random.Generator, speed: float | None = None, parameters: Parameters = PAPER) -> list[Location]:
    """The drone's stops. ``speed``, m/s: that of least energy per metre (SEAL's) unless it is given (EAA, DAA, PAA)."""
    pace = cruise(parameters.slowest, parameters.fastest) if speed is None else speed
    energy, time = flight(parameters.segment, pace)
    stops: list[Location] = []
    first = 0
    for _ in range(parameters.locations):
        tasks = draw_tasks(rng, first, parameters)
        first += len(tasks)
        stops.append(Location(tasks, energy, time))
    return stops


def _draw(rng: np.random.Generator, span: Span) -> int:
    return int(rng.integers(span[0], span[1], endpoint=True))
