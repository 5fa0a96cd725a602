"""``python -m zoneshare_benchmarks.links.proxy``: TCP on loopback through emulated links, in a process of its own.

It reads one line of JSON, the forwards, and answers with one: their ports. It runs until it is ended.
"""

import asyncio
import json
import selectors
import signal
import socket
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random

import msgspec

from zoneshare_benchmarks.links.model import Link, Pipe
from zoneshare_benchmarks.runner.lifeline import end_with_parent
from zoneshare_protocols.errors import LedgerFailed

_HIGH, _LOW = 1 << 19, 1 << 17
"""Bytes under way at which the sender is made to wait, and at which it goes on."""


class Forward(msgspec.Struct, frozen=True):
    """A port of its own for what listens at ``host``:``port``. ``mbit``: megabits a second; 0 is no limit."""

    port: int
    delay_ms: float = 0.0
    mbit: float = 0.0
    loss: float = 0.0
    slow_start: bool = True
    host: str = "127.0.0.1"

    def link(self) -> Link:
        """Raises Misuse."""
        return Link(self.delay_ms / 1e3, self.mbit * 1e6 or float("inf"), self.loss, self.slow_start)


class _End(asyncio.Protocol):
    """One side of a forwarded connection; what comes in goes to ``other`` through ``pipe``."""

    transport: asyncio.Transport
    other: "_End"

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.pipe: Pipe | None = None
        self._early: list[bytes] = []
        self._coming: deque[tuple[float, memoryview]] = deque()
        self._flying = 0
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self.transport = transport

    def begin(self, pipe: Pipe, other: "_End") -> None:
        self.pipe, self.other = pipe, other
        for data in self._early:
            self.data_received(data)
        if self._ended:
            self._close_other()

    def data_received(self, data: bytes) -> None:
        if self.pipe is None:
            self._early.append(data)
            return
        view, start, idle = memoryview(data), 0, not self._coming
        for moment, size in self.pipe.admit(self._loop.time(), len(data)):
            self._coming.append((moment, view[start : start + size]))
            start += size
        self._flying += len(data)
        if self._flying > _HIGH:
            self.transport.pause_reading()
        if idle:
            self._loop.call_at(self._coming[0][0], self._deliver)

    def _deliver(self) -> None:
        """All that has arrived, in order: the loop's timers for one moment have none."""
        now = self._loop.time()
        while self._coming and self._coming[0][0] <= now:
            _, part = self._coming.popleft()
            self._flying -= len(part)
            if not self.other.transport.is_closing():
                self.other.transport.write(part)
        if self._flying < _LOW and not self.transport.is_closing():
            self.transport.resume_reading()
        if self._coming:
            self._loop.call_at(self._coming[0][0], self._deliver)
        elif self._ended:
            self.other.transport.close()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's
        self._ended = True
        if self.pipe is not None:
            self._close_other()

    def _close_other(self) -> None:
        """A connection's end travels behind its last byte."""
        if not self._coming:
            self.other.transport.close()


def _reset(transport: asyncio.Transport) -> None:
    """As a host answers where nobody listens."""
    own = transport.get_extra_info("socket")
    own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _listen(forward: Forward, seed: int) -> int:
    loop, link, rng = asyncio.get_running_loop(), forward.link(), Random(seed)
    connecting: set[asyncio.Task[None]] = set()

    class Accepted(_End):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            task = loop.create_task(self.join(loop.time()))
            connecting.add(task)
            task.add_done_callback(connecting.discard)

        async def join(self, now: float) -> None:
            """The handshake takes a round trip before the client may send, and half of one more before the server."""
            try:
                _, far = await loop.create_connection(lambda: _End(loop), forward.host, forward.port)
            except OSError:
                _reset(self.transport)
                return
            self.begin(Pipe(link, now + 2 * link.delay, rng), far)
            far.begin(Pipe(link, now + 3 * link.delay, rng), self)

    server = await loop.create_server(lambda: Accepted(loop), "127.0.0.1", 0)
    return int(server.sockets[0].getsockname()[1])


async def _main() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    forwards = msgspec.json.decode(sys.stdin.readline(), type=list[Forward])
    end_with_parent()
    ports = [await _listen(forward, number) for number, forward in enumerate(forwards)]
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    await stop.wait()


@contextmanager
def emulated(forwards: Sequence[Forward]) -> Iterator[list[int]]:
    """A port on loopback for each forward, while the block runs. Raises Misuse for a link that cannot be."""
    for forward in forwards:
        forward.link()
    words = (sys.executable, "-m", "zoneshare_benchmarks.links.proxy")
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdin is not None and process.stdout is not None:
                process.stdin.write(msgspec.json.encode(list(forwards)).decode() + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
            if not line:
                raise LedgerFailed(f"the link emulator ended with {process.wait()}")
            yield msgspec.json.decode(line, type=list[int])
        finally:
            process.terminate()


if __name__ == "__main__":
    # epoll wakes up to a millisecond late, select does not; it takes file numbers below 1024.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(_main())
