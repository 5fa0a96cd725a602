"""What a drone sees of the traffic below it: generated, or of real traces. The bidders' devices play its vehicles."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from zoneshare_protocols.errors import Malformed, Misuse
from zoneshare_protocols.seal.mobility import dwell_at, whole_millis
from zoneshare_protocols.seal.synthetic import PAPER, draw_dwell
from zoneshare_protocols.seal.traces import Sighting, Trace, clean, in_coverage, parse

CELL = 0.01
"""Busy places are looked for among squares of so many degrees."""
EVERY_S = 900
"""... and at moments so far apart."""
PLACES = 20


class Traffic(Protocol):
    """At the stops of a route, by their number from 0."""

    def dwell(self, stop: int, accounts: Sequence[str]) -> Mapping[str, int]:
        """How long each account's vehicle stays in coverage, ms; nothing for one that is not there."""

    def describe(self, stop: int) -> str: ...


class Generated:
    """By the paper's model (2), (19), from a seed; ``density`` in vehicles/m."""

    def __init__(self, seed: int, density: float = 0.05) -> None:
        self._seed, self._density = seed, density

    def dwell(self, stop: int, accounts: Sequence[str]) -> Mapping[str, int]:
        rng = np.random.default_rng((self._seed, stop))
        return {account: draw_dwell(rng, self._density) for account in sorted(accounts)}

    def describe(self, stop: int) -> str:  # noqa: ARG002 - the same everywhere
        return f"generated traffic, {self._density * 1000:g} vehicles a km"


class Crowd(NamedTuple):
    """The cars within reach of a place at a moment (s since 1970)."""

    latitude: float
    longitude: float
    moment: int
    cars: tuple[Sighting, ...]


class Traced:
    """The busiest moments of real traces, in their order. The first vehicles in coverage are the bidders', in the order
    of their accounts; who has none left is not there."""

    def __init__(self, traces: Sequence[Trace], stops: int, radius: float = PAPER.road.radius) -> None:
        """Raises Misuse for traces in which there are no cars."""
        self._radius = radius
        crowds = sorted(_crowds(traces, radius), key=lambda one: (-len(one.cars), one.moment))[:stops]
        if not crowds:
            raise Misuse("there is no car in these traces")
        self._crowds = sorted(crowds, key=lambda one: one.moment)

    def dwell(self, stop: int, accounts: Sequence[str]) -> Mapping[str, int]:
        cars = self._crowd(stop).cars
        times = (whole_millis(dwell_at(self._radius, one.position, one.velocity)) for one in cars)
        return dict(zip(sorted(accounts), times, strict=False))

    def describe(self, stop: int) -> str:
        here = self._crowd(stop)
        return f"{len(here.cars)} cars of the traces at {here.latitude:.2f}, {here.longitude:.2f}"

    def _crowd(self, stop: int) -> Crowd:
        return self._crowds[stop % len(self._crowds)]


def read_traces(path: Path) -> list[Trace]:
    """One trace, or all ``*.txt`` of a folder that begin with ``new_``.

    Raises Misuse for what cannot be read, Malformed with the file's name for what is no trace.
    """
    files = sorted(path.glob("new_*.txt")) if path.is_dir() else [path]
    if not files:
        raise Misuse(f"no traces in {path}: files new_*.txt are looked for")
    return [_read(file) for file in files]


def _read(file: Path) -> Trace:
    try:
        return clean(parse(file.read_text(errors="replace").splitlines()))
    except OSError as cause:
        raise Misuse(f"cannot read {file}: {cause.strerror}") from cause
    except Malformed as cause:
        raise Malformed(f"{file.name}: {cause.message}", **cause.values) from cause


def _crowds(traces: Sequence[Trace], radius: float) -> list[Crowd]:
    """At the busiest places, at every EVERY_S; only where there is a car."""
    fixes = [fix for trace in traces for leg in trace.legs for fix in leg]
    if not fixes:
        return []
    busy = Counter((round(fix.latitude / CELL), round(fix.longitude / CELL)) for fix in fixes).most_common(PLACES)
    first, last = min(fix.time for fix in fixes), max(fix.time for fix in fixes)
    found: list[Crowd] = []
    for (north, east), _ in busy:
        for moment in range(first, last, EVERY_S):
            seen = in_coverage(traces, moment, north * CELL, east * CELL, radius)
            if seen:
                found.append(Crowd(north * CELL, east * CELL, moment, tuple(one for _, one in seen)))
    return found
