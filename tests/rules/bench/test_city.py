"""The model of a city: what its loads are made of, and its waiting times against the known queue."""

import math
from dataclasses import replace

import pytest

from zoneshare_benchmarks.growth.city import FULL, City, Costs, load, most_devices, movers, waiting
from zoneshare_protocols.errors import Misuse

COSTS = Costs(transaction=5.0, chunk=0.4, bytes=10_000)
CITY = City(10_000, zones=8, trades=2.0, chunks=100)


def test_a_trade_has_the_writes_that_the_docs_list() -> None:
    assert CITY.writes == 7
    assert replace(CITY, per_channel=6.0).writes == 2


def test_loads_follow_from_the_numbers() -> None:
    found = load(CITY, COSTS)
    assert found.zone == pytest.approx(10_000 * 2 / 3600 * 7 / 8 * 0.005)
    assert found.registry == pytest.approx(10_000 * 0.5 / 3600 * 0.005)
    assert found.device == pytest.approx(2 * 2 / 3600 * 100 * 0.0004)
    assert found.wall == "a zone's ledger"


def test_the_wall_is_where_a_ledger_is_full() -> None:
    most = most_devices(CITY, COSTS)
    assert load(replace(CITY, devices=most), COSTS).zone == pytest.approx(FULL, rel=1e-3)


def test_more_zones_move_the_wall_until_it_is_the_registrys() -> None:
    assert most_devices(replace(CITY, zones=16), COSTS) == pytest.approx(2 * most_devices(CITY, COSTS), abs=2)
    many = replace(CITY, zones=1000)
    assert load(many, COSTS).wall == "the registry's ledger"
    assert most_devices(replace(many, zones=2000), COSTS) == most_devices(many, COSTS)
    assert dict(movers(CITY, COSTS))["as it is"] == most_devices(CITY, COSTS)


@pytest.mark.parametrize("busy", [0.3, 0.8])
def test_waiting_is_a_queue_with_constant_service(busy: float) -> None:
    """M/D/1: nobody waits with the chance 1 - busy, so that the median below one half is the service itself."""
    devices = int(CITY.devices * busy / load(CITY, COSTS).zone)
    p50, p99 = waiting(replace(CITY, devices=devices), COSTS)
    assert p50 >= COSTS.transaction - 1e-9
    assert (p50 == pytest.approx(COSTS.transaction)) == (busy < 0.5)
    assert p99 > p50


def test_an_overloaded_zone_waits_for_ever() -> None:
    assert waiting(replace(CITY, devices=10**9), COSTS) == (math.inf, math.inf)


@pytest.mark.parametrize("city", [replace(CITY, devices=0), replace(CITY, zones=0), replace(CITY, per_channel=0.5)])
def test_a_city_that_cannot_be_is_refused(city: City) -> None:
    with pytest.raises(Misuse):
        load(city, COSTS)
