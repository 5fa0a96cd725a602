"""The coordinator: takes tasks, hands out runs, verifies, merges, and has all of it recorded and paid (section II.B).

One task of the event loop, :meth:`Coordinator._act`, changes claims and holdings, event by event; checking and merging
run in one thread beside it. What it has answered to is on the disk (:class:`~zoneshare.epow.book.Book`).
"""

import asyncio
import logging
import secrets
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from zoneshare.epow.book import Book, KeptTask
from zoneshare.epow.desk import Desk, Seat
from zoneshare.epow.intake import Intake
from zoneshare.epow.job import Job, run_done, total_of
from zoneshare.epow.ledger import Mining
from zoneshare.epow.messages import (
    EPOW,
    Bring,
    Done,
    Fetch,
    Inquire,
    Inquired,
    Mine,
    Prove,
    Proven,
    Reveal,
    Revealed,
    Run,
    Taken,
    Verified,
    Welcome,
    Work,
)
from zoneshare.epow.recorder import Recorder
from zoneshare.epow.session import Session
from zoneshare.identity import Identity
from zoneshare.ledger import EventStream
from zoneshare.trade.peers import PeerBook
from zoneshare.trade.wire import Connection, serve
from zoneshare_protocols.codec import decode, digest
from zoneshare_protocols.epow.blocks import check_commitment
from zoneshare_protocols.epow.exact import Int32
from zoneshare_protocols.epow.hashing import nsub_hash
from zoneshare_protocols.epow.ledger import Assigned, Batch, BatchRecord, Mined, Step
from zoneshare_protocols.epow.records import Assignment, RunResult
from zoneshare_protocols.errors import FakeResult, LimitExceeded, Malformed, Misuse, NotAllowed, ZoneshareError

log = logging.getLogger(__name__)

PATIENCE_S = 60.0
"""A miner that holds a run longer loses it."""
GRACE_S = 5.0
"""A miner that lost its connection keeps its runs so long."""
TICK_S = 0.5
SAMPLE_PPM = 10_000
"""Runs of a million of which a single result is revealed; of the sums, all are checked."""

Event = Callable[[], Awaitable[None]]
R = TypeVar("R")


class Coordinator:
    """Use :meth:`start` and :meth:`stop`. ``mining`` is the zone's ledger under the coordinator's identity."""

    def __init__(
        self,
        mining: Mining,
        identity: Identity,
        peers: PeerBook,
        book: Book,
        *,
        patience: float = PATIENCE_S,
        grace: float = GRACE_S,
        sample: int = SAMPLE_PPM,
    ) -> None:
        self._mining, self._identity, self._peers, self._book = mining, identity, peers, book
        self._patience, self._grace, self._sample = patience, grace, sample
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._worker = ThreadPoolExecutor(1, "epow-verify")
        self._recorder = Recorder(mining, book, self._refused)
        self._tasks: list[asyncio.Task[None]] = []
        self._sessions: set[Session] = set()
        self._server: asyncio.Server | None = None
        self._stream: EventStream | None = None
        self._times: dict[int, int] = {}
        self._failure: asyncio.Future[None] | None = None
        self.verified = 0
        """nsub-tasks since it was started."""

    async def start(self, host: str, port: int) -> int:
        """Listen; the port. Raises Misuse when the port is taken, or this identity is not the zone's coordinator."""
        zone = await asyncio.to_thread(self._mining.zone)
        if zone.coordinator != self._identity.account:
            raise Misuse("the zone has another coordinator", zone=zone.coordinator, here=self._identity.account)
        self._failure = asyncio.get_running_loop().create_future()
        await self._recorder.recover()
        self._stream = await asyncio.to_thread(self._mining.ledger.events)
        self._desk = Desk(zone, await asyncio.to_thread(self._mining.tip))
        self._intake = Intake(self._mining, self._book, self._post_job)
        for kept in await asyncio.to_thread(self._book.tasks):
            if kept.result is None and not kept.error:
                await self._open(kept)
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._listen, args=(loop, self._stream), daemon=True, name="epow-blocks").start()
        for work in (self._act(), self._recorder.run(), self._tick()):
            task = asyncio.create_task(work)
            task.add_done_callback(self._ended)
            self._tasks.append(task)
        self._server = await serve(host, port, self._identity, self._peers, self._session, language=EPOW)
        listening: int = self._server.sockets[0].getsockname()[1]
        return listening

    async def wait(self) -> None:
        """For ever; raises what made the coordinator fail."""
        if self._failure is not None:
            await self._failure

    async def stop(self) -> None:
        """What is verified is on the disk; the next start goes on from there."""
        if self._server is not None:
            self._server.close()
        if self._stream is not None:
            self._stream.close()
        for session in list(self._sessions):
            await session.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._worker.shutdown()

    async def _session(self, connection: Connection) -> None:
        session = Session(connection, self._cells)
        self._sessions.add(session)
        try:
            await session.run(self._heard)
        finally:
            self._sessions.discard(session)
            self._intake.gone(session)
            if session.seat is not None:
                self._post(lambda: self._gone(session))

    async def _heard(self, session: Session, message: object) -> None:
        match message:
            case Mine():
                done = asyncio.Event()
                self._post(lambda: self._join(session, message.wanted, done))
                await done.wait()
            case Fetch():
                for hash in message.hashes:
                    session.put(hash)
            case Done() if session.seat is not None:
                await self._result(session, session.seat, message)
            case Revealed() if session.seat is not None:
                await self._revealed(session, session.seat, message)
            case Inquire():
                kept = await asyncio.to_thread(self._book.find_result, message.task, message.sub_task, message.run)
                session.put(Inquired(kept))
            case Prove() if session.seat is not None:
                # The answer waits for the ledger; results must not wait for it.
                session.spawn(self._prove(session, message.assignment))
            case Bring():
                await self._intake.bring(session, message.task)
            case _:
                raise Malformed(f"not the time for {type(message).__name__}")

    async def _prove(self, session: Session, assignment: bytes) -> None:
        shown = await self._recorder.shown(assignment)
        session.put(Taken(assignment, "stale tip") if shown is None else Proven(assignment, shown))

    async def _result(self, session: Session, seat: Seat, message: Done) -> None:
        """A run's sum has come: check it, beside the loop."""
        assignment, id = message.assignment, digest(message.assignment)
        if not self._desk.holds(seat, assignment):
            known = await asyncio.to_thread(self._book.find_run, assignment.task, assignment.sub_task, assignment.run)
            again = known is not None and known.miner == seat.account
            session.put(Verified(id) if again else Taken(id, "the run is not yours any more"))
            return
        check_commitment(message.result, assignment)
        total = total_of(message.sum, self._desk.zone.rules.basic)
        if total is None:
            raise Malformed("a run's sum is b x b int32", bytes=len(message.sum))
        job = self._desk.jobs[assignment.task]
        if not await self._passes(session, seat, assignment, partial(job.check, assignment, message.result, total)):
            return
        if secrets.randbelow(1_000_000) < self._sample:
            nsub = assignment.first + secrets.randbelow(assignment.count)
            session.asked[id] = (assignment, message.result, total, nsub)
            session.put(Reveal(id, nsub))
            return
        self._post(lambda: self._done(seat, assignment, message.result, total))

    async def _revealed(self, session: Session, seat: Seat, message: Revealed) -> None:
        """A single result has come. Who never reveals it is too late with its run."""
        asked = session.asked.pop(message.assignment, None)
        single = total_of(message.cells, self._desk.zone.rules.basic)
        if asked is None or single is None:
            raise Malformed("not a result that was asked for", bytes=len(message.cells))
        assignment, result, total, nsub = asked
        job = self._desk.jobs.get(assignment.task)
        if job is None or not self._desk.holds(seat, assignment):
            session.put(Taken(message.assignment, "the run is not yours any more"))
        elif await self._passes(session, seat, assignment, partial(job.check_single, assignment, result, nsub, single)):
            self._post(lambda: self._done(seat, assignment, result, total))

    async def _passes(self, session: Session, seat: Seat, assignment: Assignment, check: Callable[[], None]) -> bool:
        """Whether a result passes a check, done beside the loop; who made a fake loses its runs."""
        try:
            await self._beside(check)
        except FakeResult as fake:
            log.warning("%s is caught: %s", seat.account, fake)
            self._post(lambda: self._caught(seat, assignment))
            session.put(Taken(digest(assignment), f"fake: {fake}"))
            return False
        return True

    # What follows changes claims and holdings: one event after the other.

    def _post(self, event: Event) -> None:
        self._events.put_nowait(event)

    def _post_job(self, kept: KeptTask) -> None:
        self._post(lambda: self._open(kept))

    async def _act(self) -> None:
        while True:
            event = await self._events.get()
            await event()
            self._hand_out()

    async def _join(self, session: Session, wanted: int, done: asyncio.Event) -> None:
        account = session.connection.peer.account
        try:
            record = await asyncio.to_thread(self._mining.miner, account)
            seat = self._desk.seats.get(account)
            if seat is None:
                seat = self._desk.seats[account] = Seat(account, wanted, record.claim, None)
            elif isinstance(seat.outbox, Session):
                # A new connection takes over; the old one is dead or was copied.
                old = seat.outbox
                old.seat = None
                session.spawn(old.close())
            # The new process holds nothing.
            self._desk.take_away(seat)
            seat.wanted, seat.outbox, session.seat, seat.deposit = wanted, session, seat, record.deposit
            await self._claim([seat])
            session.put(Welcome(self._desk.zone, self._desk.tip))
        except ZoneshareError as refused:
            session.refuse(refused)
        finally:
            done.set()

    async def _gone(self, session: Session) -> None:
        seat = session.seat
        if seat is not None and seat.outbox is session:
            seat.outbox, seat.gone_since = None, time.monotonic()
            self._desk.return_plot(seat)

    async def _done(self, seat: Seat, assignment: Assignment, result: RunResult, total: Int32) -> None:
        job, id = self._desk.jobs.get(assignment.task), digest(assignment)
        outbox = seat.outbox
        valid = job is not None and job.kept.sub_task == assignment.sub_task and self._desk.holds(seat, assignment)
        if job is None or not valid:
            if outbox is not None:
                outbox.put(Taken(id, "the run is not yours any more"))
            return
        try:
            self._desk.count(seat, assignment)
        except (NotAllowed, LimitExceeded) as refused:
            if outbox is not None:
                outbox.put(Taken(id, str(refused)))
            return
        await asyncio.to_thread(self._book.add_runs, [(run_done(assignment, digest(result)), result, total)])
        await self._beside(job.merge, assignment.run, total)
        self.verified += assignment.count
        if outbox is not None:
            outbox.put(Verified(id))
        self._recorder.wake()
        if job.missing == 0 and await self._beside(job.advance):
            await self._over(job)

    async def _caught(self, seat: Seat, assignment: Assignment) -> None:
        held = [holding.assignment for holding in seat.held.values()]
        await self._step(*self._desk.caught(seat, assignment))
        for other in held:
            if other != assignment and seat.outbox is not None:
                seat.outbox.put(Taken(digest(other), "after a fake, all runs go to others"))

    async def _mined(self, mined: Mined) -> None:
        """A block has come: claims are closed and opened, left-overs stay as new draws."""
        if mined.tip.height <= self._desk.tip.height:
            return
        self._times[mined.tip.height] = mined.time
        self._desk.tip = mined.tip
        await self._claim([seat for seat in self._desk.seats.values() if seat.outbox is not None])
        for seat in self._desk.seats.values():
            if seat.outbox is not None:
                carried = self._desk.carry(seat)
                for assignment in carried:
                    self._leaf(self._desk.jobs[assignment.task], assignment)
                seat.outbox.put(Work(mined.tip, self._desk.scale(seat), (), carried))

    async def _open(self, kept: KeptTask) -> None:
        """A task is complete here: begin, or go on with, its work."""
        if kept.task.id in self._desk.jobs:
            return
        job = Job(kept, self._book)
        try:
            await self._beside(job.open)
        except LimitExceeded as refusal:
            await self._beside(job.fail, str(refusal))
            await self._over(job)
            return
        self._desk.jobs[job.id] = job
        if job.missing == 0 and await self._beside(job.advance):
            await self._over(job)

    async def _over(self, job: Job) -> None:
        """A task is merged, or has failed: tell its source, if it listens."""
        self._desk.jobs.pop(job.id, None)
        self._recorder.wake()
        await self._intake.over(job.kept)

    async def _late(self) -> None:
        """Take runs away from who is slow or gone."""
        now = time.monotonic()
        for seat in self._desk.seats.values():
            if seat.outbox is None:
                if now - seat.gone_since > self._grace:
                    self._desk.take_away(seat)
                continue
            for assignment in self._desk.take_away(seat, now - self._patience):
                seat.late_at = self._desk.tip.height
                seat.outbox.put(Taken(digest(assignment), "too late: the run goes to others"))
        for id in await self._intake.ended(list(self._desk.jobs)):
            self._desk.jobs.pop(id, None)

    async def _claim(self, seats: list[Seat]) -> None:
        steps: list[Step] = []
        for seat in seats:
            steps += self._desk.claim(seat, await self._elapsed(seat))
        await self._step(*steps)

    async def _elapsed(self, seat: Seat) -> int | None:
        if seat.claim is None or seat.claim.height >= self._desk.tip.height:
            return None
        began = seat.claim.height
        for height in (began, began + 1):
            if height not in self._times:
                self._times[height] = await asyncio.to_thread(self._mining.time, height)
        return self._times[began + 1] - self._times[began]

    async def _step(self, *steps: Step) -> None:
        if steps:
            await self._book.add_steps(*steps)
            self._recorder.wake()

    def _hand_out(self) -> None:
        orders: dict[str, list[Run]] = {}
        for seat, job, assignment in self._desk.assign():
            orders.setdefault(seat.account, []).append(self._leaf(job, assignment))
        for account, runs in orders.items():
            seat = self._desk.seats[account]
            if seat.outbox is not None:
                seat.outbox.put(Work(self._desk.tip, self._desk.scale(seat), tuple(runs)))

    def _leaf(self, job: Job, assignment: Assignment) -> Run:
        run = job.order(assignment)
        nsubs = tuple(nsub_hash(left, right) for left, right in zip(run.left, run.right, strict=True))
        self._recorder.assigned(Assigned(assignment, nsubs))
        return run

    # From other threads, and helpers.

    def _listen(self, loop: asyncio.AbstractEventLoop, stream: EventStream) -> None:
        try:
            for event in stream:
                if event.name == "block":
                    mined = decode(Mined, event.payload)
                    loop.call_soon_threadsafe(self._post, partial(self._mined, mined))
        except (ZoneshareError, RuntimeError) as failed:
            log.warning("the ledger's events ended: %s", failed)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._post(self._late)

    async def _beside(self, work: Callable[..., R], *args: Any) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._worker, partial(work, *args))

    def _cells(self, hash: bytes) -> bytes | None:
        """A block's cells, for a miner that lacks it."""
        for job in self._desk.jobs.values():
            block = job.block(hash)
            if block is not None:
                return block.tobytes()
        return None

    def _refused(self, batch: Batch, record: BatchRecord) -> None:
        for place, why in record.skipped:
            log.warning("the ledger skipped %s: %s", type(batch.steps[place]).__name__, why)
            self._intake.skipped(batch.steps[place])

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)
