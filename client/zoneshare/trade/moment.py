"""Time and patience, passed in, so that a test can turn the clock."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Protocol, TypeVar

from zoneshare.ledger import CommitUnknown, LedgerUnavailable
from zoneshare_protocols.errors import LedgerFailed, RuleBroken

R = TypeVar("R")

AWAY: ContextVar[Callable[[LedgerFailed], None] | None] = ContextVar("away", default=None)
"""Called with every failure of a ledger, a store or the other device after which it is tried again."""

PAUSES_MS = (50, 100, 250, 500, 1_000, 2_000, 4_000, 4_000, 4_000)
"""Between attempts, where a ledger, a store or the other device gave no answer: 16 s, for a process to start again."""


class Clock(Protocol):
    def now_ms(self) -> int:
        """Milliseconds since 1970."""

    async def wait(self, span_ms: int, event: asyncio.Event | None = None) -> None:
        """Until the span is over, or the event is set."""


class SystemClock:
    """This machine's."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def wait(self, span_ms: int, event: asyncio.Event | None = None) -> None:
        if event is None:
            await asyncio.sleep(span_ms / 1000)
            return
        # Not wait_for: before Python 3.12 it can lose a cancellation.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(span_ms / 1000):
                await event.wait()


async def persist(clock: Clock, ask: Callable[[], Awaitable[R]]) -> R:
    """What ``ask`` gives, tried again with pauses while it fails in a way that may pass."""
    for pause in PAUSES_MS:
        try:
            return await ask()
        except LedgerFailed as failed:
            if not (failed.retryable or isinstance(failed, CommitUnknown)):
                raise
            tell = AWAY.get()
            if tell is not None:
                tell(failed)
        await clock.wait(pause)
    return await ask()


async def answered(clock: Clock, ask: Callable[[], R]) -> R:
    """What a ledger answers to ``ask``, which blocks and runs in a thread; asked again as :func:`persist` does."""
    return await persist(clock, lambda: asyncio.to_thread(ask))


async def ensure(clock: Clock, done: Callable[[], R | None], act: Callable[[], object]) -> R:
    """Bring a ledger to where ``done`` gives something, by ``act`` where it does not; both block, and run in a thread.

    For acts that a ledger takes once only, so that trying again after no clear answer is safe. Raises what ``act``
    raises, when ``done`` gives nothing even then.
    """

    def attempt() -> R:
        found = done()
        if found is not None:
            return found
        try:
            act()
        except RuleBroken:
            # Anyone may act, and another was faster; or a transaction of ours committed after all.
            found = done()
            if found is None:
                raise
            return found
        found = done()
        if found is None:
            raise LedgerUnavailable("the ledger does not show yet what it took")
        return found

    return await answered(clock, attempt)
