"""Which zone serves a device."""

from math import asin, cos, radians, sin, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoneshare_protocols.errors import LimitExceeded, NotFound
from zoneshare_protocols.sharing.records import Trust, ZoneInfo
from zoneshare_protocols.sharing.registry import EARTH_MM, Candidate, choose, cost, distance_mm, move, place

LATITUDES = st.integers(-90_000_000, 90_000_000)
LONGITUDES = st.integers(-180_000_000, 180_000_000)


def zone(id: str, latitude: int = 0, longitude: int = 0, capacity: int = 10, load: int = 0) -> Candidate:
    trust = Trust(id, id, "zoneshare", b"", (), (), 1)
    return Candidate(ZoneInfo(id, latitude, longitude, capacity, trust), load)


CANDIDATES = st.lists(
    st.builds(zone, st.sampled_from("abcdef"), LATITUDES, LONGITUDES, st.integers(1, 50), st.integers(0, 60)),
    unique_by=lambda c: c.zone.id,
)


@given(LATITUDES, LONGITUDES, LATITUDES, LONGITUDES)
def test_the_distance_orders_as_the_great_circle_does(lat1: int, lon1: int, lat2: int, lon2: int) -> None:
    found = distance_mm(lat1, lon1, lat2, lon2)
    assert found == distance_mm(lat2, lon2, lat1, lon1)
    a, b, c, d = (radians(x / 1e6) for x in (lat1, lon1, lat2, lon2))
    half = sqrt(min(1.0, sin((c - a) / 2) ** 2 + cos(a) * cos(c) * sin((d - b) / 2) ** 2))
    assert found == pytest.approx(2 * EARTH_MM * half, rel=1e-9, abs=2)
    great = 2 * EARTH_MM * asin(half)
    if great < 3_000_000_000:
        assert found >= great * 0.99 - 2


def test_known_distances() -> None:
    assert distance_mm(48_137_000, 11_575_000, 52_520_000, 13_405_000) // 10**6 == 504
    assert distance_mm(90_000_000, 0, -90_000_000, 0) == 2 * EARTH_MM
    assert distance_mm(0, 180_000_000, 0, -180_000_000) == 0


def test_the_nearest_with_room_wins_and_load_counts() -> None:
    near, far = zone("near", 0, 100_000), zone("far", 0, 150_000)
    assert choose(0, 0, [far, near]) == "near"
    assert choose(0, 0, [far, zone("near", 0, 100_000, load=9)]) == "far"
    assert choose(0, 0, [far, zone("near", 0, 100_000, capacity=2, load=2)]) == "far"


def test_ties_go_to_the_smaller_id() -> None:
    assert choose(0, 0, [zone("b"), zone("a"), zone("c")]) == "a"
    assert choose(0, 0, [zone("b"), zone("a", load=1), zone("c")]) == "b"


def test_no_zone_and_no_room() -> None:
    with pytest.raises(NotFound, match="zoneshare zones init"):
        choose(0, 0, [])
    with pytest.raises(LimitExceeded) as full:
        choose(0, 0, [zone("a", load=10), zone("b", load=11)])
    assert full.value.values == {"value": 21, "limit": 20}


@given(LATITUDES, LONGITUDES, CANDIDATES, st.randoms())
def test_the_order_of_the_zones_does_not_matter(
    latitude: int, longitude: int, candidates: list[Candidate], random: object
) -> None:
    free = [c for c in candidates if c.load < c.zone.capacity]
    if not free:
        with pytest.raises((NotFound, LimitExceeded)):
            choose(latitude, longitude, candidates)
        return
    chosen = choose(latitude, longitude, candidates)
    assert chosen == choose(latitude, longitude, candidates[::-1])
    best = next(c for c in free if c.zone.id == chosen)
    assert all(cost(latitude, longitude, best) <= cost(latitude, longitude, c) for c in free)


def test_a_device_on_the_border_does_not_flap() -> None:
    zones = [zone("a", 0, 0), zone("b", 0, 200_000)]
    device = place("d", 0, 95_000, zones)
    assert device.zone == "a"
    for longitude in (105_000, 95_000, 105_000):
        device = move(device, 0, longitude, zones)
        assert (device.zone, device.moves, device.longitude_e6) == ("a", 0, longitude)
    device = move(device, 0, 150_000, zones)
    assert (device.zone, device.moves) == ("b", 1)


def test_a_device_stays_when_the_others_are_full_and_leaves_a_zone_that_is_gone() -> None:
    device = place("d", 0, 0, [zone("a")])
    full = zone("b", 0, 1_000_000, load=10)
    assert move(device, 0, 1_000_000, [zone("a", load=10), full]).zone == "a"
    assert move(device, 0, 0, [zone("b", 0, 1_000_000)]).zone == "b"


@given(LATITUDES, LONGITUDES, CANDIDATES)
def test_moving_twice_to_one_place_is_moving_once(latitude: int, longitude: int, candidates: list[Candidate]) -> None:
    if not any(c.load < c.zone.capacity for c in candidates):
        return
    device = move(place("d", 0, 0, candidates), latitude, longitude, candidates)
    loads = {c.zone.id: c.load for c in candidates}
    if device.moves:
        loads[device.zone] += 1
    after = [Candidate(c.zone, loads[c.zone.id]) for c in candidates]
    assert move(device, latitude, longitude, after) == device
