"""Frames come out as they went in, however their bytes are cut on the way; a slow reader makes the other side wait."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoneshare.trade.frames import HEAD, Frames
from zoneshare_protocols.errors import LimitExceeded

MAX = 300_000
NOTHING = memoryview(b"")
SIZE = st.one_of(st.integers(0, 200), st.sampled_from([32_767, 32_768, 65_532, 65_533, 200_000]))
SIZES = st.lists(SIZE, max_size=8)


class Line(asyncio.Transport):
    """Counts what asyncio would do."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = True
        self.written = bytearray()
        self.closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def abort(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        assert self.reads
        self.reads = False

    def resume_reading(self) -> None:
        assert not self.reads
        self.reads = True


def made() -> tuple[Frames, Line]:
    frames, line = Frames(MAX), Line()
    frames.connection_made(line)
    return frames, line


def framed(bodies: list[bytes]) -> bytes:
    return b"".join(len(body).to_bytes(HEAD, "big") + body for body in bodies)


def feed(frames: Frames, data: bytes, cuts: Iterator[int]) -> None:
    """As a transport does: into the buffer it is given, at most as much as that takes."""
    while data:
        room = frames.get_buffer(-1)
        assert len(room) > 0
        count = min(len(room), len(data), max(1, next(cuts, len(data))))
        room[:count] = data[:count]
        frames.buffer_updated(count)
        data = data[count:]


def taken(frames: Frames) -> list[bytes]:
    found = []
    while (frame := frames.look()) is not None:
        found.append(bytes(frame))
        frames.take()
    return found


@given(sizes=SIZES, cuts=st.lists(st.integers(1, 100_000)), takes=st.booleans())
def test_frames_come_out_as_they_went_in(sizes: list[int], cuts: list[int], takes: bool) -> None:
    bodies = [bytes([index + 1]) * size for index, size in enumerate(sizes)]
    frames, _ = made()
    found: list[bytes] = []
    pieces = iter(cuts)
    data = framed(bodies)
    for start in range(0, len(data), 50_000):
        feed(frames, data[start : start + 50_000], pieces)
        if takes:
            found += taken(frames)
    assert found + taken(frames) == bodies
    assert not frames.inside


def test_a_slow_reader_makes_the_other_side_wait() -> None:
    frames, line = made()
    body = bytes(100_000)
    feed(frames, framed([body, body]), iter([]))
    seen = [line.reads]
    feed(frames, framed([body]), iter([]))
    seen.append(line.reads)
    frames.take()
    assert [*seen, line.reads] == [True, False, True]


def test_a_frame_that_is_announced_too_long_ends_the_reading_after_those_before() -> None:
    async def story() -> None:
        frames, line = made()
        feed(frames, framed([b"good"]) + (MAX + 1).to_bytes(HEAD, "big") + b"x" * 100, iter([]))
        assert not line.reads
        await frames.wait()
        assert taken(frames) == [b"good"]
        with pytest.raises(LimitExceeded):
            await frames.wait()
        assert len(frames.get_buffer(-1)) > 0

    asyncio.run(story())


def test_the_end_is_told_after_all_frames_and_whether_one_was_begun() -> None:
    async def story() -> None:
        frames, _ = made()
        feed(frames, framed([b"one"]) + b"\x00\x00", iter([]))
        frames.eof_received()
        await frames.wait()
        assert taken(frames) == [b"one"]
        with pytest.raises(EOFError):
            await frames.wait()
        assert frames.inside

    asyncio.run(story())


def test_who_waits_wakes_when_the_line_is_lost() -> None:
    async def story() -> None:
        frames, line = made()
        waiting = asyncio.ensure_future(frames.wait())
        await asyncio.sleep(0)
        line.closing = True
        frames.connection_lost(ConnectionResetError())
        with pytest.raises(ConnectionResetError):
            await waiting
        with pytest.raises(ConnectionResetError):
            await frames.send([(b"too late", NOTHING)])

    asyncio.run(story())


@given(bodies=st.lists(st.tuples(SIZE, SIZE), max_size=4))
def test_what_is_sent_is_what_comes_out(bodies: list[tuple[int, int]]) -> None:
    parts = [(b"a" * first, memoryview(b"b" * rest)) for first, rest in bodies]

    async def story() -> bytes:
        frames, line = made()
        await frames.send(parts)
        return bytes(line.written)

    assert asyncio.run(story()) == framed([first + bytes(rest) for first, rest in parts])


def test_a_frame_is_whole_however_many_send_at_once() -> None:
    bodies = [bytes([number]) * 400_000 for number in range(3)]

    async def story() -> bytes:
        frames, line = made()

        async def slow() -> None:
            while sending:
                frames.pause_writing()
                await asyncio.sleep(0)
                frames.resume_writing()
                await asyncio.sleep(0)

        sending = [asyncio.ensure_future(frames.send([(b"", memoryview(body))])) for body in bodies]
        pauses = asyncio.ensure_future(slow())
        await asyncio.gather(*sending)
        sending.clear()
        await pauses
        return bytes(line.written)

    assert asyncio.run(story()) == framed(bodies)


def test_a_frame_that_is_given_up_half_way_ends_the_line() -> None:
    async def story() -> None:
        frames, line = made()
        frames.pause_writing()
        sending = asyncio.ensure_future(frames.send([(b"x" * 400_000, NOTHING)]))
        await asyncio.sleep(0)
        assert 0 < len(line.written) < 400_000
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert line.closing
        written = len(line.written)
        with pytest.raises(ConnectionResetError):
            await frames.send([(b"after it", NOTHING)])
        assert len(line.written) == written

    asyncio.run(story())
