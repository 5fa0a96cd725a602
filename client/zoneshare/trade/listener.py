"""Where a role listens for the devices that its zone trusts; whom it trusts is asked anew every minute."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack

from zoneshare.identity import Identity
from zoneshare.trade.moment import Clock
from zoneshare.trade.peers import renewed
from zoneshare.trade.wire import TRADE, Connection, Language, serve
from zoneshare_protocols.sharing.records import Trust


class Listener:
    """``trusted`` asks the role's own ledger, and blocks."""

    def __init__(
        self, identity: Identity, trusted: Callable[[], Iterable[Trust]], clock: Clock, language: Language = TRADE
    ) -> None:
        self._identity, self._trusted, self._clock, self._language = identity, trusted, clock, language
        self._server: asyncio.Server | None = None
        self._open = AsyncExitStack()

    async def start(self, host: str, port: int, handle: Callable[[Connection], Awaitable[None]]) -> int:
        """Listen; the port (a free one for 0). Waits for a ledger that is away for a moment.

        ``handle`` gets every session, as :func:`zoneshare.trade.wire.serve` has it. Raises Misuse when the port is in
        use, or no zone is trusted.
        """
        async with AsyncExitStack() as opening:
            book = await opening.enter_async_context(renewed(self._trusted, self._clock))
            self._server = await serve(host, port, self._identity, book, handle, language=self._language)
            self._open = opening.pop_all()
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no new sessions; those under way go on."""
        if self._server is not None:
            self._server.close()
        await self._open.aclose()
