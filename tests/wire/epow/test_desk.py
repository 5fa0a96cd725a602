"""The desk by itself: whatever miners do, no run is lost or with two of them, and nobody waits beside a full plot."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace
from numpy.typing import NDArray

from zoneshare.epow.book import Book, KeptTask
from zoneshare.epow.desk import DEPTH, PLOT, Desk, Seat
from zoneshare.epow.fresh import Fresh
from zoneshare.epow.job import Job
from zoneshare_protocols.codec import digest
from zoneshare_protocols.epow.hashing import matrix_hash
from zoneshare_protocols.epow.layout import Layout
from zoneshare_protocols.epow.ledger import MiningZone
from zoneshare_protocols.epow.records import MatrixInfo, MiningRules, Task, Tip
from zoneshare_protocols.errors import LimitExceeded, NotAllowed

BASIC = 2
RULES = MiningRules(1, basic=BASIC, initial=1 << 40, max_claim=60, least_claim=2, penalty=5)
NAMES = ("ann", "bob", "cid", "dot")
LEFT, RIGHT = (np.ones(shape, np.int8) for shape in ((14, 4), (4, 14)))
RUNS = 7 * 7
A_RUN = 2
"""nsub-tasks of each run."""


class Shelf:
    """Two matrices, and whatever results are saved."""

    def __init__(self) -> None:
        self.matrices: dict[str, NDArray[Any]] = {"m0": LEFT, "m1": RIGHT, "m2": LEFT}

    def load_matrix(self, id: bytes, name: str) -> NDArray[Any]:
        return self.matrices[name]

    def save_matrix(self, id: bytes, name: str, shape: tuple[int, int], rows: Iterator[NDArray[Any]]) -> None:
        self.matrices[name] = np.concatenate(list(rows))
        assert self.matrices[name].shape == shape

    def begin_sums(self, id: bytes, sub_task: int, layout: Layout) -> None:
        pass

    def sums(self, id: bytes, sub_task: int, runs: int, basic: int) -> NDArray[Any]:
        return np.zeros((runs, basic, basic), np.int32)

    def drop_sums(self, id: bytes, sub_task: int) -> None:
        pass


class Pages:
    """A book without a journal."""

    def __init__(self) -> None:
        self.files = Shelf()

    def runs(self, id: bytes, sub_task: int) -> list[Any]:
        return []

    def put(self, kept: KeptTask, *_: object, **__: object) -> None:
        pass


class Mute:
    """A miner's connection."""

    def put(self, message: object) -> None:
        pass


def job_of(*matrices: NDArray[Any], fresh: Fresh | None = None) -> Job:
    infos = tuple(MatrixInfo(matrix.shape[0], matrix.shape[1], 1, matrix_hash(matrix)) for matrix in matrices)
    task = Task("sue", infos, BASIC, 1_000_000, bytes(16))
    return Job(KeptTask(task, bytes(32)), cast(Book, Pages()), fresh or Fresh()).open()


def desk_of(job: Job, rules: MiningRules = RULES) -> Desk:
    desk = Desk(MiningZone("zone-a", "cora", 1, rules), Tip(0, bytes(32), 1 << 16, 0), lambda: 0.0)
    desk.jobs[job.id] = job
    return desk


def sit(desk: Desk, name: str, wanted: int = 60) -> Seat:
    seat = desk.seats[name] = Seat(name, wanted, None, Mute(), deposit=100)
    list(desk.claim(seat, None))
    return seat


class Desks(RuleBasedStateMachine):
    """As the clerk moves the desk: an event, and runs are handed out."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.job = job_of(LEFT, RIGHT)
        self.desk = desk_of(self.job)
        self.desk._now = lambda: self.now
        self.merged = 0

    @initialize()
    def begin(self) -> None:
        assert self.job.missing == self.job.layout.runs == RUNS

    @rule(name=st.sampled_from(NAMES), wanted=st.integers(0, 60))
    def join(self, name: str, wanted: int) -> None:
        seat = self.desk.seats.get(name)
        if seat is None:
            seat = self.desk.seats[name] = Seat(name, wanted, None, None)
        self.desk.take_away(seat)
        seat.wanted, seat.outbox, seat.deposit = wanted, Mute(), 100
        list(self.desk.claim(seat, None if seat.claim is None else 1000))
        self.hand_out()

    @rule(name=st.sampled_from(NAMES))
    def leave(self, name: str) -> None:
        seat = self.desk.seats.get(name)
        if seat is not None:
            seat.outbox = None
            self.desk.return_plot(seat)
        self.hand_out()

    @rule(spared=st.booleans())
    def time_passes(self, spared: bool) -> None:
        """Who is gone loses its runs; who is slow too, unless it is spared."""
        self.now += 1.0
        for seat in self.desk.seats.values():
            if seat.outbox is None:
                self.desk.take_away(seat)
            elif not spared and self.desk.take_away(seat, self.now):
                seat.late_at = self.desk.tip.height
        self.hand_out()

    @rule(name=st.sampled_from(NAMES), place=st.integers(0, DEPTH - 1))
    def deliver(self, name: str, place: int) -> None:
        seat = self.desk.seats.get(name)
        if seat is None or len(seat.held) <= place:
            return
        assignment = list(seat.held.values())[place].assignment
        assert self.desk.holds(seat, assignment)
        assert not any(self.desk.holds(other, assignment) for other in self.desk.seats.values() if other is not seat)
        try:
            self.desk.count(seat, assignment)
        except (NotAllowed, LimitExceeded):
            return
        self.job.merge(assignment.run)
        self.merged += 1
        assert not self.desk.holds(seat, assignment)
        self.hand_out()

    @rule(name=st.sampled_from(NAMES))
    def lie(self, name: str) -> None:
        seat = self.desk.seats.get(name)
        if seat is None or not seat.held:
            return
        list(self.desk.caught(seat, next(iter(seat.held.values())).assignment))
        self.hand_out()
        assert not seat.held
        assert not seat.plot

    @rule()
    def block(self) -> None:
        height = self.desk.tip.height + 1
        self.desk.tip = replace(self.desk.tip, height=height, hash=digest(self.desk.tip))
        for seat in self.desk.seats.values():
            if seat.outbox is not None:
                list(self.desk.claim(seat, 1000))
        for seat in self.desk.seats.values():
            before = {digest(holding.assignment) for holding in seat.held.values()}
            carried = self.desk.carry(seat)
            assert len(carried) == len(before)
            assert all(holding.known >= {digest(holding.assignment)} for holding in seat.held.values())
        self.hand_out()

    def hand_out(self) -> None:
        for seat, _, assignment in self.desk.assign():
            assert seat.outbox is not None
            assert assignment.height == self.desk.tip.height
        for seat in self.desk.seats.values():
            idle = self.desk._able(seat, A_RUN) and not seat.held and not seat.plot
            assert not (idle and any(other.plot for other in self.desk.seats.values()))

    @invariant()
    def a_run_is_in_one_place(self) -> None:
        places = Counter(run for seat in self.desk.seats.values() for _, _, run in seat.held)
        places.update(run.index for seat in self.desk.seats.values() for _, _, run in seat.plot)
        assert all(times == 1 for times in places.values())
        assert not any(self.job.merged(run) for run in places)
        assert self.job.missing == RUNS - self.merged
        assert all(len(seat.held) <= DEPTH and len(seat.plot) <= PLOT for seat in self.desk.seats.values())

    def teardown(self) -> None:
        """When all are gone, what is not merged waits, each run once."""
        for seat in self.desk.seats.values():
            self.desk.take_away(seat)
        left = [run.index for run in self.job.take(10 * RUNS)]
        assert sorted(left) == [run for run in range(RUNS) if not self.job.merged(run)]


Desks.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_desks = Desks.TestCase


def test_who_comes_when_all_is_in_plots_gets_of_the_longest() -> None:
    job = job_of(LEFT, RIGHT)
    desk = desk_of(job, replace(RULES, max_claim=600))
    first = sit(desk, "ann", 600)
    desk.assign()
    first.plot.extend((job, 0, run) for run in job.take(RUNS))
    before = len(first.plot)
    assert before == RUNS - DEPTH
    second = sit(desk, "bob", 600)
    desk.assign()
    assert len(second.held) == DEPTH
    assert len(first.plot) == before // 2
    assert job.waiting() is not None


def test_a_plot_of_the_sub_task_before_is_not_given_back_to_the_next() -> None:
    job = job_of(LEFT, RIGHT, LEFT)
    desk = desk_of(job, replace(RULES, max_claim=600))
    busy = sit(desk, "ann", 600)
    desk.assign()
    busy.plot.extend((job, 0, run) for run in job.take(RUNS))
    # After a restart of the coordinator, others deliver what they held before it.
    for run in range(RUNS):
        job.merge(run)
    assert not job.advance()
    assert len(busy.held) == DEPTH  # so its plot is not looked at
    other, idle = sit(desk, "bob", 600), sit(desk, "cid", 600)
    other.plot.extend((job, 1, run) for run in job.take(RUNS))
    assert 1 < len(other.plot) < len(busy.plot)
    desk.assign()
    assert idle.held
    places = Counter(run for seat in (other, idle) for _, _, run in seat.held)
    places.update(run.index for seat in (other, idle) for _, _, run in seat.plot)
    places.update(run.index for run in job.take(RUNS))
    assert places == Counter(range(job.layout.runs))
