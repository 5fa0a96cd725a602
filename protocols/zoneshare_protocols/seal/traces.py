"""GPS traces in the Cabspotting format, ``lat lon occupied unixtime`` a line, oldest or newest first.

Real traces have jumps (a fix that no car can have reached) and gaps (a receiver that was off): both are counted, jumps
are left out, and a gap ends a leg, since nothing is known of the car in it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import cos, hypot, isfinite, radians

from zoneshare_protocols.errors import Malformed

METRES_PER_DEGREE = 111_195.0
MAX_SPEED = 40.0
"""m/s: a faster step is a jump."""
MAX_GAP = 180
"""s: cabs report about once a minute."""


@dataclass(frozen=True)
class Fix:
    """One line."""

    latitude: float
    longitude: float
    occupied: bool
    time: int
    """s since 1970, UTC."""


@dataclass(frozen=True)
class Trace:
    """One car's fixes, oldest first, and what was filtered."""

    legs: tuple[tuple[Fix, ...], ...]
    """Of two fixes at least."""
    fixes: int
    jumps: int
    gaps: int
    doubled: int
    """Fixes of a moment that had one."""


@dataclass(frozen=True)
class Sighting:
    """A car at a moment: metres east and north of a place, and m/s."""

    position: tuple[float, float]
    velocity: tuple[float, float]
    occupied: bool


def parse(lines: Iterable[str]) -> list[Fix]:
    """The fixes, oldest first; empty lines are passed over.

    Raises Malformed, with the line's number, for a line that is not a fix or is out of order, and for no fix at all.
    """
    fixes: list[Fix] = []
    rising: bool | None = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        fix = _fix(line, number)
        if fixes and fix.time != fixes[-1].time:
            up = fix.time > fixes[-1].time
            if rising is not None and up is not rising:
                raise Malformed("the trace is neither oldest first nor newest first", line=number)
            rising = up
        fixes.append(fix)
    if not fixes:
        raise Malformed("the trace is empty")
    return fixes[::-1] if rising is False else fixes


def clean(fixes: Sequence[Fix], max_speed: float = MAX_SPEED, max_gap: int = MAX_GAP) -> Trace:
    """The legs without jumps, cut at gaps. ``max_speed`` in m/s, ``max_gap`` in s. Fixes are oldest first."""
    legs: list[list[Fix]] = []
    jumps = gaps = doubled = 0
    for fix in fixes:
        if legs:
            before = legs[-1][-1]
            elapsed = fix.time - before.time
            if elapsed == 0:
                doubled += 1
                continue
            if elapsed > max_gap:
                gaps += 1
            elif hypot(*offset(fix, before.latitude, before.longitude)) > max_speed * elapsed:
                jumps += 1
                continue
            else:
                legs[-1].append(fix)
                continue
        legs.append([fix])
    return Trace(tuple(tuple(leg) for leg in legs if len(leg) > 1), len(fixes), jumps, gaps, doubled)


def sighting(trace: Trace, time: float, latitude: float, longitude: float) -> Sighting | None:
    """Where the car was at ``time``, in metres from a place, moving evenly between fixes; None where unknown."""
    place = bisect_right(trace.legs, time, key=lambda leg: leg[0].time) - 1
    if place < 0 or time > trace.legs[place][-1].time:
        return None
    leg = trace.legs[place]
    index = min(bisect_right(leg, time, key=lambda fix: fix.time), len(leg) - 1)
    before, after = leg[index - 1], leg[index]
    elapsed = after.time - before.time
    (x, y), (to_x, to_y) = offset(before, latitude, longitude), offset(after, latitude, longitude)
    velocity = ((to_x - x) / elapsed, (to_y - y) / elapsed)
    since = time - before.time
    return Sighting((x + velocity[0] * since, y + velocity[1] * since), velocity, before.occupied)


def in_coverage(
    traces: Iterable[Trace], time: float, latitude: float, longitude: float, radius: float
) -> list[tuple[int, Sighting]]:
    """The cars (by their number) within ``radius`` m of a place at ``time``."""
    seen = ((number, sighting(trace, time, latitude, longitude)) for number, trace in enumerate(traces))
    return [(number, one) for number, one in seen if one is not None and hypot(*one.position) <= radius]


def offset(fix: Fix, latitude: float, longitude: float) -> tuple[float, float]:
    """Metres east and north of a place; the earth is flat within a city."""
    east = (fix.longitude - longitude) * METRES_PER_DEGREE * cos(radians(latitude))
    return east, (fix.latitude - latitude) * METRES_PER_DEGREE


def mean_speed(trace: Trace) -> float:
    """m/s over all legs, standing included; 0 without a leg."""
    steps = [(one, two) for leg in trace.legs for one, two in pairwise(leg)]
    way = sum(hypot(*offset(two, one.latitude, one.longitude)) for one, two in steps)
    return way / sum(two.time - one.time for one, two in steps) if steps else 0.0


def _fix(line: str, number: int) -> Fix:
    parts = line.split()
    try:
        latitude, longitude, occupied, time = parts
        fix = Fix(float(latitude), float(longitude), {"0": False, "1": True}[occupied], int(time))
    except (ValueError, KeyError) as cause:
        raise Malformed("not 'lat lon occupied unixtime'", line=number) from cause
    good = isfinite(fix.latitude) and isfinite(fix.longitude)
    if not good or abs(fix.latitude) > 90 or abs(fix.longitude) > 180 or fix.time < 0:
        raise Malformed("not a place and moment on earth", line=number)
    return fix
