"""Which zone serves a device: decided from its position and the zones' loads (the paper leaves it open).

The rule: of the zones that are not full, the one with the smallest ``(distance + 1 km) * (1 + load / capacity)``;
ties go to the smaller id. The distance is the straight line through the Earth, in mm: it orders as the great circle
does, and is within 1 % of it up to 3000 km. All in integers, so that every endorser finds the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isqrt

from zoneshare_protocols.errors import LimitExceeded, NotFound
from zoneshare_protocols.sharing.records import Device, ZoneInfo

EARTH_MM = 6_371_008_800
"""Mean radius."""
NEAR_MM = 1_000_000
"""Added to every distance, so that the load decides between zones at one place."""
STAY_PERCENT = 80
"""A device moves only where another zone's cost is below this share of its own zone's: no flapping on a border."""

_ONE = 10**18
_PI = 3_141_592_653_589_793_238
_HALF_TURN_E6 = 180_000_000


@dataclass(frozen=True)
class Candidate:
    """A zone and how many devices it has."""

    zone: ZoneInfo
    load: int


def distance_mm(latitude1: int, longitude1: int, latitude2: int, longitude2: int) -> int:
    """Millimetres in a straight line between two points, given in millionths of a degree."""
    first, second = _point(latitude1, longitude1), _point(latitude2, longitude2)
    return EARTH_MM * isqrt(sum((a - b) ** 2 for a, b in zip(first, second, strict=True))) // _ONE


def cost(device_latitude: int, device_longitude: int, candidate: Candidate) -> int:
    """What the rule compares, in mm; the smaller the better."""
    zone = candidate.zone
    distance = distance_mm(device_latitude, device_longitude, zone.latitude_e6, zone.longitude_e6)
    return (distance + NEAR_MM) * (zone.capacity + candidate.load) // zone.capacity


def choose(latitude: int, longitude: int, candidates: Iterable[Candidate]) -> str:
    """The zone of a new device. Raises NotFound when there are no zones, LimitExceeded when all are full."""
    everyone = list(candidates)
    if not everyone:
        raise NotFound("no zones in the registry: none were approved yet (zoneshare zones init)")
    free = [c for c in everyone if c.load < c.zone.capacity]
    if not free:
        raise LimitExceeded(
            "every zone is full", value=sum(c.load for c in everyone), limit=sum(c.zone.capacity for c in everyone)
        )
    return min(free, key=lambda c: (cost(latitude, longitude, c), c.zone.id)).zone.id


def place(id: str, latitude: int, longitude: int, candidates: Iterable[Candidate]) -> Device:
    """A new device in its zone. Raises as :func:`choose`."""
    zone = choose(latitude, longitude, candidates)
    return Device(id=id, latitude_e6=latitude, longitude_e6=longitude, zone=zone, moves=0)


def move(device: Device, latitude: int, longitude: int, candidates: Iterable[Candidate]) -> Device:
    """The device at its new position: in the zone it was in, unless another one is better by a fifth.

    ``moves`` counts the changes of zone. Its own zone is judged as if it had room, without the device in its load.
    """
    everyone = list(candidates)
    own = next((c for c in everyone if c.zone.id == device.zone), None)
    others = [c for c in everyone if c is not own and c.load < c.zone.capacity]
    zone = device.zone
    if others:
        best = min(others, key=lambda c: (cost(latitude, longitude, c), c.zone.id))
        if own is not None:
            own = Candidate(own.zone, max(own.load - 1, 0))
        if own is None or cost(latitude, longitude, best) * 100 < cost(latitude, longitude, own) * STAY_PERCENT:
            zone = best.zone.id
    moves = device.moves + (zone != device.zone)
    return Device(id=device.id, latitude_e6=latitude, longitude_e6=longitude, zone=zone, moves=moves)


def _point(latitude: int, longitude: int) -> tuple[int, int, int]:
    """On the unit sphere, in units of 10^-18."""
    around = _cos(latitude)
    return around * _cos(longitude) // _ONE, around * _sin(longitude) // _ONE, _sin(latitude)


def _cos(degrees_e6: int) -> int:
    return _series(degrees_e6, 0)


def _sin(degrees_e6: int) -> int:
    return _series(degrees_e6, 1)


def _series(degrees_e6: int, first: int) -> int:
    """Taylor's series of cosine (``first`` 0) or sine (1), for at most half a turn."""
    x = degrees_e6 * _PI // _HALF_TURN_E6
    term, total, n = (_ONE if first == 0 else x), 0, first
    while term:
        total += term
        n += 2
        # Truncated towards zero on purpose: a floor would never let a negative term end.
        magnitude = abs(term) * x * x // (_ONE * _ONE * n * (n - 1))
        term = -magnitude if term > 0 else magnitude
    return total
