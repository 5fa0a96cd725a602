"""The worker process: hfc's asyncio objects behind one socket. ``python -m zoneshare.hfc.worker FD``.

Started by :mod:`zoneshare.hfc.process`. It holds no private key: everything it sends to the network was signed on
the other side. It ends when the other side closes the socket.
"""

import asyncio
import logging
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from zoneshare.hfc.failure import AGAIN, Failure
from zoneshare.hfc.messages import (
    HEAD,
    Answer,
    Await,
    Call,
    Cancel,
    Endorse,
    Evaluate,
    Expect,
    Failed,
    Network,
    Next,
    Open,
    Order,
    Reply,
    Settle,
    Shut,
    Verdict,
    frame,
)
from zoneshare.hfc.shim import prepare
from zoneshare_protocols.codec import decode

THREADS = 512
"""aiogrpc reads every stream with a thread: one an order under way, an event hub, a reader of events."""


class Worker:
    """Answers calls, each in a task of its own."""

    def __init__(self, network: Network, writer: asyncio.StreamWriter) -> None:
        from zoneshare.hfc.nodes import Nodes
        from zoneshare.hfc.verdicts import Verdicts

        self._new_verdicts = Verdicts
        self._nodes = Nodes(network)
        self._writer = writer
        self._verdicts: dict[str, Any] = {}
        self._streams: dict[int, tuple[Any, Any]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._at = 0
        """The peer that events are read from."""

    def take(self, call: Call) -> None:
        match call.request:
            case Cancel(number):
                if number in self._tasks:
                    self._tasks[number].cancel()
            case Shut(stream):
                self._shut(stream)
            case _:
                task = asyncio.ensure_future(self._serve(call))
                self._tasks[call.number] = task
                task.add_done_callback(lambda _: self._tasks.pop(call.number))

    async def _serve(self, call: Call) -> None:
        try:
            limit = call.timeout_ms / 1000 or None
            result = await asyncio.wait_for(self._answer(call), limit)
        except Failure as failure:
            result = failure.said
        except TimeoutError:
            result = Failed("DEADLINE_EXCEEDED", f"no answer within {call.timeout_ms} ms")
        except asyncio.CancelledError:
            result = Failed("CANCELLED", "the call was cancelled")
        except Exception as fault:  # noqa: BLE001  # hfc's own faults of any kind: the caller is told, the worker lives
            result = Failed("INTERNAL", f"{type(fault).__name__}: {fault}")
        self._writer.write(frame(Reply(call.number, result)))

    async def _answer(self, call: Call) -> Answer | Verdict | Failed:  # noqa: PLR0911 - an answer for each request
        limit = call.timeout_ms / 1000
        match call.request:
            case Evaluate(proposal):
                return Answer((await self._nodes.evaluate(proposal, limit),))
            case Endorse(proposal):
                return Answer(await self._nodes.endorse(proposal, limit))
            case Order(channel, tx_id, envelope, seek):
                started = asyncio.get_running_loop().time()
                await self._of(channel).expect(tx_id, seek)
                await self._nodes.broadcast(envelope, limit - (asyncio.get_running_loop().time() - started))
                return Answer()
            case Expect(channel, tx_id, seek):
                await self._of(channel).expect(tx_id, seek)
                return Answer()
            case Await(channel, tx_id):
                return await self._of(channel).verdict(tx_id)  # type: ignore[no-any-return]  # hfc has no types
            case Settle(channel, tx_id, verdict):
                self._of(channel).settle(tx_id, verdict)
                return Answer()
            case Open(seek, skip_first):
                return await self._open(call.number, seek, skip_first)
            case Next(stream):
                return Answer((await self._next(stream),))
        return Failed("UNIMPLEMENTED", "the worker does not know this call")

    def _of(self, channel: str) -> Any:
        if channel not in self._verdicts:
            self._verdicts[channel] = self._new_verdicts(channel, self._nodes.peers)
        return self._verdicts[channel]

    async def _open(self, number: int, seek: bytes, skip_first: bool) -> Answer:
        from zoneshare.hfc.nodes import blocks, deliver

        peer = self._nodes.peers[self._at % len(self._nodes.peers)]
        stream = deliver(peer, seek)
        self._streams[number] = (stream, blocks(stream, peer))
        try:
            if skip_first:
                await self._next(number)
        except BaseException:
            self._shut(number)
            raise
        return Answer()

    async def _next(self, number: int) -> bytes:
        if number not in self._streams:
            raise Failure("CANCELLED", "the stream was closed")
        try:
            return bytes(await anext(self._streams[number][1]))
        except Failure as failure:
            self._shut(number)
            if failure.code in AGAIN:
                self._at += 1
            raise

    def _shut(self, number: int) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None:
            stream[0].cancel()


async def run(connection: socket.socket) -> None:
    """Until the other side closes."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    reader, writer = await asyncio.open_unix_connection(sock=connection)
    worker: Worker | None = None
    while True:
        try:
            (size,) = HEAD.unpack(await reader.readexactly(HEAD.size))
            call = decode(Call, await reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        if worker is not None:
            worker.take(call)
            continue
        try:
            prepare()
            if not isinstance(call.request, Network):
                raise TypeError("the first message names the network")
            worker = Worker(call.request, writer)
            result: Answer | Failed = Answer()
        except ImportError as cause:
            result = Failed(
                "FAILED_PRECONDITION", f"fabric-sdk-py is not installed ({cause}): pip install zoneshare[hfc]"
            )
        writer.write(frame(Reply(call.number, result)))


def main() -> None:
    logging.lastResort = None
    asyncio.run(_until_closed(socket.socket(fileno=int(sys.argv[1]))))


async def _until_closed(connection: socket.socket) -> None:
    await run(connection)
    os._exit(0)  # aiogrpc's threads wait for streams that nobody will end


if __name__ == "__main__":
    main()
