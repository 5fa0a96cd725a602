"""B's line to its watchtower: the newest state of every channel, and the keys it owes."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from zoneshare.identity import Identity
from zoneshare.trade.messages import Watch, Watching
from zoneshare.trade.moment import Clock
from zoneshare.trade.peers import PeerBook, renewed
from zoneshare.trade.wire import Connection, connect
from zoneshare_protocols.errors import RuleBroken, ZoneshareError
from zoneshare_protocols.sharing.records import Trust

if TYPE_CHECKING:
    from zoneshare.trade.live import LiveChannel

log = logging.getLogger(__name__)

AGAIN_MS = 2_000


class Tower:
    """Sends in the background; of several states of a channel only the newest goes out. Trading never waits for it."""

    def __init__(
        self, host: str, port: int, identity: Identity, trusted: Callable[[], Iterable[Trust]], clock: Clock
    ) -> None:
        """``trusted`` asks B's own ledger, now and then, and blocks."""
        self._where, self._identity, self._trusted, self._clock = (host, port), identity, trusted, clock
        self._waiting: dict[str, LiveChannel] = {}
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    def hand(self, live: "LiveChannel") -> None:
        """The channel has a newer state."""
        self._waiting[live.id] = live
        self._idle.clear()
        self._work.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def flushed(self) -> None:
        """Until the watchtower has all there is: after that the device may sleep."""
        await self._idle.wait()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                async with renewed(self._trusted, self._clock) as peers:
                    await self._deliver(peers)
            except ZoneshareError as failed:
                log.warning("whether the watchtower can be trusted is not known: %s", failed)
                await self._clock.wait(AGAIN_MS)

    async def _deliver(self, peers: PeerBook) -> None:
        """Whatever there is, for ever."""
        while True:
            await self._work.wait()
            try:
                connection = await connect(*self._where, self._identity, peers)
            except ZoneshareError as failed:
                log.warning("the watchtower cannot be reached: %s", failed)
                await self._clock.wait(AGAIN_MS)
                continue
            try:
                await self._send(connection)
            except ZoneshareError as failed:
                log.warning("the watchtower did not take a state: %s", failed)
                await self._clock.wait(AGAIN_MS)
            finally:
                await connection.close()

    async def _send(self, connection: Connection) -> None:
        while True:
            while self._waiting:
                channel, live = next(iter(self._waiting.items()))
                holding = await asyncio.to_thread(live.holding)
                del self._waiting[channel]
                try:
                    await connection.send(Watch(live.terms, holding.signed, holding.keys))
                    watching = await connection.receive(Watching)
                except ZoneshareError:
                    self._waiting.setdefault(channel, live)
                    raise
                if (watching.channel, watching.version) != (channel, holding.signed.state.version):
                    raise RuleBroken("the watchtower holds another state", version=watching.version)
            self._work.clear()
            self._idle.set()
            await self._work.wait()
