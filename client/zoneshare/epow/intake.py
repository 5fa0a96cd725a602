"""What the coordinator does for sources: takes tasks and matrices, gives results, settles what nobody disputes."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress

from zoneshare.epow.book import Book, KeptTask
from zoneshare.epow.ledger import Mining
from zoneshare.epow.matrices import cell_width, result_pieces
from zoneshare.epow.messages import Accepted, Failed, Merged, Need, Piece
from zoneshare.epow.session import Session
from zoneshare.trade.moment import Clock, answered
from zoneshare_protocols.epow.ledger import RunDone, Step, TaskStatus
from zoneshare_protocols.epow.plan import check_chain
from zoneshare_protocols.epow.records import Task
from zoneshare_protocols.errors import LedgerFailed, NotAllowed, RuleBroken, TooEarly, WrongPhase

log = logging.getLogger(__name__)

LOOK_S = 10.0
"""Between looks at the ledger for tasks that are withdrawn, accepted or due."""


class Intake:
    """``begin`` gets every task whose matrices are all here."""

    def __init__(self, mining: Mining, book: Book, begin: Callable[[KeptTask], None], clock: Clock) -> None:
        self._mining, self._book, self._begin, self._clock = mining, book, begin, clock
        self._waiting: dict[bytes, set[Session]] = {}
        self._wake = asyncio.Event()
        self._order = max((kept.order for kept in book.tasks()), default=0)

    async def bring(self, session: Session, task: Task) -> None:
        """A task that is on the ledger. Raises what is wrong with it; again after a break, it goes on."""
        if session.connection.peer.account != task.source:
            raise NotAllowed("a task is brought by its source", source=task.source)
        kept = await asyncio.to_thread(self._book.find, task.id)
        if kept is None:
            await self._check(task)
            kept = await self._take(session, task)
        session.put(Accepted(task.id))
        self._waiting.setdefault(task.id, set()).add(session)
        if kept.result is not None or kept.error:
            await self.over(kept)
        else:
            self._begin(kept)

    async def over(self, kept: KeptTask) -> None:
        """Tell all that wait."""
        id = kept.task.id
        waiting = self._waiting.pop(id, set())
        if not waiting:
            return
        if kept.error or kept.result is None:
            for session in waiting:
                session.put(Failed(id, kept.error))
            return
        first, last = kept.task.matrices[0], kept.task.matrices[-1]
        width = await asyncio.to_thread(lambda: cell_width(self._book.result(kept)))
        merged = Merged(id, kept.result, first.rows, last.columns, width)
        for session in waiting:
            session.put(merged)
            session.put_all(result_pieces(merged, await asyncio.to_thread(self._book.result, kept)))

    def gone(self, session: Session) -> None:
        for sessions in self._waiting.values():
            sessions.discard(session)

    def skipped(self, step: Step) -> None:
        """The ledger did not take a run: its task is not open there any more."""
        if isinstance(step, RunDone):
            self._wake.set()

    async def look(self) -> set[bytes]:
        """Waits until it is time; then the tasks that are over on the ledger. Settles what nobody disputes any more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._wake.wait()
        self._wake.clear()
        over = set()
        try:
            zone = await asyncio.to_thread(self._mining.zone)
            for kept in await asyncio.to_thread(self._book.tasks):
                id = kept.task.id
                record = await asyncio.to_thread(self._mining.task, id)
                if record.status not in (TaskStatus.OPEN, TaskStatus.DONE):
                    over.add(id)
                elif record.status is TaskStatus.DONE and _now() > record.done_at + zone.dispute_time:
                    with suppress(TooEarly):  # the margin is not over yet
                        await asyncio.to_thread(self._mining.accept, [id])
        except (LedgerFailed, RuleBroken) as failed:
            log.warning("cannot look after finished tasks: %s", failed)
        return over

    async def _check(self, task: Task) -> None:
        record = await answered(self._clock, lambda: self._mining.task(task.id))
        if record.status is not TaskStatus.OPEN:
            raise WrongPhase("the task is over", phase=record.status, event="bring", allowed="open")
        check_chain(task.matrices)

    async def _take(self, session: Session, task: Task) -> KeptTask:
        """Ask for the matrices, each once, and keep them."""
        needed = {info.hash: info for info in task.matrices}
        session.put(Need(tuple(needed)))
        for hash, info in needed.items():
            names = [f"m{number}" for number, each in enumerate(task.matrices) if each.hash == hash]
            with self._book.files.incoming(task.id, info) as matrix:
                while not matrix.complete:
                    piece = await session.connection.receive(Piece)
                    await asyncio.to_thread(matrix.add, piece)
                await asyncio.to_thread(matrix.finish, [self._book.files.matrix_path(task.id, name) for name in names])
        self._order += 1
        kept = KeptTask(task, secrets.token_bytes(32), order=self._order)
        await asyncio.to_thread(self._book.put, kept)
        return kept


def _now() -> int:
    return time.time_ns() // 1_000_000
