"""What the drone pays with SEAL and with the private auctions beside it (the paper's Figs. 7 and 9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import fmean

import numpy as np
from msgspec.structs import replace

from zoneshare_benchmarks.seal_bidguard import BidGuard, Privacy, Score
from zoneshare_benchmarks.seal_markets import Market, market
from zoneshare_benchmarks.seal_table import Table
from zoneshare_protocols.seal.auction import run
from zoneshare_protocols.seal.energy import cost, tasks_energy
from zoneshare_protocols.seal.optimum import least_cost
from zoneshare_protocols.seal.records import Award, Outcome
from zoneshare_protocols.seal.score import duration
from zoneshare_protocols.seal.synthetic import PAPER, draw_route

HALF = Fraction(1, 2)
"""theta and eta."""
DENSITIES = (10, 20, 40, 60, 80, 100)
"""Vehicles a kilometre; the coverage's road is one long."""
TOTALS = (190, 195, 200, 205)
LOCATIONS = 20


@dataclass(frozen=True)
class Overhead:
    """The drone's own energy for the auction's cryptography and messages, J: measured by :mod:`.seal_compare`."""

    armor_pair: float
    """A bidder and task."""
    safe_task: float
    """A task sold."""
    seal_task: float


def drone_cost(one: Market, outcome: Outcome, joules: float = 0.0) -> float:
    """C_l (16), money, without the flight: what is the same for all schemes."""
    energy = tasks_energy(one.tasks, one.bidders, outcome, one.terms) + round(1000 * joules)
    return float(cost(energy, outcome, HALF, HALF, one.terms))


def optimum_cost(one: Market) -> float:
    """(16) of the cheapest assignment, bidders paid their prices: nobody can be paid less."""
    best = least_cost(one.tasks, one.bidders, one.terms)
    offers = {(bidder.seat, item.task): item for bidder in one.bidders for item in bidder.bid.items}
    known = {task.id: task for task in one.tasks}
    awards: list[Award] = []
    for task, seat in best.chosen:
        item = offers[seat, task]
        awards.append(Award(task, seat, item.price, duration(known[task], item.resource, one.terms.rate)))
    rest = {task.id for task in one.tasks} - {award.task for award in awards}
    unsold = run([task for task in one.tasks if task.id in rest], (), one.terms)
    return drone_cost(one, Outcome(tuple(awards), unsold.cloud, unsold.local, unsold.dropped))


def by_scheme(
    overhead: Overhead, dwells: Sequence[int] = (), seed: int = 7, tasks: int = 10, repeat: int = 20
) -> Table:
    """Fig. 7: the drone's average cost of a location with each private auction, against vehicle density."""
    rows: list[tuple[float, ...]] = []
    for density in DENSITIES:
        found = [_five(density, tasks, [seed, again], overhead, dwells) for again in range(repeat)]
        rows.append((density, *(fmean(one[column] for one in found) for column in range(len(found[0])))))
    return Table(
        "seal-fig7-cost",
        "Fig. 7: the drone's average cost (money, a location) against vehicle density",
        ("vehicles/km", "optimum", "SEAL", "SAFE", "ARMOR", "BidGuard, perturbed", "BidGuard, selected"),
        tuple(rows),
        f"{tasks} tasks, means of {repeat} auctions, the flight apart. Optimum: the cheapest assignment at the bids "
        "(HiGHS), winners paid their prices. SAFE and ARMOR decide as SEAL; the drone's energy for cryptography "
        f"(at 20 W) and for messages is added: {overhead.armor_pair:.2g} J a bidder and task with ARMOR, "
        f"{overhead.safe_task:.2g} J a task with SAFE, {overhead.seal_task:.2g} J with SEAL. BidGuard: linear score, "
        "epsilon 1, both readings; the paper's is the first. The paper gives no numbers: SEAL is nearest the optimum, "
        "BidGuard far. SAFE's distance, which the paper lays to messages, is too small to be seen in joules.",
    )


def _five(
    bidders: int, tasks: int, seed: Sequence[int], overhead: Overhead, dwells: Sequence[int]
) -> tuple[float, ...]:
    one = market(np.random.default_rng(list(seed)), bidders, tasks, dwells)
    out = run(one.tasks, one.bidders, one.terms)
    sold = len(out.awards)
    guard = BidGuard(np.random.default_rng(list(seed)), Privacy(1.0, Score.LINEAR))
    return (
        optimum_cost(one),
        drone_cost(one, out, overhead.seal_task * sold),
        drone_cost(one, out, overhead.safe_task * sold),
        drone_cost(one, out, overhead.armor_pair * bidders * tasks),
        drone_cost(one, _at_cost(one, guard.perturbed(one))),
        drone_cost(one, guard.selected(one)),
    )


def _at_cost(one: Market, outcome: Outcome) -> Outcome:
    """Nobody works at a loss: who would be paid less than its costs, since its report was perturbed, gets its costs."""
    offers = {(bidder.seat, item.task): item.resource for bidder in one.bidders for item in bidder.bid.items}
    awards = [
        replace(award, payment=max(award.payment, one.costs[award.seat].of(offers[award.seat, award.task])))
        for award in outcome.awards
    ]
    return replace(outcome, awards=tuple(awards))


def along_the_route(dwells: Sequence[int] = (), seed: int = 8, repeat: int = 5) -> Table:
    """Fig. 9: SEAL's average cost of a location, flight included, against density, for 190 to 205 tasks in all."""
    flying = draw_route(np.random.default_rng(0))[0].flight_energy / 1000
    rows: list[tuple[float, ...]] = []
    for density in DENSITIES:
        means: list[float] = []
        lost: list[int] = []
        for total in TOTALS:
            sizes = [total // LOCATIONS + (place < total % LOCATIONS) for place in range(LOCATIONS)]
            costs: list[float] = []
            for again in range(repeat):
                for place, size in enumerate(sizes):
                    one = market(np.random.default_rng([seed, again, place]), density, size, dwells)
                    outcome = run(one.tasks, one.bidders, one.terms)
                    costs.append(drone_cost(one, outcome, flying))
                    lost.append(len(outcome.dropped))
            means.append(fmean(costs))
        rows.append((density, *means, fmean(lost)))
    return Table(
        "seal-fig9-route",
        "Fig. 9: SEAL's average cost (money, a location) along a route against vehicle density",
        ("vehicles/km", *(f"{total} tasks" for total in TOTALS), "dropped"),
        tuple(rows),
        f"{LOCATIONS} locations, the flight of {PAPER.segment:.0f} m included, means of {repeat} routes. The paper, "
        "without numbers: the cost falls with density and rises with the number of tasks. `dropped`: tasks a location "
        "that nobody does in time; they cost nothing in (16), so that few vehicles look cheaper than they are.",
    )
