"""Traffic under the drone (2), (3), (19), (22): for the drone's forecasts, for simulations and for figures.

Floating point, in metres, seconds and vehicles; the one value that a ledger sees, the dwell time, comes out in whole
milliseconds, rounded down.
"""

from dataclasses import dataclass
from math import inf, isinf, sqrt

from zoneshare_protocols.codec import MAX_AMOUNT
from zoneshare_protocols.errors import Malformed


@dataclass(frozen=True)
class Road:
    """A straight road through the centre of the coverage. Speeds in m/s, density in vehicles/m."""

    radius: float = 500.0
    """R, m."""
    jam: float = 0.150
    """rho_max."""
    slowest: float = 20 / 3.6
    fastest: float = 60 / 3.6

    def density(self, vehicles: int) -> float:
        """rho of so many vehicles in coverage, vehicles/m."""
        return vehicles / (2 * self.radius)

    def speed(self, density: float) -> float:
        """v (2), Greenshields. Raises Malformed for a negative density."""
        if density < 0:
            raise Malformed("a density is not negative", density=str(density))
        return max(self.fastest * (1 - density / self.jam), self.slowest)

    def flow(self, density: float) -> float:
        """lambda = rho * v, vehicles/s: the mean of the Poisson arrivals."""
        return density * self.speed(density)

    def leaving(self, density: float, slot: float) -> float:
        """delta: the share of vehicles that leaves in a slot of ``slot`` seconds in the steady state, at most 1."""
        return min(1.0, self.speed(density) * slot / (2 * self.radius))


def next_count(vehicles: float, leaving: float, arrivals: float) -> float:
    """N(t) (3) from N(t-1), the share that leaves and who enters."""
    return (1 - leaving) * vehicles + arrivals


def dwell(radius: float, distance: float, towards: bool, speed: float) -> float:
    """Tdw (19), (22), s: ``distance`` along the road from the drone's foot, driving ``towards`` it or away.

    0 outside the coverage, infinity for a vehicle that stands in it.
    """
    if distance > radius:
        return 0.0
    return inf if speed <= 0 else (radius + (distance if towards else -distance)) / speed


def dwell_at(radius: float, position: tuple[float, float], velocity: tuple[float, float]) -> float:
    """Tdw of a vehicle at ``position`` (m from the drone's foot) with ``velocity`` (m/s), in any direction, s."""
    (x, y), (east, north) = position, velocity
    speed = sqrt(east * east + north * north)
    if x * x + y * y > radius * radius:
        return 0.0
    if speed == 0:
        return inf
    along = (x * east + y * north) / speed
    return max(0.0, -along + sqrt(max(0.0, along * along + radius * radius - x * x - y * y))) / speed


def whole_millis(seconds: float) -> int:
    """A dwell time as bids see it: ms, rounded down, infinity as the highest amount."""
    return MAX_AMOUNT if isinf(seconds) or seconds * 1000 > MAX_AMOUNT else int(seconds * 1000)
