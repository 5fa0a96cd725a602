"""What changes claims and holdings, event by event: one task of the event loop does it all, so nothing is locked.

Merging runs in one thread beside it. What it has answered to is on the disk (:class:`~zoneshare.epow.book.Book`).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from zoneshare.epow.book import Book, KeptTask
from zoneshare.epow.desk import Desk, Seat
from zoneshare.epow.fresh import Fresh
from zoneshare.epow.intake import Intake
from zoneshare.epow.job import Job, run_done
from zoneshare.epow.ledger import Mining
from zoneshare.epow.messages import Run, Taken, Verified, Welcome, Work
from zoneshare.epow.recorder import Recorder
from zoneshare.epow.session import Session
from zoneshare.epow.standing import Standing
from zoneshare.trade.moment import Clock, answered
from zoneshare_protocols.codec import digest
from zoneshare_protocols.epow.exact import Int32
from zoneshare_protocols.epow.hashing import nsub_hash
from zoneshare_protocols.epow.ledger import Assigned, Batch, BatchRecord, Mined, MinerRecord, Step
from zoneshare_protocols.epow.records import Assignment, RunResult
from zoneshare_protocols.errors import LimitExceeded, NotAllowed, ZoneshareError

log = logging.getLogger(__name__)

TICK_S = 0.5

Event = Callable[[], Awaitable[None]]
R = TypeVar("R")


class Clerk:
    """:meth:`post` an event, made of the methods named for what happened; :meth:`run` has them happen in order.

    ``tip_time``: when the tip came, ms. ``patience`` and ``grace`` in seconds, and ``told``: as
    :mod:`zoneshare.epow.coordinator` has them.
    """

    def __init__(
        self,
        mining: Mining,
        book: Book,
        desk: Desk,
        tip_time: int,
        *,
        clock: Clock,
        patience: float,
        grace: float,
        told: Callable[[str], None],
    ) -> None:
        self._mining, self._book, self.desk, self._clock = mining, book, desk, clock
        self._patience, self._grace, self._told = patience, grace, told
        self._fresh = Fresh()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._worker = ThreadPoolExecutor(1, "epow-verify")
        self._times = {desk.tip.height: tip_time}
        self.intake = Intake(mining, book, lambda kept: self.post(lambda: self.open(kept)), clock)
        self.recorder = Recorder(mining, book, self._refused, clock)
        self._began, self._verified, self._caught = desk.tip.height, 0, 0

    def standing(self) -> Standing:
        """From any thread."""
        seats, jobs = list(self.desk.seats.values()), list(self.desk.jobs.values())
        height = self.desk.tip.height
        return Standing(
            sum(seat.outbox is not None for seat in seats),
            len(jobs),
            sum(job.missing for job in jobs),
            self._verified,
            height,
            height - self._began,
            self._caught,
        )

    def post(self, event: Event) -> None:
        """It happens after all that were posted before."""
        self._events.put_nowait(event)

    async def run(self) -> None:
        while True:
            event = await self._events.get()
            await event()
            self._hand_out()

    async def tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            done = asyncio.Event()
            self.post(partial(self._late, done))
            await done.wait()

    async def look(self) -> None:
        """Beside the events, for the ledger may take its time."""
        while True:
            over = await self.intake.look()
            if over:
                self.post(partial(self._ended, over))

    def close(self) -> None:
        """Waits for what is in the thread."""
        self._worker.shutdown()

    async def beside(self, work: Callable[..., R], *args: Any) -> R:
        """Have something computed in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, partial(work, *args))

    async def ask(self, account: str) -> MinerRecord:
        """What the ledger has of a miner that comes, for :meth:`join`. Raises as :func:`answered` does."""
        record = await answered(self._clock, lambda: self._mining.miner(account))
        if record.claim is not None and record.claim.height < self.desk.tip.height:
            for height in (record.claim.height, record.claim.height + 1):
                await self._time(height)
        return record

    async def join(self, session: Session, wanted: int, record: MinerRecord, done: asyncio.Event) -> None:
        """A miner has come."""
        account = session.connection.peer.account
        try:
            seat = self.desk.seats.get(account)
            new = seat is None or seat.outbox is None
            if seat is None:
                seat = self.desk.seats[account] = Seat(account, wanted, record.claim, None)
            elif isinstance(seat.outbox, Session):
                # A new connection takes over; the old one is dead or was copied.
                old = seat.outbox
                old.seat = None
                session.spawn(old.close())
            # The new process holds nothing.
            self.desk.take_away(seat)
            seat.wanted, seat.outbox, session.seat, seat.deposit = wanted, session, seat, record.deposit
            await self._claim([seat])
            session.put(Welcome(self.desk.zone, self.desk.tip))
            if new:
                self._told(f"miner {account} is here")
        except ZoneshareError as refused:
            session.refuse(refused)
        finally:
            done.set()

    async def gone(self, session: Session) -> None:
        """A miner's connection has ended."""
        seat = session.seat
        if seat is not None and seat.outbox is session:
            seat.outbox, seat.gone_since = None, time.monotonic()
            self.desk.return_plot(seat)
            self._told(f"miner {seat.account} is gone")

    async def done(self, seat: Seat, assignment: Assignment, result: RunResult, total: Int32) -> None:
        """A run's sum has passed all checks."""
        job, id = self.desk.jobs.get(assignment.task), digest(assignment)
        outbox = seat.outbox
        valid = job is not None and job.kept.sub_task == assignment.sub_task and self.desk.holds(seat, assignment)
        if job is None or not valid:
            if outbox is not None:
                outbox.put(Taken(id, "the run is not yours any more"))
            return
        try:
            self.desk.count(seat, assignment)
        except (NotAllowed, LimitExceeded) as refused:
            if outbox is not None:
                outbox.put(Taken(id, str(refused)))
            return
        await asyncio.to_thread(self._book.add_run, run_done(assignment, digest(result)), result, total)
        job.merge(assignment.run)
        self._verified += assignment.count
        if outbox is not None:
            outbox.put(Verified(id))
        self.recorder.wake()
        if job.missing == 0 and await self.beside(job.advance):
            await self._over(job)

    async def caught(self, seat: Seat, assignment: Assignment) -> None:
        """A result is a fake."""
        held = [holding.assignment for holding in seat.held.values()]
        steps = list(self.desk.caught(seat, assignment))
        self._caught += len(steps)
        await self._step(*steps)
        for other in held:
            if other != assignment and seat.outbox is not None:
                seat.outbox.put(Taken(digest(other), "after a fake, all runs go to others"))

    async def mined(self, mined: Mined) -> None:
        """A block has come: claims are closed and opened, left-overs stay as new draws."""
        if mined.tip.height <= self.desk.tip.height:
            return
        self._times[mined.tip.height] = mined.time
        self.desk.tip = mined.tip
        await self._claim([seat for seat in self.desk.seats.values() if seat.outbox is not None])
        for seat in self.desk.seats.values():
            if seat.outbox is not None:
                carried = self.desk.carry(seat)
                for assignment in carried:
                    self._leaf(self.desk.jobs[assignment.task], assignment)
                seat.outbox.put(Work(mined.tip, self.desk.scale(seat), (), carried))

    async def open(self, kept: KeptTask) -> None:
        """A task is complete here: begin, or go on with, its work."""
        if kept.task.id in self.desk.jobs:
            return
        job = Job(kept, self._book, self._fresh)
        try:
            await self.beside(job.open)
        except LimitExceeded as refusal:
            await self.beside(job.fail, str(refusal))
            await self._over(job)
            return
        self.desk.jobs[job.id] = job
        self._told(f"task {_short(job)} of {kept.task.source}: {len(kept.task.matrices)} matrices, fee {kept.task.fee}")
        if job.missing == 0 and await self.beside(job.advance):
            await self._over(job)

    async def _over(self, job: Job) -> None:
        """A task is merged, or has failed: tell its source, if it listens."""
        self.desk.jobs.pop(job.id, None)
        self._told(f"task {_short(job)} " + (f"failed: {job.kept.error}" if job.kept.error else "is done"))
        self.recorder.wake()
        await self.intake.over(job.kept)

    async def _late(self, done: asyncio.Event) -> None:
        """Take runs away from who is slow or gone."""
        now = time.monotonic()
        for seat in self.desk.seats.values():
            if seat.outbox is None:
                if now - seat.gone_since > self._grace:
                    self.desk.take_away(seat)
                continue
            for assignment in self.desk.take_away(seat, now - self._patience):
                seat.late_at = self.desk.tip.height
                seat.outbox.put(Taken(digest(assignment), "too late: the run goes to others"))
        done.set()

    async def _ended(self, tasks: set[bytes]) -> None:
        """Tasks are over on the ledger."""
        for id in tasks:
            job = self.desk.jobs.pop(id, None)
            await asyncio.to_thread(self._book.forget, id)
            if job is not None:
                self._told(f"task {_short(job)} is withdrawn, or over, on the ledger")

    async def _claim(self, seats: list[Seat]) -> None:
        steps: list[Step] = []
        for seat in seats:
            steps += self.desk.claim(seat, await self._elapsed(seat))
        await self._step(*steps)

    async def _elapsed(self, seat: Seat) -> int | None:
        if seat.claim is None or seat.claim.height >= self.desk.tip.height:
            return None
        began = seat.claim.height
        return await self._time(began + 1) - await self._time(began)

    async def _time(self, height: int) -> int:
        """When a block came; the ledger is asked only for those that came before the start."""
        if height not in self._times:
            self._times[height] = await answered(self._clock, lambda: self._mining.time(height))
        return self._times[height]

    async def _step(self, *steps: Step) -> None:
        if steps:
            await self._book.add_steps(*steps)
            self.recorder.wake()

    def _hand_out(self) -> None:
        orders: dict[str, list[Run]] = {}
        for seat, job, assignment in self.desk.assign():
            orders.setdefault(seat.account, []).append(self._leaf(job, assignment))
        for account, runs in orders.items():
            seat = self.desk.seats[account]
            if seat.outbox is not None:
                seat.outbox.put(Work(self.desk.tip, self.desk.scale(seat), tuple(runs)))

    def _leaf(self, job: Job, assignment: Assignment) -> Run:
        run = job.order(assignment)
        nsubs = tuple(nsub_hash(left, right) for left, right in zip(run.left, run.right, strict=True))
        self.recorder.assigned(Assigned(assignment, nsubs))
        return run

    def _refused(self, batch: Batch, record: BatchRecord) -> None:
        for place, why in record.skipped:
            log.warning("the ledger skipped %s: %s", type(batch.steps[place]).__name__, why)
            self.intake.skipped(batch.steps[place])


def _short(job: Job) -> str:
    """Enough of its id to find it among the ledger's."""
    return job.id.hex()[:16]
