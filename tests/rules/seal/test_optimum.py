from itertools import product
from random import Random

from msgspec.structs import replace

from tests.rules.seal.market import BARE, GIGA, TERMS, Vehicle, bidder, random_market, task
from zoneshare_protocols.seal.auction import run
from zoneshare_protocols.seal.optimum import clarke, least_cost
from zoneshare_protocols.seal.records import Bidder, Item, Outcome, Task
from zoneshare_protocols.seal.score import energy_term, fallback, in_time


def reached(result: Outcome, tasks: list[Task], bidders: list[Bidder]) -> int:
    chosen = {won.task: won.seat for won in result.awards}
    return sum(score(one, chosen.get(one.id, 0), bidders) or 0 for one in tasks)


def score(one: Task, seat: int, bidders: list[Bidder]) -> int | None:
    """None where the bidder cannot do the task; seat 0 is bidder 0."""
    if seat == 0:
        return fallback(one, TERMS).score
    by_seat = {other.seat: other for other in bidders}
    found = [item for item in by_seat[seat].bid.items if item.task == one.id]
    limit = min(one.deadline, by_seat[seat].dwell)
    if not found or not in_time(one, found[0].resource, limit, TERMS.rate):
        return None
    return energy_term(one, found[0].resource, TERMS) + found[0].price


def by_force(tasks: list[Task], bidders: list[Bidder]) -> int:
    best = sum(fallback(one, TERMS).score for one in tasks)
    for seats in product(range(len(bidders) + 1), repeat=len(tasks)):
        parts = [score(one, seat, bidders) for one, seat in zip(tasks, seats, strict=True)]
        used = dict.fromkeys(seats, 0)
        for one, seat in zip(tasks, seats, strict=True):
            used[seat] += next(
                (i.resource for b in bidders if b.seat == seat for i in b.bid.items if i.task == one.id), 0
            )
        fits = all(used.get(other.seat, 0) <= other.bid.free for other in bidders)
        if fits and None not in parts:
            best = min(best, sum(part or 0 for part in parts))
    return best


def greedy_bidder(vehicle: Vehicle, tasks: list[Task], dice: Random) -> Bidder:
    """It bids for every task, more than it has room for."""
    offers = [(one.id, dice.randint(1, 4) * GIGA) for one in tasks]
    return bidder(vehicle.seat, *[(number, f, vehicle.cost(f)) for number, f in offers], free=5 * GIGA)


def test_the_solver_finds_what_brute_force_finds() -> None:
    for seed in range(25):
        dice = Random(seed)
        tasks, vehicles = random_market(dice, 3, 3)
        bidders = [greedy_bidder(one, tasks, dice) for one in vehicles]
        best = least_cost(tasks, bidders, TERMS)
        assert best.cost == by_force(tasks, bidders)
        assert best.cost <= reached(run(tasks, bidders, TERMS), tasks, bidders)
        chosen = dict(best.chosen)
        assert best.cost == sum(score(one, chosen.get(one.id, 0), bidders) or 0 for one in tasks)


def test_the_auction_is_optimal_when_every_bundle_fits() -> None:
    for seed in range(25):
        tasks, vehicles = random_market(Random(seed), 6, 8)
        bidders = [one.truth() for one in vehicles]
        assert reached(run(tasks, bidders, TERMS), tasks, bidders) == least_cost(tasks, bidders, TERMS).cost


def test_one_cycle_too_many_is_too_many() -> None:
    """Within the solver's tolerance, and still refused."""
    tasks = [task(0), task(1)]
    tight = bidder(1, (0, 4 * GIGA, 1), (1, 4 * GIGA, 1), free=8 * GIGA - 1)
    assert len(least_cost(tasks, [tight], BARE).chosen) == 1
    enough = Bidder(1, tight.dwell, replace(tight.bid, free=8 * GIGA))
    assert len(least_cost(tasks, [enough], BARE).chosen) == 2
    assert least_cost(tasks, [], BARE).cost == 2 * BARE.cap


def test_a_bundle_is_cut_at_n_max() -> None:
    tasks = [task(0), task(1)]
    both = bidder(1, (0, GIGA, 1), (1, GIGA, 1))
    assert len(least_cost(tasks, [both], replace(BARE, max_tasks=1)).chosen) == 1


def test_clarke_pays_what_a_winner_saves() -> None:
    tasks = [task(0)]
    best, paid = clarke(tasks, [bidder(1, (0, 2 * GIGA, 10)), bidder(2, (0, 2 * GIGA, 30))], BARE)
    assert best.chosen == ((0, 1),)
    assert paid == {1: 30}
    for seed in range(10):
        made, vehicles = random_market(Random(seed), 4, 4)
        best, paid = clarke(made, [one.truth() for one in vehicles], TERMS)
        assert paid.keys() == {seat for _, seat in best.chosen}
        for one in vehicles:
            slices = dict(one.slices)
            costs = sum(one.cost(slices[number]) for number, seat in best.chosen if seat == one.seat)
            assert paid.get(one.seat, 0) >= costs


def test_items_of_unknown_tasks_are_ignored() -> None:
    odd = bidder(1, (0, GIGA, 1))
    strange = replace(odd.bid, items=(*odd.bid.items, Item(9, GIGA, 1)), free=2 * GIGA)
    assert least_cost([task(0)], [Bidder(1, odd.dwell, strange)], BARE).chosen == ((0, 1),)
