"""Mobility, delay and energy: the paper's numbers, and the models against each other."""

from fractions import Fraction
from math import inf, isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.seal.market import BARE, GIGA, MEGA, TERMS, bidder, task
from zoneshare_protocols.codec import MAX_AMOUNT
from zoneshare_protocols.errors import Malformed
from zoneshare_protocols.seal.auction import run
from zoneshare_protocols.seal.delay import Channel, serving_time, shared_rate
from zoneshare_protocols.seal.energy import (
    BATTERY,
    cost,
    cruise,
    deficit_terms,
    flight,
    highest_energy,
    next_deficit,
    propulsion,
    tasks_energy,
    within_battery,
)
from zoneshare_protocols.seal.mobility import Road, dwell, dwell_at, next_count, whole_millis
from zoneshare_protocols.seal.records import Outcome
from zoneshare_protocols.seal.score import energy, fallback

ROAD = Road()


def test_speed_falls_with_density_to_its_least() -> None:
    assert isclose(ROAD.speed(0), 60 / 3.6)
    assert isclose(ROAD.speed(0.075), 30 / 3.6)
    assert isclose(ROAD.speed(0.100), 20 / 3.6), "the end of Fig. 9"
    assert isclose(ROAD.speed(0.140), 20 / 3.6)
    flows = [ROAD.flow(density / 1000) for density in range(101)]
    assert flows.index(max(flows)) == 75, "half the jam density"
    assert isclose(ROAD.density(100), 0.1)
    with pytest.raises(Malformed):
        ROAD.speed(-0.1)


def test_the_number_of_vehicles_settles_at_the_density() -> None:
    density, count = 0.05, 0.0
    for _ in range(2000):
        count = next_count(count, ROAD.leaving(density, 1.0), ROAD.flow(density))
    assert isclose(count, density * 1000, rel_tol=1e-6)


def test_dwell_times() -> None:
    assert dwell(500, 200, True, 10) == 70
    assert dwell(500, 200, False, 10) == 30
    assert dwell(500, 501, True, 10) == 0
    assert dwell(500, 200, True, 0) == inf
    assert dwell_at(500, (0, 0), (0, 0)) == inf
    assert dwell_at(500, (600, 0), (-10, 0)) == 0
    assert isclose(dwell_at(500, (300, 400), (0, -10)), 80), "a chord off the axis"
    assert (whole_millis(1.2349), whole_millis(inf), whole_millis(1e300)) == (1234, MAX_AMOUNT, MAX_AMOUNT)


@given(st.floats(0, 500), st.booleans(), st.floats(0.1, 40))
def test_on_the_axis_both_dwell_times_are_one(distance: float, towards: bool, speed: float) -> None:
    moving = dwell_at(500, (distance, 0), (-speed if towards else speed, 0))
    assert isclose(moving, dwell(500, distance, towards, speed), rel_tol=1e-6, abs_tol=1e-6)


def test_the_rotor_model_has_its_known_figures() -> None:
    assert isclose(propulsion(0), 168.49, abs_tol=0.01)
    assert isclose(min(propulsion(speed / 10) for speed in range(300)), 126.0, abs_tol=0.1)
    best = cruise(5, 25)
    assert isclose(best, 18.3, abs_tol=0.1)
    assert isclose(propulsion(best) / best, 8.83, abs_tol=0.01)
    assert isclose(cruise(5, 10), 10, abs_tol=0.01)
    assert isclose(cruise(20, 25), 20, abs_tol=0.01)
    spent, time = flight(1830, 18.3)
    assert isclose(spent, 8.83 * 1830 * 1000, rel_tol=1e-3)
    assert time == 100_000
    for wrong in ((0, 5), (6, 5)):
        with pytest.raises(Malformed):
            cruise(*wrong)
    assert isclose(5.2 * 3600 * 22.2 * 1000, BATTERY)


def test_the_channel_and_its_sharing() -> None:
    link = Channel(bandwidth=1e6, power=0.5, gain=1e-5, noise=1e-20)
    assert link.rate(0) > link.rate(100) > link.rate(500) > 0
    assert shared_rate(20 * MEGA, 4) == 5 * MEGA
    with pytest.raises(Malformed):
        shared_rate(20, 0)


def test_time_energy_and_cost_of_a_location() -> None:
    tasks = [task(0), task(1, deadline=4999), task(2)]
    crowd = [bidder(1, (0, 2 * GIGA, 100))]
    outcome = run(tasks, crowd, TERMS)
    assert (outcome.cloud, outcome.local) == ((1,), (2,))
    assert serving_time(tasks, outcome, TERMS) == 3000 + 3000 + 5000
    spent = tasks_energy(tasks, crowd, outcome, TERMS)
    assert (
        spent == energy(tasks[0], 2 * GIGA, TERMS) + fallback(tasks[1], TERMS).energy + fallback(tasks[2], TERMS).energy
    )
    half = Fraction(1, 2)
    expected = Fraction(spent, 4000) + Fraction(outcome.paid + 400, 2)
    assert cost(spent, outcome, half, half, TERMS) == expected


def test_no_winner_costs_more_energy_than_the_bound() -> None:
    for resource in (GIGA, 2 * GIGA, 4 * GIGA):
        assert energy(task(0, deadline=6000), resource, TERMS) <= highest_energy(task(0, deadline=6000), TERMS)
    assert fallback(task(0), TERMS).energy <= highest_energy(task(0), TERMS)
    tasks = [task(0, urgency=1), task(1, urgency=9)]
    one = highest_energy(tasks[0], BARE)
    assert [kept.id for kept in within_battery(tasks, BARE, 2 * one)] == [1, 0]
    assert [kept.id for kept in within_battery(tasks, BARE, 2 * one - 1)] == [1]
    assert within_battery(tasks, BARE, one - 1) == []


def test_a_deficit_makes_energy_dearer_and_is_worked_off() -> None:
    assert next_deficit(10, 30, 20) == 20
    assert next_deficit(10, 5, 20) == 0
    dearer = deficit_terms(TERMS, 3000, 1000)
    assert Fraction(*dearer.weight) == Fraction(1, 2) + 3
    assert deficit_terms(TERMS, 0, 1000) == TERMS
    slow_cheap, fast_dear = bidder(1, (0, 2 * GIGA, 10)), bidder(2, (0, 4 * GIGA, 150))
    assert run([task(0)], [slow_cheap, fast_dear], TERMS).winners == (1,)
    assert run([task(0)], [slow_cheap, fast_dear], dearer).winners == (2,)
    for wrong in ((0, 0), (-1, 5)):
        with pytest.raises(Malformed):
            deficit_terms(TERMS, *wrong)
    assert Outcome(()).paid == 0
