"""How the auction's time grows with bidders and tasks, and exponents fitted to what was measured (Table III)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import process_time

import numpy as np
from msgspec.structs import replace

from zoneshare_benchmarks.seal_markets import Market
from zoneshare_benchmarks.seal_table import Table
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.seal.auction import run
from zoneshare_protocols.seal.records import Bidder
from zoneshare_protocols.seal.synthetic import PAPER, Parameters, draw_bid, draw_task, paper_terms

BIDDERS = (10, 30, 100, 300, 1000)
TASKS = (10, 30, 100)


@dataclass(frozen=True)
class Power:
    """value = factor * x1^e1 * x2^e2 ..., by least squares over the logarithms."""

    factor: float
    exponents: tuple[float, ...]
    fit: float
    """R^2 over the logarithms; 1 where all values are the same."""


@dataclass(frozen=True)
class Growth:
    """``seconds``: (bidders, tasks, least time of the tries). Everybody bids for every task."""

    seconds: tuple[tuple[int, int, float], ...]
    power: Power
    """Exponents of bidders and tasks."""

    def table(self) -> Table:
        bidders, tasks = self.power.exponents
        return Table(
            "seal-growth",
            "Growth: Algorithm 2 against bidders and tasks",
            ("bidders", "tasks", "ms"),
            tuple((n, m, 1000 * spent) for n, m, spent in self.seconds),
            f"Every bidder bids for every task; processor time. It grows with bidders^{bidders:.2f} tasks^{tasks:.2f} "
            f"(R^2 {self.power.fit:.3f}); Theorem 5: linear in both, but for a logarithm.",
        )


def fit(points: Sequence[Sequence[float]], values: Sequence[float]) -> Power:
    """Exponents of as many quantities as a point has. Raises Misuse for too few points, or for one that is not > 0."""
    at, found = np.array(points, dtype=float), np.array(values, dtype=float)
    if at.ndim != 2 or len(at) <= at.shape[1] or len(at) != len(found):
        raise Misuse("an exponent needs more points", points=len(points), values=len(values))
    if (at <= 0).any() or (found <= 0).any():
        raise Misuse("exponents are fitted to positive numbers")
    logs = np.log(found)
    rows = np.column_stack((np.ones(len(at)), np.log(at)))
    solved, *_ = np.linalg.lstsq(rows, logs, rcond=None)
    off, spread = ((logs - rows @ solved) ** 2).sum(), ((logs - logs.mean()) ** 2).sum()
    return Power(
        float(np.exp(solved[0])), tuple(float(one) for one in solved[1:]), float(1 - off / spread) if spread else 1.0
    )


def auction_growth(
    bidders: Sequence[int] = BIDDERS,
    tasks: Sequence[int] = TASKS,
    tries: int = 3,
    measure: Callable[[Market], float] | None = None,
) -> Growth:
    """Time Algorithm 2 over all sizes. ``measure``: seconds of one run, the clock's unless it is given."""
    timed = _seconds if measure is None else measure
    found: list[tuple[int, int, float]] = []
    for n in bidders:
        for m in tasks:
            one = everybody_for_everything(np.random.default_rng([n, m]), n, m)
            found.append((n, m, min(timed(one) for _ in range(tries))))
    return Growth(tuple(found), fit([row[:2] for row in found], [row[2] for row in found]))


def everybody_for_everything(rng: np.random.Generator, bidders: int, tasks: int) -> Market:
    """A market in which every vehicle has room for every task."""
    room = PAPER.resource[1] * tasks
    parameters = Parameters(free=(room, room))
    terms = replace(paper_terms(), max_tasks=tasks)
    put_up = tuple(draw_task(rng, number) for number in range(tasks))
    crowd: list[Bidder] = []
    costs = {}
    for seat in range(1, bidders + 1):
        drawn = draw_bid(rng, put_up, tasks, parameters)
        if drawn is not None:
            crowd.append(Bidder(seat, 10**9, drawn[0]))
            costs[seat] = drawn[1]
    return Market(put_up, tuple(crowd), terms, costs)


def _seconds(one: Market) -> float:
    start = process_time()
    run(one.tasks, one.bidders, one.terms)
    return process_time() - start
