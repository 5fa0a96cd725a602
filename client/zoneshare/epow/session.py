"""One connection to the coordinator: what it says is heard in order; what it is told waits in a queue of its own."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

from zoneshare.epow.desk import Seat
from zoneshare.epow.messages import PIECE, Piece
from zoneshare.trade.messages import Refuse
from zoneshare.trade.wire import Connection
from zoneshare_protocols.codec import Record
from zoneshare_protocols.epow.exact import Int32
from zoneshare_protocols.epow.records import Assignment, RunResult
from zoneshare_protocols.errors import ZoneshareError, to_wire

IDLE_S = 24 * 3600.0
"""A miner that computes, or a source that waits, may be silent so long."""
Hears = Callable[["Session", Any], Awaitable[None]]


class Session:
    """Put messages, or the hash of a block to be sent."""

    def __init__(self, connection: Connection, cells: Callable[[bytes], memoryview | None]) -> None:
        self.connection = connection
        self.seat: Seat | None = None
        self.asked: dict[bytes, tuple[Assignment, RunResult, Int32, int]] = {}
        """Runs whose sum is right, and of which a single result is to be revealed: the nsub-task's id."""
        self._cells = cells
        self._out: asyncio.Queue[Record | bytes | Iterator[Record]] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, message: object) -> None:
        """Send a message, or the block with this hash; never waits."""
        if isinstance(message, Record | bytes):
            self._out.put_nowait(message)

    def put_all(self, messages: Iterator[Record]) -> None:
        """Send messages that are made one by one, as they go."""
        self._out.put_nowait(messages)

    def refuse(self, error: ZoneshareError) -> None:
        self.put(Refuse(to_wire(error)[:4096]))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside, until the session ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def run(self, heard: Hears) -> None:
        """Until the other side is gone or breaks a rule; raises PeerGone, or what it broke."""
        writer = asyncio.create_task(self._write())
        try:
            while True:
                for message in await self.connection.receive_many(IDLE_S):
                    await heard(self, message)
        finally:
            for task in (writer, *self._tasks):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ZoneshareError):
                await writer

    async def close(self) -> None:
        await self.connection.close()

    async def _write(self) -> None:
        while True:
            item = await self._out.get()
            if isinstance(item, bytes):
                await self._send_block(item)
            elif isinstance(item, Record):
                await self.connection.send(item)
            else:
                for message in item:
                    await self.connection.send(message)

    async def _send_block(self, hash: bytes) -> None:
        cells = self._cells(hash)
        if cells is None:
            # Of a sub-task that is over: its runs are too.
            return
        for offset in range(0, len(cells), PIECE):
            await self.connection.send(Piece(hash, offset, len(cells), cells[offset : offset + PIECE]))
