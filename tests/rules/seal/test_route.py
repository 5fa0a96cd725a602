from collections.abc import Sequence
from random import Random

import pytest
from msgspec.structs import replace

from tests.rules.seal.market import BARE, GIGA, TERMS, bidder, random_task, random_vehicle, task
from zoneshare_protocols.errors import LimitExceeded
from zoneshare_protocols.seal.deposits import drone_deposit
from zoneshare_protocols.seal.energy import highest_energy
from zoneshare_protocols.seal.records import Bidder, Task
from zoneshare_protocols.seal.route import Left, Location, fly, visit

PLENTY = Left(10**12, 10**9)


def test_what_nobody_takes_goes_on_with_what_is_left_of_its_deadline() -> None:
    here, there = Location((task(0, deadline=50_000), task(1, deadline=5000)), 10, 20_000), Location((task(2),), 10, 1)
    stops = fly([here, there], PLENTY, lambda number, _: [bidder(1, (0, 2 * GIGA, 1))] if number else [], BARE)
    assert stops[0].outcome.dropped == (0, 1)
    assert stops[0].lost == (1,)
    (carried,) = stops[0].left.tasks
    assert (carried.id, carried.deadline) == (0, 30_000)
    assert [won.task for won in stops[1].outcome.awards] == [0]
    assert stops[1].outcome.dropped == (2,)


def test_battery_for_the_way_is_kept_back() -> None:
    one = highest_energy(task(0), TERMS)
    here, there = Location((task(0, urgency=9), task(1)), 1000, 1), Location((), 500, 1)
    stop = visit(here, [there], Left(1500 + one, 10**9), [], TERMS)
    assert [put.id for put in stop.tasks] == [0]
    assert stop.left.battery >= 500
    with pytest.raises(LimitExceeded):
        visit(here, [there], Left(1499, 10**9), [], TERMS)


def test_the_deposit_goes_down_by_the_payments() -> None:
    here = Location((task(0),), 0, 1)
    enough = drone_deposit(here.tasks, TERMS)
    stop = visit(here, [], Left(10**12, enough), [bidder(1, (0, 2 * GIGA, 1))], TERMS)
    assert stop.left.deposit == enough - stop.outcome.paid
    assert visit(here, [], Left(10**12, enough - 1), [bidder(1, (0, 2 * GIGA, 1))], TERMS).tasks == ()


def random_route(seed: int) -> tuple[list[Location], Random]:
    dice = Random(seed)
    stops = [
        Location(tuple(random_task(dice, 100 * number + one) for one in range(dice.randint(1, 5))), 5_000_000, 30_000)
        for number in range(6)
    ]
    return stops, dice


def test_whatever_is_bid_the_battery_lasts_and_each_task_is_met_once() -> None:
    for seed in range(10):
        route, dice = random_route(seed)
        start = Left(dice.randint(35_000_000, 60_000_000), dice.randint(2000, 20_000))

        def bids(number: int, tasks: Sequence[Task], dice: Random = dice) -> list[Bidder]:
            return [random_vehicle(dice, seat, list(tasks)).truth() for seat in (1, 2, 3)] if tasks else []

        def some(number: int, tasks: Sequence[Task]) -> list[Bidder]:
            return [one for one in bids(number, tasks) if one.bid.items]

        stops = fly(route, start, some, TERMS, control=20_000_000 if seed % 2 else None)
        assert all(stop.left.battery >= 0 and stop.left.deposit >= TERMS.penalty for stop in stops)
        sold = [won.task for stop in stops for won in stop.outcome.awards]
        other = [one for stop in stops for one in (*stop.outcome.cloud, *stop.outcome.local, *stop.lost)]
        ended = sold + other + [one.id for one in stops[-1].left.tasks]
        assert sorted(ended) == sorted(one.id for stop in route for one in stop.tasks)
        assert sum(stop.energy for stop in stops) == start.battery - stops[-1].left.battery


def test_the_deficit_variant_spends_less_after_it_ran_over() -> None:
    def bids(number: int, tasks: Sequence[Task]) -> list[Bidder]:
        slow = bidder(1, *[(one.id, 2 * GIGA, 10) for one in tasks])
        fast = bidder(2, *[(one.id, 4 * GIGA, 150) for one in tasks])
        return [slow, fast]

    route = [Location(tuple(task(10 * number + one) for one in range(3)), 1000, 1) for number in range(4)]
    start = Left(5_100_000, 10**6)
    plain, weighed = fly(route, start, bids, TERMS), fly(route, start, bids, TERMS, control=100_000)
    assert weighed[0].left.deficit > 0
    assert weighed[0].outcome == plain[0].outcome, "no deficit yet"
    assert weighed[1].terms.weight != TERMS.weight
    assert weighed[1].tasks == plain[1].tasks
    assert weighed[1].energy < plain[1].energy
    assert replace(weighed[0].terms, weight=TERMS.weight) == TERMS
