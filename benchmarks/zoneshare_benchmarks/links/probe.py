"""The emulator measured against itself: one-way delays, and how long so many bytes take."""

import socket
import struct
import threading
import time
from statistics import median
from typing import NamedTuple

from zoneshare_benchmarks.figure import Figure, Sample
from zoneshare_benchmarks.links.model import OVERHEAD, SEGMENT
from zoneshare_benchmarks.links.proxy import Forward, emulated

DELAY_MS, MBIT = 50.0, 20.0
PROBES = 60
BULK = 1_000_000
_STAMP = struct.Struct("d")


class Seen(NamedTuple):
    """``delays``: one-way, ms. ``bulk``: seconds from the first byte's arrival to the last's."""

    delays: list[float]
    bulk: float


def probe(forward_of: Forward, probes: int = PROBES, pause: float = 0.02) -> Seen:
    """Time stamps, one after another, then BULK bytes, through a link. Both ends have one clock."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        delays: list[float] = []
        times: list[float] = []

        def receive() -> None:
            connection, _ = server.accept()
            with connection:
                for _ in range(probes):
                    (sent,) = _STAMP.unpack(connection.recv(_STAMP.size, socket.MSG_WAITALL))
                    delays.append((time.monotonic() - sent) * 1e3)
                left = BULK
                while left and (data := connection.recv(1 << 16)):
                    times.append(time.monotonic())
                    left -= len(data)

        receiver = threading.Thread(target=receive)
        receiver.start()
        to = Forward(
            server.getsockname()[1], forward_of.delay_ms, forward_of.mbit, forward_of.loss, forward_of.slow_start
        )
        with emulated([to]) as (port,), socket.create_connection(("127.0.0.1", port)) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            time.sleep(3 * forward_of.delay_ms / 1e3)
            for _ in range(probes):
                client.sendall(_STAMP.pack(time.monotonic()))
                time.sleep(pause)
            client.sendall(bytes(BULK))
            receiver.join(60)
    return Seen(delays, times[-1] - times[0])


def delay_error() -> Sample:
    """Milliseconds by which the median one-way delay differs from what was asked, the segment's own time included."""
    seen = probe(Forward(0, DELAY_MS, MBIT, slow_start=False))
    wanted = DELAY_MS + (_STAMP.size + OVERHEAD) * 8 / (MBIT * 1e3)
    segments = BULK / SEGMENT
    bulk = (BULK + segments * OVERHEAD) * 8 / (MBIT * 1e6)
    middle = median(seen.delays)
    return Sample(
        abs(middle - wanted),
        {"asked ms": wanted, "median ms": middle, "p90 ms": sorted(seen.delays)[int(len(seen.delays) * 0.9)],
         "bandwidth error": seen.bulk / bulk - 1},
    )  # fmt: skip


FIGURES = (
    Figure(
        "links.delay_error",
        f"one-way delay through the emulated link against {DELAY_MS:g} ms asked, median of {PROBES}",
        "ms",
        "lower",
        delay_error,
        goal=1.0,
        runs=3,
    ),
)
