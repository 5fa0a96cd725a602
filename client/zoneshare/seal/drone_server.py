"""The drone's door: vehicles look for its auction, fetch their tasks' data, and deliver encrypted results."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from zoneshare.seal.drone_messages import DRONE, Announced, Deliver, Fetch, Look, Nothing
from zoneshare.seal.exchange import Exchange
from zoneshare.seal.party import Party
from zoneshare.trade.listener import Listener
from zoneshare.trade.moment import Clock
from zoneshare.trade.wire import Connection
from zoneshare_protocols.errors import RuleBroken

IDLE_S = 60.0
HOLD_MS = 5_000
"""So long a vehicle that looks for an auction waits for an answer."""


class DroneServer:
    """``load`` has the exchange of an auction, or raises NotFound; ``enclave_at`` is what bidders are told."""

    def __init__(
        self,
        party: Party,
        clock: Clock,
        enclave_at: tuple[str, int],
        load: Callable[[bytes], Awaitable[Exchange]],
    ) -> None:
        self._clock, self._enclave_at, self._load = clock, enclave_at, load
        self._listener = Listener(party.identity, party.renew, clock, DRONE)
        self._announced: bytes | None = None
        self._news = asyncio.Event()
        self._sessions: set[asyncio.Task[None]] = set()
        self._handlers: set[asyncio.Task[Any]] = set()

    async def start(self, host: str, port: int) -> int:
        """As :meth:`.Listener.start`."""
        return await self._listener.start(host, port, self._handle)

    async def stop(self) -> None:
        await self._listener.stop()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, *self._handlers, return_exceptions=True)

    def announce(self, auction: bytes) -> None:
        """It takes bids."""
        self._announced = auction
        self._news.set()
        self._news = asyncio.Event()

    def retract(self, auction: bytes) -> None:
        """It takes none any more."""
        if self._announced == auction:
            self._announced = None

    async def _handle(self, connection: Connection) -> None:
        session = asyncio.create_task(self._serve(connection))
        self._sessions.add(session)
        handler = asyncio.current_task()
        if handler is not None:
            self._handlers.add(handler)
            handler.add_done_callback(self._handlers.discard)
        try:
            await asyncio.wait([session])
        finally:
            session.cancel()
            self._sessions.discard(session)
        if not session.cancelled():
            session.result()

    async def _serve(self, connection: Connection) -> None:
        account = connection.peer.account
        while True:
            match await connection.receive_one(IDLE_S):
                case Look() as look:
                    await connection.send(await self._look(look.after))
                case Fetch() as fetch:
                    exchange = await self._load(fetch.auction)
                    await connection.send(exchange.input(account, fetch.number))
                case Deliver() as deliver:
                    exchange = await self._load(deliver.encrypted.context.auction)
                    await connection.send(await exchange.take(account, deliver.encrypted))
                case other:
                    raise RuleBroken(f"a drone does not take {type(other).__name__}")

    async def _look(self, after: bytes) -> Announced | Nothing:
        if self._announced in (None, after):
            await self._clock.wait(HOLD_MS, self._news)
        if self._announced in (None, after):
            return Nothing()
        return Announced(self._announced or b"", *self._enclave_at)
