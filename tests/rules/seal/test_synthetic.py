import numpy as np
import pytest

from zoneshare_protocols.seal.auction import check_bid, run
from zoneshare_protocols.seal.energy import BATTERY, cruise, propulsion
from zoneshare_protocols.seal.route import Left, fly
from zoneshare_protocols.seal.score import in_time
from zoneshare_protocols.seal.synthetic import PAPER, draw_bidders, draw_route, draw_tasks, paper_terms

TERMS = paper_terms()


def test_a_seed_gives_the_same_market_again() -> None:
    def once(seed: int) -> object:
        rng = np.random.default_rng(seed)
        tasks = draw_tasks(rng, 0)
        return tasks, draw_bidders(rng, tasks, 0.05, TERMS), draw_route(rng)

    assert once(1) == once(1)
    assert once(1) != once(2)


def test_bundles_fit_and_prices_are_the_costs() -> None:
    rng = np.random.default_rng(3)
    tasks = draw_tasks(rng, 10)
    bidders, costs = draw_bidders(rng, tasks, 0.1, TERMS)
    assert len(bidders) > 60
    for one in bidders:
        check_bid(one.bid, tasks)
        assert all(item.price == costs[one.seat].of(item.resource) for item in one.bid.items)
    for won in run(tasks, bidders, TERMS).awards:
        assert won.payment >= 20


def test_values_stay_in_their_ranges_and_most_pairs_are_in_time() -> None:
    rng = np.random.default_rng(4)
    tasks = [task for _ in range(200) for task in draw_tasks(rng, 0)]
    assert {task.urgency for task in tasks} == set(range(1, 11))
    assert all(5_000_000 <= task.size <= 20_000_000 and 3000 <= task.deadline <= 10_000 for task in tasks)
    soon = [in_time(task, int(rng.integers(1000, 4001)) * 10**6, task.deadline, TERMS.rate) for task in tasks]
    assert sum(soon) / len(soon) == pytest.approx(0.86, abs=0.03)


def test_a_route_of_the_papers_size_flies() -> None:
    rng = np.random.default_rng(5)
    route = draw_route(rng)
    assert len(route) == 20
    assert 150 <= sum(len(stop.tasks) for stop in route) <= 250
    start = Left(BATTERY, 10**9)
    stops = fly(route, start, lambda _, tasks: draw_bidders(rng, tasks, 0.05, TERMS)[0], TERMS)
    sold = sum(len(stop.outcome.awards) for stop in stops)
    assert sold > 0.7 * sum(len(stop.tasks) for stop in stops)
    best = cruise(PAPER.slowest, PAPER.fastest)
    assert route[0].flight_energy == pytest.approx(1000 * propulsion(best) * PAPER.segment / best, abs=1)
    assert draw_route(rng, 25.0)[0].flight_time == 20_000
