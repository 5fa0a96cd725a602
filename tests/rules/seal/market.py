"""Markets for tests: tasks, bidders and terms with the paper's parameters, and small ones with many ties."""

from dataclasses import dataclass
from fractions import Fraction
from random import Random

from msgspec.structs import replace

from zoneshare_protocols.seal.records import Bid, Bidder, Cloud, Item, Local, Outcome, Task, Terms
from zoneshare_protocols.seal.score import duration, weight

GIGA = 10**9
MEGA = 10**6
LONG = 10**9
"""A dwell time that hinders nobody, ms."""

TERMS = Terms(
    rate=20 * MEGA,
    hover=168_490,
    transmit=500,
    weight=weight(Fraction(1, 2), Fraction(1, 2)),
    cap=3000,
    max_tasks=32,
    penalty=500,
    slack=1620,
    cloud=Cloud(4 * MEGA, 10 * GIGA, 400),
    local=Local(GIGA, 20_000),
)
BARE = replace(TERMS, cloud=None, local=None)
"""No fallback: bidder 0 is the drone's cap."""


def task(number: int, urgency: int = 5, size: int = 10 * MEGA, deadline: int = 10_000) -> Task:
    return Task(number, size, urgency, deadline, 500)


def bidder(seat: int, *offers: tuple[int, int, int], free: int = 0, dwell: int = LONG) -> Bidder:
    """``offers``: (task, resource, price); ``free`` as much as they need unless it is said."""
    items = tuple(Item(*offer) for offer in offers)
    return Bidder(seat, dwell, Bid(free or sum(item.resource for item in items), items))


@dataclass(frozen=True)
class Vehicle:
    """A bidder's truth: what a task costs it, whatever it says."""

    seat: int
    free: int
    unit: int
    """Money for 1e9 cycles/s."""
    fixed: int
    slices: tuple[tuple[int, int], ...]
    """(task, resource): the resources reserved for each task."""
    dwell: int = LONG

    def cost(self, resource: int) -> int:
        return -(-self.unit * resource // GIGA) + self.fixed

    def truth(self) -> Bidder:
        items = tuple(Item(number, resource, self.cost(resource)) for number, resource in self.slices)
        return Bidder(self.seat, self.dwell, Bid(self.free, items))


def random_task(dice: Random, number: int) -> Task:
    size, deadline = dice.randint(5, 20) * MEGA, dice.randint(3000, 10_000)
    return Task(number, size, dice.randint(1, 10), deadline, 500)


def random_vehicle(dice: Random, seat: int, tasks: list[Task]) -> Vehicle:
    """It bids for tasks, the most urgent first, as far as its resources go (H5)."""
    left = free = dice.randint(2000, 8000) * MEGA
    slices: list[tuple[int, int]] = []
    for one in sorted(tasks, key=lambda t: (-t.urgency, t.id)):
        resource = dice.randint(1000, 4000) * MEGA
        if resource <= left:
            slices.append((one.id, resource))
            left -= resource
    dwell = dice.randint(2000, 60_000)
    return Vehicle(seat, free, dice.randint(50, 150), dice.randint(20, 50), tuple(slices), dwell)


def random_market(dice: Random, tasks: int, vehicles: int) -> tuple[list[Task], list[Vehicle]]:
    made = [random_task(dice, number) for number in range(tasks)]
    return made, [random_vehicle(dice, seat, made) for seat in range(1, vehicles + 1)]


def payoff(outcome: Outcome, vehicle: Vehicle, tasks: list[Task], terms: Terms = TERMS) -> int:
    """Payments less what its reserved slices cost it, whatever it reports (H7). A task that the true slice does not
    finish within the promised time is not paid, and its score limit is lost (H6, H11)."""
    slices = dict(vehicle.slices)
    known = {one.id: one for one in tasks}
    total = 0
    for won in outcome.of(vehicle.seat):
        resource = slices.get(won.task, vehicle.free)
        if duration(known[won.task], resource, terms.rate) > won.within:
            total -= vehicle.cost(resource) + terms.cap
        else:
            total += won.payment - vehicle.cost(resource)
    return total
