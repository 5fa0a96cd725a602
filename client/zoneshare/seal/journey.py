"""A drone's way along its route: an auction at each stop, and what is left of battery and tasks goes on to the next."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil
from typing import NamedTuple

import numpy as np
from msgspec import structs

from zoneshare.seal.auctioneer import Auctioneer
from zoneshare.seal.entries import JOURNEY, Position
from zoneshare.seal.outcomes import Decided
from zoneshare.seal.party import counted
from zoneshare.seal.traffic import Traffic
from zoneshare.seal.work import Batches, Work, draw_work, later
from zoneshare.trade.journal import Entry, Journal
from zoneshare_protocols.codec import MAX_AMOUNT
from zoneshare_protocols.seal.energy import BATTERY, cruise, flight
from zoneshare_protocols.seal.records import Outcome, Task, Terms
from zoneshare_protocols.seal.route import Left, Location, Stop, auctioned, depart, stop_terms
from zoneshare_protocols.seal.score import fallback
from zoneshare_protocols.seal.synthetic import PAPER, Span

KEY = "journey"


@dataclass(frozen=True)
class Plan:
    """A route. ``stops``: how many auctions; ``tasks``: at each; ``control``: V of the energy deficit, or none."""

    stops: int
    seed: int
    tasks: Span = (3, 3)
    batches: Batches = field(default_factory=Batches)
    battery: int = BATTERY
    control: int | None = None


class Visit(NamedTuple):
    """A stop that is behind."""

    number: int
    stop: Stop
    decided: Decided | None
    """None where nothing was put up."""
    work: tuple[Work, ...]


def locations(plan: Plan) -> list[tuple[Location, tuple[Work, ...]]]:
    """The stops with their own tasks: the same for the same seed."""
    rng = np.random.default_rng(plan.seed)
    energy, time = flight(PAPER.segment, cruise(PAPER.slowest, PAPER.fastest))
    found, number = [], 1
    for _ in range(plan.stops):
        count = int(rng.integers(*plan.tasks, endpoint=True))
        work = tuple(draw_work(rng, number + index, plan.batches) for index in range(count))
        number += count
        found.append((Location(tuple(one.task for one in work), energy, time), work))
    return found


class Journey:
    """Goes on at the stop where an earlier process was killed."""

    def __init__(
        self,
        auctioneer: Auctioneer,
        journal: Journal,
        plan: Plan,
        terms: Terms,
        *,
        traffic: Traffic,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        """From now on the auctioneer observes what is here. A journey of before that did not come to its end goes on,
        whatever ``plan`` says."""
        self._auctioneer, self._journal, self._terms = auctioneer, journal, terms
        self._traffic, self._told = traffic, told
        self._here = under_way(journal) or Position(
            0, plan.stops, plan.seed, plan.tasks, plan.batches.pictures, plan.battery, 0, ()
        )
        batches = replace(plan.batches, pictures=self._here.pictures)
        self._plan = replace(
            plan, stops=self._here.stops, seed=self._here.seed, tasks=self._here.tasks, batches=batches
        )
        self._route = locations(self._plan)
        auctioneer.dwell = self.observe

    def observe(self, accounts: Sequence[str]) -> Mapping[str, int]:
        """Dwell times at the stop where the drone is, ms."""
        return self._traffic.dwell(self._here.stop, accounts)

    async def fly(self) -> list[Visit]:
        """All stops that are left. Raises LimitExceeded when the battery is not enough for the way."""
        for held in self._auctioneer.unfinished():
            if held.notice.id != self._here.auction:
                await self._auctioneer.take_up(held)
        visits = []
        while self._here.stop < len(self._route):
            visits.append(await self._visit())
        return visits

    async def _visit(self) -> Visit:
        here, (place, own) = self._here, self._route[self._here.stop]
        ahead = [location for location, _ in self._route[here.stop + 1 :]]
        work = {one.task.id: one for one in (*here.waiting, *own)}
        left = Left(here.battery, MAX_AMOUNT, here.deficit, tuple(one.task for one in here.waiting))
        terms = stop_terms(self._terms, left, self._plan.control)
        put_up = auctioned(place, ahead, left, terms)
        self._told(f"stop {here.stop + 1} of {len(self._route)}: {self._traffic.describe(here.stop)}; "
                   f"{counted(len(put_up), 'task')}, battery {here.battery / BATTERY:.1%}")  # fmt: skip
        decided = await self._auction(here, [work[task.id] for task in put_up], terms)
        offered = {one.task.id for one in decided.work} if decided is not None else set()
        tasks = [task for task in put_up if task.id in offered]
        outcome = _none(tasks) if decided is None or decided.outcome is None else decided.outcome
        undone = () if decided is None else decided.failed
        average = self._plan.battery // len(self._route)
        energy = served(tasks, outcome, terms)
        stop = depart(place, left, tasks, terms, outcome, energy=energy, average=average, undone=undone)
        carried = tuple(later(work[task.id], task) for task in stop.left.tasks)
        there = structs.replace(
            here,
            stop=here.stop + 1,
            battery=max(0, stop.left.battery),
            deficit=stop.left.deficit,
            waiting=carried,
            auction=b"",
        )
        await self._journal.commit([Entry.of(JOURNEY, KEY, there)])
        self._here = there
        return Visit(here.stop, stop, decided, tuple(work.values()))

    async def _auction(self, here: Position, work: Sequence[Work], terms: Terms) -> Decided | None:
        if here.auction:
            return await self._auctioneer.take_up(self._auctioneer.held(here.auction))
        if not work:
            return None
        held = await self._auctioneer.plan(work, terms)
        at = structs.replace(here, auction=held.notice.id)
        await self._journal.commit([self._auctioneer.entry(held), Entry.of(JOURNEY, KEY, at)])
        self._here = at
        return await self._auctioneer.take_up(held)


def under_way(journal: Journal) -> Position | None:
    """Where a journey is that has not come to its end."""
    here = journal.get(JOURNEY, KEY, Position)
    return here if here is not None and here.stop < here.stops else None


def served(tasks: Sequence[Task], outcome: Outcome, terms: Terms) -> int:
    """What the tasks cost the drone, mJ, by the times that winners have promised; rounded up."""
    known = {task.id: task for task in tasks}
    sold = (
        Fraction(terms.hover * (award.within - terms.slack), 1000)
        + Fraction(terms.transmit * known[award.task].size, terms.rate)
        for award in outcome.awards
    )
    rest = (fallback(known[one], terms).energy for one in (*outcome.cloud, *outcome.local))
    return ceil(sum(sold, Fraction(0)) + sum(rest, Fraction(0)))


def _none(tasks: Sequence[Task]) -> Outcome:
    """Of an auction that was cancelled: every task goes on."""
    return Outcome((), dropped=tuple(task.id for task in tasks))
