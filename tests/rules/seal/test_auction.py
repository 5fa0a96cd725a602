from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.rules.seal.market import BARE, GIGA, MEGA, TERMS, bidder, random_market, task
from zoneshare_protocols.codec import decode, encode
from zoneshare_protocols.errors import LimitExceeded, Malformed
from zoneshare_protocols.seal.auction import by_urgency, check_bid, feasible, run
from zoneshare_protocols.seal.baselines import Scheme, run_scheme
from zoneshare_protocols.seal.records import Bid, Cloud, Item, Outcome
from zoneshare_protocols.seal.score import duration, energy, energy_term, fallback, in_time, weight


def test_time_and_energy_are_the_papers_formulas() -> None:
    one = task(0)  # 10 Mb, 500 cycles/bit: 0.5 s upload at 20 Mbit/s, 5e9 cycles
    assert duration(one, 2 * GIGA, 20 * MEGA) == 500 + 2500
    assert energy(one, 2 * GIGA, TERMS) == Fraction(168_490) * 3 + Fraction(500, 2)
    assert energy_term(one, 2 * GIGA, TERMS) == -(-(168_490 * 3 + 250) // 2000)  # half a unit per joule
    assert duration(one, 3 * GIGA, 20 * MEGA) == 2167  # 2166.67 rounded up


def test_in_time_is_exact_to_the_last_cycle() -> None:
    assert in_time(task(0), 2 * GIGA, 3000, 20 * MEGA)
    assert not in_time(task(0), 2 * GIGA - 1, 3000, 20 * MEGA)
    assert not in_time(task(0), 2 * GIGA, 2999, 20 * MEGA)


def test_the_weight_is_a_fraction() -> None:
    assert weight(Fraction(1, 3), Fraction(1, 2)) == (1, 4)
    assert weight(Fraction(0), Fraction(7)) == (0, 1)
    for theta, eta in ((Fraction(1), Fraction(1)), (Fraction(-1), Fraction(1)), (Fraction(0), Fraction(-1))):
        with pytest.raises(Malformed):
            weight(theta, eta)


def test_the_least_score_wins_and_is_paid_up_to_the_next() -> None:
    one = task(0)
    slow, fast = energy_term(one, 2 * GIGA, BARE), energy_term(one, 4 * GIGA, BARE)
    result = run([one], [bidder(1, (0, 2 * GIGA, 100)), bidder(2, (0, 4 * GIGA, 150))], BARE)
    assert slow + 100 > fast + 150
    (won,) = result.awards
    assert (won.seat, won.payment) == (2, slow + 100 - fast)
    assert won.within == 500 + 1250 + BARE.slack


def test_a_lone_bidder_is_paid_up_to_bidder_0() -> None:
    one = task(0)
    spent = energy_term(one, 2 * GIGA, TERMS)
    other = fallback(one, TERMS)
    assert other.kind == "local"
    (won,) = run([one], [bidder(1, (0, 2 * GIGA, 0))], TERMS).awards
    assert won.payment == other.score - spent
    at_limit = run([one], [bidder(1, (0, 2 * GIGA, other.score - spent))], TERMS)
    assert at_limit.awards[0].payment == other.score - spent, "on a tie the vehicle wins"
    assert run([one], [bidder(1, (0, 2 * GIGA, other.score - spent + 1))], TERMS) == Outcome((), local=(0,))


def test_bidder_0_is_the_cheaper_of_cloud_and_local_that_is_in_time() -> None:
    # cloud: 2.5 s upload, 0.5 s computing, 168.99 W and 168.49 W; local: 5 s of 188.49 W
    assert (fallback(task(0), TERMS).kind, fallback(task(0), TERMS).score) == ("local", -(-188_490 * 5 // 2000))
    cheap = replace(TERMS, cloud=Cloud(4 * MEGA, 10 * GIGA, 100))
    assert fallback(task(0), cheap).kind == "cloud"
    assert fallback(task(0), cheap).score == 100 + -(-(168_990 * 5 // 2 + 168_490 // 2) // 2000)
    assert fallback(task(0, deadline=4999), TERMS).kind == "cloud"
    assert fallback(task(0, deadline=2999), TERMS).kind == "dropped"
    assert run([task(0, deadline=2999)], [], TERMS) == Outcome((), dropped=(0,))
    assert run([task(0, deadline=4999)], [], TERMS) == Outcome((), cloud=(0,))


def test_ties_go_to_the_lower_seat_and_pay_the_bid() -> None:
    same = [bidder(seat, (0, 2 * GIGA, 77)) for seat in (3, 1, 2)]
    (won,) = run([task(0)], same, BARE).awards
    assert (won.seat, won.payment) == (1, 77)


def test_urgent_tasks_come_first_and_reserve_resources_before_any_win() -> None:
    tasks = [task(0, urgency=1), task(1, urgency=9), task(2, urgency=9)]
    assert [one.id for one in by_urgency(tasks)] == [1, 2, 0]
    bid = Bid(4 * GIGA, (Item(0, GIGA, 1), Item(1, 2 * GIGA, 1), Item(2, 3 * GIGA, 1)))
    assert [one.id for one, _ in feasible(bid, by_urgency(tasks), 32)] == [1, 0]
    assert [one.id for one, _ in feasible(bid, by_urgency(tasks), 1)] == [1]


def test_a_vehicle_that_leaves_too_soon_is_no_candidate() -> None:
    assert run([task(0)], [bidder(1, (0, 2 * GIGA, 1), dwell=2999)], BARE).dropped == (0,)
    assert run([task(0)], [bidder(1, (0, 2 * GIGA, 1), dwell=3000)], BARE).awards


def test_posted_resources_admit_only_themselves() -> None:
    posted = replace(task(0), resource=2 * GIGA)
    assert run([posted], [bidder(1, (0, 2 * GIGA, 1))], BARE).awards
    assert run([posted], [bidder(1, (0, 2 * GIGA + 1, 1))], BARE).dropped == (0,)
    with pytest.raises(Malformed, match="posted"):
        check_bid(Bid(4 * GIGA, (Item(0, GIGA, 1),)), [posted])


def test_a_reserve_keeps_dear_vehicles_out_and_caps_the_payment() -> None:
    one, spent = task(0), energy_term(task(0), 4 * GIGA, TERMS)
    half = replace(TERMS, reserve=500_000)
    limit = fallback(one, TERMS).score // 2
    assert limit > spent
    (won,) = run([one], [bidder(1, (0, 4 * GIGA, 0))], half).awards
    assert won.payment == limit - spent
    assert run([one], [bidder(1, (0, 4 * GIGA, limit - spent + 1))], half).local == (0,)


def test_bad_bids_are_refused() -> None:
    tasks = [task(0), task(1)]
    check_bid(Bid(2 * GIGA, (Item(0, GIGA, 1), Item(1, GIGA, 1))), tasks)
    with pytest.raises(Malformed, match="twice"):
        check_bid(Bid(2 * GIGA, (Item(0, GIGA, 1), Item(0, GIGA, 2))), tasks)
    with pytest.raises(Malformed, match="not auctioned"):
        check_bid(Bid(2 * GIGA, (Item(7, GIGA, 1),)), tasks)
    with pytest.raises(LimitExceeded):
        check_bid(Bid(GIGA, (Item(0, GIGA, 1), Item(1, 1, 1))), tasks)
    with pytest.raises(Malformed, match="seat"):
        run(tasks, [bidder(1, (0, GIGA, 1)), bidder(1, (1, GIGA, 1))], TERMS)
    with pytest.raises(Malformed, match="same id"):
        run([task(0), task(0)], [], TERMS)
    for wrong in ((0, 0, 1), (0, GIGA, -1), (0, GIGA, 2**63)):
        with pytest.raises(Malformed):
            decode(Bid, encode(Bid(GIGA, (Item(*wrong),))) if wrong[2] < 2**63 else b"\x90")
    with pytest.raises(Malformed):
        decode(Bid, encode(Bid(GIGA, ())))


@given(st.integers(0, 2**32))
def test_each_task_is_settled_once_and_winners_keep_to_the_rules(seed: int) -> None:
    tasks, vehicles = random_market(Random(seed), 5, 6)
    result = run(tasks, [one.truth() for one in vehicles], TERMS)
    settled = [won.task for won in result.awards] + [*result.cloud, *result.local, *result.dropped]
    assert sorted(settled) == [one.id for one in tasks]
    by_seat, known = {one.seat: one for one in vehicles}, {one.id: one for one in tasks}
    for seat in result.winners:
        vehicle = by_seat[seat]
        slices = dict(vehicle.slices)
        assert sum(slices[won.task] for won in result.of(seat)) <= vehicle.free
        for won in result.of(seat):
            resource = slices[won.task]
            assert duration(known[won.task], resource, TERMS.rate) <= min(known[won.task].deadline, vehicle.dwell)
            assert vehicle.cost(resource) <= won.payment <= fallback(known[won.task], TERMS).score
    assert run(tasks[::-1], [one.truth() for one in vehicles[::-1]], TERMS) == result, "no order of arrival counts"


def test_baselines_choose_what_their_names_say() -> None:
    fast, cheap = bidder(1, (0, 4 * GIGA, 200)), bidder(2, (0, 2 * GIGA, 100))
    for scheme, seat, paid in ((Scheme.EAA, 1, 200), (Scheme.DAA, 1, 200), (Scheme.PAA, 2, 100)):
        (won,) = run_scheme(scheme, [task(0)], [cheap, fast], TERMS).awards
        assert (won.seat, won.payment) == (seat, paid)
    assert run_scheme(Scheme.CLOUD, [task(0)], [fast], TERMS).cloud == (0,)
    assert run_scheme(Scheme.LOCAL, [task(0)], [fast], TERMS).local == (0,)
    assert run_scheme(Scheme.LOCAL, [task(0, deadline=4999)], [fast], TERMS).dropped == (0,)
    assert run_scheme(Scheme.PAA, [task(0)], [bidder(1, (0, GIGA, 1), dwell=1)], TERMS).local == (0,)
