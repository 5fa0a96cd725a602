"""The coordinator: takes tasks, hands out runs, verifies, merges, and has all of it recorded and paid (section II.B).

What is said to it, :mod:`~zoneshare.epow.hearing` checks; what follows, :mod:`~zoneshare.epow.clerk` does.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable

from zoneshare.epow.book import Book
from zoneshare.epow.clerk import Clerk
from zoneshare.epow.desk import Desk
from zoneshare.epow.hearing import Hearing
from zoneshare.epow.ledger import Mining
from zoneshare.epow.messages import EPOW
from zoneshare.epow.news import News
from zoneshare.epow.standing import Standing
from zoneshare.identity import Identity
from zoneshare.trade.listener import Listener
from zoneshare.trade.moment import Clock, answered
from zoneshare_protocols.epow.ledger import Mined
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.sharing.records import Trust

PATIENCE_S = 60.0
"""A miner that holds a run longer loses it."""
GRACE_S = 5.0
"""A miner that lost its connection keeps its runs so long."""
SAMPLE_PPM = 10_000
"""Runs of a million of which a single result is revealed; of the sums, all are checked."""


class Coordinator:
    """Use :meth:`start` and :meth:`stop`. ``mining`` is the zone's ledger under the coordinator's identity.

    ``trusted`` asks that ledger whom the zone trusts, and blocks. ``told`` gets a line whenever a miner comes or goes,
    and a task comes or is over.
    """

    def __init__(
        self,
        mining: Mining,
        identity: Identity,
        trusted: Callable[[], Iterable[Trust]],
        book: Book,
        *,
        clock: Clock,
        patience: float = PATIENCE_S,
        grace: float = GRACE_S,
        sample: int = SAMPLE_PPM,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._mining, self._identity, self._book, self._clock = mining, identity, book, clock
        self._patience, self._grace, self._sample, self._told = patience, grace, sample, told
        self._tasks: list[asyncio.Task[None]] = []
        self._clerk: Clerk | None = None
        self._hearing: Hearing | None = None
        self._listener = Listener(identity, trusted, clock, EPOW)
        self._news: News | None = None
        self._failure: asyncio.Future[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; the port. Waits for a ledger that is away for a moment.

        Raises Misuse when the port is taken, or this identity is not the zone's coordinator; DataCorrupt when a matrix
        of a task at work is not what it was, or verified sums are gone.
        """
        zone = await answered(self._clock, self._mining.zone)
        if zone.coordinator != self._identity.account:
            raise Misuse("the zone has another coordinator", zone=zone.coordinator, here=self._identity.account)
        loop = asyncio.get_running_loop()
        self._failure = loop.create_future()

        def mined(block: Mined) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is over
                loop.call_soon_threadsafe(lambda: clerk.post(lambda: clerk.mined(block)))

        self._news = news = await answered(self._clock, lambda: News(self._mining, mined))
        desk, tip_time = Desk(zone, news.tip), await answered(self._clock, lambda: self._mining.time(news.tip.height))
        self._clerk = clerk = Clerk(
            self._mining, self._book, desk, tip_time,
            clock=self._clock, patience=self._patience, grace=self._grace, told=self._told,
        )  # fmt: skip
        await clerk.recorder.recover()
        for kept in await asyncio.to_thread(self._book.tasks):
            if kept.result is None and not kept.error:
                await asyncio.to_thread(self._book.check, kept)
                await clerk.open(kept)
        news.start()
        for work in (clerk.run(), clerk.recorder.run(), clerk.tick(), clerk.look()):
            task = asyncio.create_task(work)
            task.add_done_callback(self._ended)
            self._tasks.append(task)
        self._hearing = Hearing(clerk, self._book, self._sample)
        return await self._listener.start(host, port, self._hearing.session)

    def standing(self) -> Standing:
        """What is at work, and what was done since the start. From any thread."""
        return Standing() if self._clerk is None else self._clerk.standing()

    async def wait(self) -> None:
        """For ever; raises what made the coordinator fail."""
        if self._failure is not None:
            await self._failure

    async def stop(self) -> None:
        """What is verified is on the disk; the next start goes on from there."""
        await self._listener.stop()
        if self._news is not None:
            self._news.close()
        if self._hearing is not None:
            await self._hearing.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._clerk is not None:
            self._clerk.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)
