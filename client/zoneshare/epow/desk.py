"""Who holds which runs: claims, random assignment, carrying over at a new tip, taking away. No I/O.

Claims change by the contract's own functions (``zoneshare_protocols.epow.zone``), in the order of the steps returned.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from msgspec.structs import replace

from zoneshare.epow.job import Job
from zoneshare_protocols.codec import digest
from zoneshare_protocols.epow.assignment import pick_miner
from zoneshare_protocols.epow.blocks import assign
from zoneshare_protocols.epow.claims import count_verified, mark_fake
from zoneshare_protocols.epow.difficulty import SCALE_ONE, scale_factor
from zoneshare_protocols.epow.layout import Run as Place
from zoneshare_protocols.epow.ledger import Faked, MiningZone, Step, Wanted
from zoneshare_protocols.epow.records import Assignment, Claim, Tip
from zoneshare_protocols.epow.zone import claim_at, floor
from zoneshare_protocols.errors import RuleBroken

DEPTH = 4
"""Runs that a miner has at hand, so that it never waits for the next."""
PLOT = 64
"""Runs that are drawn together, for one miner: neighbours, so that a block is sent to few miners."""
Key = tuple[bytes, int, int]
"""(task, sub-task, run)"""


class Outbox(Protocol):
    """Where a miner's messages go."""

    def put(self, message: object) -> None: ...


@dataclass
class Holding:
    """A run with a miner. ``known``: digests of its assignments, at this tip and those before."""

    assignment: Assignment
    since: float
    known: set[bytes] = field(default_factory=set)


@dataclass
class Seat:
    """A miner that is, or was, here."""

    account: str
    wanted: int
    claim: Claim | None
    outbox: Outbox | None
    deposit: int = 0
    held: dict[Key, Holding] = field(default_factory=dict)
    plot: deque[tuple[Job, int, Place]] = field(default_factory=deque)
    """Runs (and their sub-task's number) that will be its next."""
    gone_since: float = 0.0
    late_at: int = -1
    """Height at which it kept a run too long: it gets no more there."""

    @property
    def at_hand(self) -> int:
        """nsub-tasks it holds."""
        return sum(holding.assignment.count for holding in self.held.values())

    @property
    def room(self) -> int:
        """nsub-tasks of its claim that it does not hold yet, nor will by its plot."""
        if self.claim is None or self.claim.fake:
            return 0
        return self.claim.claimed - self.claim.done - self.at_hand - sum(run.count for _, _, run in self.plot)


class Desk:
    """All seats, all jobs, the tip."""

    def __init__(self, zone: MiningZone, tip: Tip, now: Callable[[], float] = time.monotonic) -> None:
        self.zone, self.tip = zone, tip
        self.jobs: dict[bytes, Job] = {}
        self.seats: dict[str, Seat] = {}
        self._now = now

    def scale(self, seat: Seat) -> int:
        return SCALE_ONE if seat.claim is None else scale_factor(self.zone.rules, seat.claim.claimed)

    def claim(self, seat: Seat, elapsed: int | None) -> Iterator[Step]:
        """Open the seat's claim at this tip. ``elapsed``: ms of the block time of the claim before."""
        self.return_plot(seat)
        rules = self.zone.rules
        if seat.deposit < rules.penalty or (seat.claim is not None and seat.claim.height >= self.tip.height):
            return
        step = Wanted(seat.account, self.tip.height, min(seat.wanted, rules.max_claim), seat.at_hand)
        try:
            seat.claim = claim_at(seat.claim, step, rules, elapsed)
        except RuleBroken:
            return  # after a fake: none in this block time
        yield step

    def carry(self, seat: Seat) -> tuple[Assignment, ...]:
        """What it holds, assigned anew at this tip."""
        carried = []
        for holding in seat.held.values():
            holding.assignment = replace(holding.assignment, tip=self.tip.hash, height=self.tip.height)
            holding.known.add(digest(holding.assignment))
            carried.append(holding.assignment)
        return tuple(carried)

    def assign(self) -> list[tuple[Seat, Job, Assignment]]:
        """Give waiting runs to miners, as long as somebody has room: plots of them are drawn at random, by the tip."""
        given = [each for seat in self.seats.values() for each in self._hand(seat)]
        lowest = floor(self.zone.rules, self.tip)
        for job in list(self.jobs.values()):
            # A task whose fee is under the floor waits (decision 0012).
            while job.kept.task.fee >= lowest and (run := job.waiting() or self._spare(job)) is not None:
                able = {s.account: s for s in self.seats.values() if self._able(s, run.count) and not s.plot}
                if not able:
                    break
                claims = [replace(s.claim, done=s.claim.claimed - s.room) for s in able.values() if s.claim]
                seat = able[pick_miner(claims, self.tip.hash, job.id, job.kept.sub_task, run.index)]
                fair = max(1, job.missing // (2 * len(self.seats)))
                plot = job.take(min(PLOT, fair, max(1, seat.room // job.layout.run(0).count)))
                seat.plot.extend((job, job.kept.sub_task, run) for run in plot)
                given += self._hand(seat)
        return given

    def _spare(self, job: Job) -> Place | None:
        """Half of the longest plot, when a miner has nothing to do: it is drawn again."""
        if any(self._here(seat) and seat.room > 0 and not seat.held and not seat.plot for seat in self.seats.values()):
            # A plot of the sub-task before may be left, with who had no time to look at it.
            now = (job, job.kept.sub_task)
            plots = [seat.plot for seat in self.seats.values() if seat.plot and seat.plot[0][:2] == now]
            longest = max(plots, key=len, default=deque())
            for _ in range(-(-len(longest) // 2)):
                job.give_back(longest.pop()[2].index)
        return job.waiting()

    def _hand(self, seat: Seat) -> list[tuple[Seat, Job, Assignment]]:
        """The next runs of its plot, as many as it may have at hand."""
        given = []
        while seat.plot and self._here(seat):
            job, sub_task, run = seat.plot.popleft()
            if self.jobs.get(job.id) is not job or job.kept.sub_task != sub_task or job.merged(run.index):
                continue
            assignment = assign(job.id, sub_task, run, seat.account, self.tip)
            seat.held[job.id, sub_task, run.index] = Holding(assignment, self._now(), {digest(assignment)})
            given.append((seat, job, assignment))
        return given

    def return_plot(self, seat: Seat) -> None:
        """What it does not hold yet is anybody's again."""
        for job, sub_task, run in seat.plot:
            if job.kept.sub_task == sub_task:
                job.give_back(run.index)
        seat.plot.clear()

    def holds(self, seat: Seat, assignment: Assignment) -> bool:
        """Whether it may deliver this; after a restart of ours also what nobody else holds."""
        key = (assignment.task, assignment.sub_task, assignment.run)
        if key in seat.held:
            return digest(assignment) in seat.held[key].known
        if any(key in other.held for other in self.seats.values()):
            return False
        job = self.jobs.get(assignment.task)
        if job is None or job.kept.sub_task != assignment.sub_task or not assignment.run < job.layout.runs:
            return False
        place = job.layout.run(assignment.run)
        fits = (place.first, place.count) == (assignment.first, assignment.count) and seat.room >= place.count
        return fits and assignment.miner == seat.account and not job.merged(assignment.run)

    def count(self, seat: Seat, assignment: Assignment) -> None:
        """Its result is verified. Raises NotAllowed, LimitExceeded."""
        if seat.claim is not None:
            seat.claim = count_verified(seat.claim, assignment.count)
        seat.held.pop((assignment.task, assignment.sub_task, assignment.run), None)

    def caught(self, seat: Seat, assignment: Assignment) -> Iterator[Step]:
        """Its result is a fake: all it holds goes to others."""
        if seat.claim is not None and not seat.claim.fake:
            seat.claim, _ = mark_fake(seat.claim)
            seat.deposit -= min(self.zone.rules.penalty, seat.deposit)
            yield Faked(seat.account, digest(assignment))
        self.take_away(seat)

    def take_away(self, seat: Seat, before: float | None = None) -> list[Assignment]:
        """Give back what it holds, or holds since before ``before``."""
        late = {key: h for key, h in seat.held.items() if before is None or h.since < before}
        if late or before is None:
            self.return_plot(seat)
        for task, sub_task, run in late:
            del seat.held[task, sub_task, run]
            job = self.jobs.get(task)
            if job is not None and job.kept.sub_task == sub_task:
                job.give_back(run)
        return [holding.assignment for holding in late.values()]

    def _here(self, seat: Seat) -> bool:
        here = seat.outbox is not None and seat.claim is not None and seat.claim.height == self.tip.height
        return here and seat.late_at != self.tip.height and len(seat.held) < DEPTH

    def _able(self, seat: Seat, count: int) -> bool:
        return self._here(seat) and seat.room >= count
