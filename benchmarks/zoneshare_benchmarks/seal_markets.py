"""Markets for SEAL's tables and figures: the paper's parameters, with generated traffic or the taxis' real one.

There are only as many cabs in a sample of traces as there are, so real traffic means: where cabs were, how fast and in
which direction they drove, at the busiest places and at every quarter of an hour, laid over each other. The number of
bidders is the experiment's.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from zoneshare_protocols.errors import Malformed, Misuse
from zoneshare_protocols.seal.mobility import dwell_at, whole_millis
from zoneshare_protocols.seal.records import Bid, Bidder, Item, Task, Terms
from zoneshare_protocols.seal.synthetic import PAPER, Costs, draw_bid, draw_dwell, draw_task, paper_terms
from zoneshare_protocols.seal.traces import Trace, clean, in_coverage, parse

CELL = 0.01
"""Places are squares of so many degrees."""
EVERY = 900
"""s between two looks at a place."""


@dataclass(frozen=True)
class Market:
    """One location's auction, and what the bidders' slices truly cost, by seat."""

    tasks: tuple[Task, ...]
    bidders: tuple[Bidder, ...]
    terms: Terms
    costs: dict[int, Costs]


def market(
    rng: np.random.Generator, bidders: int, tasks: int, dwells: Sequence[int] = (), terms: Terms | None = None
) -> Market:
    """Exactly so many tasks and truthful bidders. ``dwells``, ms: observed dwell times to draw from; generated if none.

    Everybody bids, as its resources allow, for tasks in random order (:func:`synthetic.draw_bid`).
    """
    chosen = paper_terms() if terms is None else terms
    put_up = tuple(draw_task(rng, number) for number in range(tasks))
    density = bidders / (2 * PAPER.road.radius)
    crowd: list[Bidder] = []
    costs: dict[int, Costs] = {}
    while len(crowd) < bidders:
        drawn = draw_bid(rng, put_up, chosen.max_tasks)
        if drawn is not None:
            seat = len(crowd) + 1
            when = int(rng.choice(dwells)) if len(dwells) else draw_dwell(rng, density)
            crowd.append(Bidder(seat, when, drawn[0]))
            costs[seat] = drawn[1]
    return Market(put_up, tuple(crowd), chosen, costs)


def one_winner(tasks: int) -> Market:
    """One vehicle that wins every task, since nobody else is there: a winner of so many tasks."""
    terms = replace(paper_terms(), max_tasks=tasks)
    put_up = tuple(Task(number, 5_000_000, 5, 10_000, PAPER.intensity) for number in range(tasks))
    items = tuple(Item(number, 2 * 10**9, 100) for number in range(tasks))
    bid = Bid(2 * 10**9 * tasks, items)
    return Market(put_up, (Bidder(1, 10**9, bid),), terms, {1: Costs(50, 0)})


def read_traces(folder: Path) -> list[Trace]:
    """The cabs of a folder of ``new_*.txt``. Raises Misuse for a folder without any, Malformed with the file's name."""
    files = sorted(folder.glob("new_*.txt"))
    if not files:
        raise Misuse("no traces: files new_*.txt are looked for", folder=str(folder))
    found: list[Trace] = []
    for file in files:
        try:
            found.append(clean(parse(file.read_text().splitlines())))
        except Malformed as cause:
            raise Malformed(f"{file.name}: {cause}") from cause
    return found


def observed_dwells(traces: Sequence[Trace], places: int = 20, radius: float = PAPER.road.radius) -> list[int]:
    """Dwell times, ms, of all cabs seen within ``radius`` m of the busiest ``places``, standing ones included."""
    fixes = [fix for trace in traces for leg in trace.legs for fix in leg]
    crowded = Counter((round(fix.latitude / CELL), round(fix.longitude / CELL)) for fix in fixes)
    first, last = min(fix.time for fix in fixes), max(fix.time for fix in fixes)
    found: list[int] = []
    for (north, east), _ in crowded.most_common(places):
        for moment in range(first, last, EVERY):
            seen = in_coverage(traces, moment, north * CELL, east * CELL, radius)
            found += [whole_millis(dwell_at(radius, one.position, one.velocity)) for _, one in seen]
    return found
