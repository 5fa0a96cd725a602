"""Searches for profitable lies: what a vehicle, or a pair, can gain over telling the truth, by trying."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from random import Random

from msgspec.structs import replace

from tests.rules.seal.market import MEGA, TERMS, Vehicle, payoff, random_task
from zoneshare_protocols.seal.auction import run
from zoneshare_protocols.seal.records import Bid, Bidder, Item, Outcome, Task, Terms
from zoneshare_protocols.seal.score import energy_term, fallback

Worth = Callable[[Outcome, Vehicle], int]
Mechanism = Callable[[Sequence[Task], Sequence[Bidder], Terms], Outcome]


def lie(vehicle: Vehicle, offers: Iterable[tuple[int, int, int]], free: int = 0) -> Bidder:
    """A bid of (task, resource, price); without a task it is none: a seat with a bid no auction looks at."""
    items = tuple(Item(*offer) for offer in offers) or (Item(10**6, 1, 0),)
    return Bidder(vehicle.seat, vehicle.dwell, Bid(free or vehicle.free, items))


def price_lies(vehicle: Vehicle, dice: Random, count: int) -> Iterator[Bidder]:
    """All prices of the bundle at once, below, near and above the truth."""
    for _ in range(count):
        yield lie(vehicle, [(t, f, _price(dice, vehicle.cost(f))) for t, f in vehicle.slices])


def resource_lies(vehicle: Vehicle, dice: Random, count: int) -> Iterator[Bidder]:
    """Less than the reserved slices, at any price: the cost stays what the slices cost (H7)."""
    for _ in range(count):
        cut = [(t, dice.choice((f, f - 1, f * 3 // 4, f // 2)), vehicle.cost(f)) for t, f in vehicle.slices]
        yield lie(vehicle, [(t, f, dice.choice((true, _price(dice, true)))) for t, f, true in cut])


def bundle_lies(vehicle: Vehicle) -> Iterator[Bidder]:
    """Every smaller bundle at true prices."""
    for size in range(len(vehicle.slices)):
        for part in combinations(vehicle.slices, size):
            yield lie(vehicle, [(t, f, vehicle.cost(f)) for t, f in part])


@dataclass(frozen=True)
class Setting:
    """Whose lies are tried where: the others tell the truth."""

    tasks: list[Task]
    vehicles: list[Vehicle]
    terms: Terms = TERMS
    mechanism: Mechanism = run
    worth: Worth | None = None
    """What an outcome is worth to a vehicle, if not what :func:`payoff` says."""

    def best_gain(self, liar: Vehicle, lies: Iterable[Bidder]) -> int:
        """The most ``liar`` gains over the truth by one of ``lies``; 0 or less: it gains nothing."""
        others = [one.truth() for one in self.vehicles if one.seat != liar.seat]
        true = self._worth(liar, [*others, liar.truth()])
        return max((self._worth(liar, [*others, told]) - true for told in lies), default=0)

    def _worth(self, liar: Vehicle, bidders: Sequence[Bidder]) -> int:
        outcome = self.mechanism(self.tasks, bidders, self.terms)
        return self.worth(outcome, liar) if self.worth else payoff(outcome, liar, self.tasks, self.terms)


@dataclass(frozen=True)
class Collusion:
    """What pairs gain, over many auctions of one task."""

    markets: int
    gaining: int
    """Auctions in which some pair gains."""
    gain: int
    """Sum of the best pair's gains."""
    paid: int
    """Sum of truthful payments."""
    cost: int
    """Sum of truthful scores and payments to the drone: what it spends, energy included."""
    sold: int


def collusion(markets: int, vehicles: int, terms: Terms) -> Collusion:
    """Every pair, each of the two at the truth, half above it, or out of reach; side payments are free."""
    gaining = gain = paid = cost = sold = 0
    for seed in range(markets):
        dice = Random(seed)
        task = replace(random_task(dice, 0), deadline=10_000)
        crowd = [one_task_vehicle(dice, seat, task) for seat in range(1, vehicles + 1)]
        honest = run([task], [one.truth() for one in crowd], terms)
        best = max(_pair_gain(task, crowd, pair, honest, terms) for pair in combinations(crowd, 2))
        gaining += best > 0
        gain += max(best, 0)
        paid += honest.paid
        sold += len(honest.awards)
        cost += _cost(honest, task, crowd, terms)
    return Collusion(markets, gaining, gain, paid, cost, sold)


def one_task_vehicle(dice: Random, seat: int, task: Task) -> Vehicle:
    resource = dice.randint(1000, 4000) * MEGA
    return Vehicle(seat, resource, dice.randint(50, 150), dice.randint(20, 50), ((task.id, resource),))


def collusion_table() -> str:
    """Markdown: what a pair gains against the number of bidders and the reserve."""
    lines = [
        "| bidders | reserve | auctions with a gain | best pair's gain, of payments | sold | drone's cost |",
        "|---|---|---|---|---|---|",
    ]
    for vehicles in (4, 8):
        all_found = {
            percent: collusion(25, vehicles, replace(TERMS, reserve=percent * 10_000)) for percent in (100, 85, 70)
        }
        base = all_found[100].cost
        for percent, found in all_found.items():
            lines.append(
                f"| {vehicles} | {percent} % | {100 * found.gaining // found.markets} % "
                f"| {100 * found.gain // max(1, found.paid)} % | {100 * found.sold // found.markets} % "
                f"| {100 * found.cost // base} % |"
            )
    return "\n".join(lines) + "\n"


def _pair_gain(task: Task, crowd: list[Vehicle], pair: tuple[Vehicle, ...], honest: Outcome, terms: Terms) -> int:
    true = sum(payoff(honest, one, [task], terms) for one in pair)
    others = [one.truth() for one in crowd if one not in pair]
    best = 0
    prices = [(vehicle.cost(f), vehicle.cost(f) * 3 // 2, 10**6) for vehicle in pair for _, f in vehicle.slices]
    for told in product(*prices):
        bids = [
            lie(vehicle, [(t, f, price) for t, f in vehicle.slices]) for vehicle, price in zip(pair, told, strict=True)
        ]
        outcome = run([task], [*others, *bids], terms)
        best = max(best, sum(payoff(outcome, one, [task], terms) for one in pair) - true)
    return best


def _cost(outcome: Outcome, task: Task, crowd: list[Vehicle], terms: Terms) -> int:
    if not outcome.awards:
        return fallback(task, terms).score
    (won,) = outcome.awards
    resource = next(f for one in crowd if one.seat == won.seat for _, f in one.slices)
    return won.payment + energy_term(task, resource, terms)


def _price(dice: Random, true: int) -> int:
    near = true + dice.randint(-3, 3)
    return max(0, dice.choice((near, true * dice.randint(0, 40) // 20, dice.randint(0, 3000))))
