"""Frames on an asyncio transport: four bytes of length, then that many bytes.

A large frame is read straight into memory of its own size, so that its bytes are not copied again on their way here;
it is written a little at a time, so that what one layer has made is still in the cache when the next one takes it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

import numpy as np

from zoneshare_protocols.errors import LimitExceeded

HEAD = 4
_LARGE = 1 << 15
"""A frame from this size on is neither joined with others to be sent, nor read together with others."""
_AT_ONCE = 1 << 17
"""Bytes of a large frame that are written at once."""
_ROOM = 1 << 16
"""Bytes read at once."""
_WAITING = 1 << 18
"""Bytes of frames that wait here for a slow reader, before the other side has to wait."""


class Frames(asyncio.BufferedProtocol):
    """One connection's frames, for one reader at a time and any that send. ``made`` is told when it is up."""

    transport: asyncio.Transport

    def __init__(self, max_frame: int, made: Callable[["Frames"], None] | None = None) -> None:
        self._max_frame, self._made = max_frame, made
        self._usual = self._room = memoryview(bytearray(_ROOM))
        self._filled = 0
        self._ready: deque[bytes | memoryview] = deque()
        self._waiting = 0
        self._paused = False
        self._failed: Exception | None = None
        self._wake = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._sending = asyncio.Lock()
        self.closed = asyncio.Event()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self.transport = transport
        if self._made is not None:
            self._made(self)

    def get_buffer(self, _: int) -> memoryview:
        return self._room[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        taken = 0
        while self._failed is None and self._filled - taken >= HEAD:
            size = int.from_bytes(self._room[taken : taken + HEAD], "big")
            if size > self._max_frame:
                self._refuse(size)
                return
            end = taken + HEAD + size
            if self._filled < end:
                break
            self._put(self._room[taken + HEAD : end])
            taken = end
        self._make_room(taken)

    def eof_received(self) -> None:
        self._fail(EOFError())

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or EOFError())
        self._writable.set()
        self.closed.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # What the connection calls.

    @property
    def inside(self) -> bool:
        """Whether part of a frame is here."""
        return self._filled > 0

    async def wait(self) -> None:
        """Until a frame is here. Raises EOFError at the end, LimitExceeded, and what the transport failed with."""
        while not self._ready:
            if self._failed is not None:
                raise self._failed
            self._wake.clear()
            await self._wake.wait()

    def look(self) -> bytes | memoryview | None:
        """The next frame, if one is here; it stays the next."""
        return self._ready[0] if self._ready else None

    def take(self) -> None:
        """The next frame is dealt with."""
        self._waiting -= len(self._ready.popleft())
        if self._paused and self._waiting <= _WAITING:
            self._paused = False
            self.transport.resume_reading()

    async def send(self, bodies: Iterable[tuple[bytes, memoryview]]) -> None:
        """Each body in two parts. Raises OSError when the transport is gone.

        Who cancels it half way ends the connection: nothing after half a frame would be understood.
        """
        async with self._sending:
            pieces = _pieces(bodies)
            for number, piece in enumerate(pieces, 1):
                self._still_there()
                self.transport.write(piece)
                try:
                    await self._writable.wait()
                except asyncio.CancelledError:
                    if number < len(pieces):
                        self.transport.abort()
                    raise
            self._still_there()

    def _still_there(self) -> None:
        if self.transport.is_closing():
            raise ConnectionResetError("the connection is closed")

    def _put(self, frame: memoryview) -> None:
        # The usual room is used again at once; a large frame's is its own.
        self._ready.append(bytes(frame) if self._room is self._usual else frame)
        self._waiting += len(frame)
        if not self._paused and self._waiting > _WAITING and self._failed is None:
            self._paused = True
            self.transport.pause_reading()
        self._wake.set()

    def _make_room(self, taken: int) -> None:
        """Go on after ``taken`` bytes; a large frame that has begun gets room of its own."""
        if not taken and self._room is not self._usual:
            return
        rest = bytes(self._room[taken : self._filled])
        begun = HEAD + int.from_bytes(rest[:HEAD], "big") if len(rest) >= HEAD else 0
        if self._room is self._usual and begun > _LARGE:
            self._room = np.empty(begun, np.uint8).data
        elif taken:
            self._room = self._usual
        else:
            return
        self._room[: len(rest)] = rest
        self._filled = len(rest)

    def _refuse(self, size: int) -> None:
        """No more is read."""
        message = "the other device announces a message too long to read"
        self._fail(LimitExceeded(message, value=size, limit=self._max_frame))
        self.transport.pause_reading()
        self._room, self._filled = self._usual, 0

    def _fail(self, error: Exception) -> None:
        if self._failed is None:
            self._failed = error
        self._wake.set()


def _pieces(bodies: Iterable[tuple[bytes, memoryview]]) -> list[bytes | memoryview]:
    """What to write, one after the other: what is small in one, what is large in many."""
    pieces: list[bytes | memoryview] = []
    small: list[bytes | memoryview] = []
    for first, rest in bodies:
        small.append((len(first) + len(rest)).to_bytes(HEAD, "big"))
        for part in (first, rest):
            if len(part) < _LARGE:
                small.append(part)
                continue
            if small:
                pieces.append(b"".join(small))
                small.clear()
            view = memoryview(part)
            pieces += (view[start : start + _AT_ONCE] for start in range(0, len(view), _AT_ONCE))
    return [*pieces, b"".join(small)] if small else pieces
