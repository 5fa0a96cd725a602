"""What miners and sources say, one session each: results are checked here, and what follows goes to the clerk."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from functools import partial

from zoneshare.epow.book import Book
from zoneshare.epow.clerk import Clerk
from zoneshare.epow.desk import Seat
from zoneshare.epow.job import total_of
from zoneshare.epow.messages import (
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
    Taken,
    Verified,
)
from zoneshare.epow.session import Session
from zoneshare.trade.wire import Connection
from zoneshare_protocols.codec import digest
from zoneshare_protocols.epow.blocks import check_commitment
from zoneshare_protocols.epow.hashing import matrix_bytes
from zoneshare_protocols.epow.records import Assignment
from zoneshare_protocols.errors import FakeResult, Malformed, ZoneshareError

log = logging.getLogger(__name__)


class Hearing:
    """``sample``: of a million runs, those of which a single result is revealed; of the sums, all are checked."""

    def __init__(self, clerk: Clerk, book: Book, sample: int) -> None:
        self._clerk, self._book, self._sample = clerk, book, sample
        self._desk, self._sessions = clerk.desk, set[Session]()

    async def session(self, connection: Connection) -> None:
        """From its first word to its end. Raises PeerGone, or the rule that the other side broke."""
        session = Session(connection, self._cells)
        self._sessions.add(session)
        try:
            await session.run(self._heard)
        finally:
            self._sessions.discard(session)
            self._clerk.intake.gone(session)
            if session.seat is not None:
                self._clerk.post(lambda: self._clerk.gone(session))

    async def close(self) -> None:
        """End all sessions."""
        for session in list(self._sessions):
            await session.close()

    async def _heard(self, session: Session, message: object) -> None:
        match message:
            case Mine():
                await self._join(session, message.wanted)
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
                await self._clerk.intake.bring(session, message.task)
            case _:
                raise Malformed(f"not the time for {type(message).__name__}")

    async def _join(self, session: Session, wanted: int) -> None:
        try:
            record = await self._clerk.ask(session.connection.peer.account)
        except ZoneshareError as refused:
            session.refuse(refused)
            return
        done = asyncio.Event()
        self._clerk.post(lambda: self._clerk.join(session, wanted, record, done))
        await done.wait()

    async def _prove(self, session: Session, assignment: bytes) -> None:
        shown = await self._clerk.recorder.shown(assignment)
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
        self._clerk.post(lambda: self._clerk.done(seat, assignment, message.result, total))

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
            self._clerk.post(lambda: self._clerk.done(seat, assignment, result, total))

    async def _passes(self, session: Session, seat: Seat, assignment: Assignment, check: Callable[[], None]) -> bool:
        """Whether a result passes a check, done beside the loop; who made a fake loses its runs."""
        try:
            await self._clerk.beside(check)
        except FakeResult as fake:
            log.warning("%s is caught: %s", seat.account, fake)
            self._clerk.post(lambda: self._clerk.caught(seat, assignment))
            session.put(Taken(digest(assignment), f"fake: {fake}"))
            return False
        return True

    def _cells(self, hash: bytes) -> memoryview | None:
        """A block's cells, for a miner that lacks it."""
        for job in self._desk.jobs.values():
            block = job.block(hash)
            if block is not None:
                return matrix_bytes(block)
        return None
