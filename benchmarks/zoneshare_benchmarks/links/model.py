"""What a link does to one direction of a TCP connection. Pure: the clock is passed in, in seconds.

Segments leave one after another at the link's rate and arrive a delay later, in order. A sender has no more under way
than its congestion window, which begins with ten segments and doubles in every round trip, and begins anew after a
pause, as Linux's does. A lost segment comes a retransmission time-out late, holds back what follows, and halves the
window.
"""

import math
from collections import deque
from dataclasses import dataclass
from random import Random

from zoneshare_protocols.errors import Misuse

SEGMENT = 1448
OVERHEAD = 66
"""Bytes of Ethernet, IP and TCP headers a segment."""
INITIAL_WINDOW = 10 * SEGMENT
LEAST_RTO = 0.2


@dataclass(frozen=True)
class Link:
    """``delay``: one way, seconds. ``rate``: bits a second. ``loss``: chance of each segment."""

    delay: float = 0.0
    rate: float = math.inf
    loss: float = 0.0
    slow_start: bool = True

    def __post_init__(self) -> None:
        if not (0 <= self.delay <= 60 and self.rate > 0 and 0 <= self.loss < 1):
            raise Misuse(
                "a link has a delay of 0 to 60 s, a rate above 0 and a loss below 1",
                delay=str(self.delay), rate=str(self.rate), loss=str(self.loss),
            )  # fmt: skip

    @property
    def timeout(self) -> float:
        """How late a lost segment comes."""
        return max(LEAST_RTO, 3 * self.delay)


class Pipe:
    """One direction of one connection that may send from ``opens`` on."""

    def __init__(self, link: Link, opens: float, rng: Random) -> None:
        self._link, self._rng = link, rng
        self._free = opens
        self._arrived = 0.0
        self._window = float(INITIAL_WINDOW)
        self._under_way: deque[tuple[float, int]] = deque()
        self._flying = 0

    def admit(self, now: float, size: int) -> list[tuple[float, int]]:
        """When ``size`` bytes that are handed over now arrive: (moment, bytes) of each segment."""
        if now - self._free > self._link.timeout:
            self._window = float(INITIAL_WINDOW)
            self._under_way.clear()
            self._flying = 0
        found = []
        while size > 0:
            part = min(size, SEGMENT)
            size -= part
            found.append((self._send(now, part), part))
        return found

    def _send(self, now: float, size: int) -> float:
        link = self._link
        start = self._room(max(now, self._free), size) if link.slow_start else max(now, self._free)
        self._free = start + (size + OVERHEAD) * 8 / link.rate
        arrival = self._free + link.delay
        if link.loss and self._rng.random() < link.loss:
            arrival += link.timeout
            self._window = max(INITIAL_WINDOW / 5, self._window / 2)
        self._arrived = max(self._arrived, arrival)
        if link.slow_start:
            self._under_way.append((self._arrived + link.delay, size))
            self._flying += size
        return self._arrived

    def _room(self, start: float, size: int) -> float:
        """The first moment from ``start`` on at which the window has room."""
        while self._under_way:
            acknowledged, earlier = self._under_way[0]
            if acknowledged > start and self._flying + size <= self._window:
                break
            start = max(start, acknowledged)
            self._under_way.popleft()
            self._flying -= earlier
            self._window += earlier
        return start
