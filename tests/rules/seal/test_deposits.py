from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.rules.seal.market import TERMS, random_market, task
from zoneshare_protocols.errors import InsufficientFunds, NotConserved
from zoneshare_protocols.seal.auction import run
from zoneshare_protocols.seal.deposits import (
    Ending,
    bidder_deposit,
    check_covered,
    covered,
    drone_deposit,
    share_out,
)
from zoneshare_protocols.seal.records import Award, Outcome
from zoneshare_protocols.seal.score import fallback


@given(st.integers(0, 2**32))
def test_the_drones_deposit_covers_every_payment(seed: int) -> None:
    tasks, vehicles = random_market(Random(seed), 4, 5)
    deposit = drone_deposit(tasks, TERMS)
    outcome = run(tasks, [one.truth() for one in vehicles], TERMS)
    check_covered(outcome, TERMS, deposit)
    penalty = dict.fromkeys(outcome.winners, 0)
    for won in outcome.awards:
        penalty[won.seat] += fallback(tasks[won.task], TERMS).score
    assert all(amount <= bidder_deposit(tasks, TERMS) for amount in penalty.values()), "and D_i every penalty"


def test_a_result_that_is_not_covered_is_refused() -> None:
    outcome = Outcome((Award(0, 1, 100, 1),))
    check_covered(outcome, TERMS, 100 + TERMS.penalty)
    with pytest.raises(InsufficientFunds):
        check_covered(outcome, TERMS, 99 + TERMS.penalty)


def test_the_least_urgent_tasks_are_left_out_until_the_deposit_suffices() -> None:
    tasks = [task(0, urgency=1), task(1, urgency=9), task(2, urgency=5)]
    one = fallback(tasks[0], TERMS).score
    assert drone_deposit(tasks, TERMS) == 3 * one + TERMS.penalty
    ids = [
        [left.id for left in covered(tasks, TERMS, TERMS.penalty + money)] for money in (3 * one, 3 * one - 1, one, 0)
    ]
    assert ids == [[1, 2, 0], [1, 2], [1], []]


def test_every_bidder_pays_the_same() -> None:
    tasks = [task(0), task(1, size=5_000_000)]
    highest = fallback(tasks[0], TERMS).score
    assert bidder_deposit(tasks, TERMS) == 2 * highest
    assert bidder_deposit(tasks, replace(TERMS, max_tasks=1, stall=7)) == highest + 7
    assert bidder_deposit([], TERMS) == 0


def test_who_gets_what() -> None:
    terms = replace(TERMS, stall=20, penalty=500)
    paid = share_out(Ending(2000, {1: 900, 2: 900, 3: 900}, {1: 70}, {2: 300}, frozenset({3})), terms)
    assert (paid.drone, paid.bidders) == (2000 - 70 + 300 + 20, {1: 970, 2: 600, 3: 880})
    gone = share_out(Ending(2000, {1: 900, 2: 900, 4: 900, 3: 900}, stalled=frozenset({3}), cancelled=True), terms)
    assert (gone.drone, gone.bidders) == (2000 - 498 + 20, {1: 1066, 2: 1066, 4: 1066, 3: 880})
    assert share_out(Ending(2000, {}, cancelled=True), terms).drone == 2000


def test_nobody_loses_more_than_was_deposited() -> None:
    for wrong in (
        Ending(100, {1: 10}, claims={1: 101}),
        Ending(100, {1: 10}, faults={1: 11}),
        Ending(TERMS.penalty - 1, {1: 10}, cancelled=True),
    ):
        with pytest.raises(NotConserved):
            share_out(wrong, TERMS)


@given(
    st.dictionaries(st.integers(1, 9), st.tuples(st.integers(0, 50), st.integers(0, 50), st.booleans())), st.booleans()
)
def test_money_is_conserved(parties: dict[int, tuple[int, int, bool]], cancelled: bool) -> None:
    terms = replace(TERMS, stall=9)
    ending = Ending(
        drone=1000,
        bidders=dict.fromkeys(parties, 100),
        claims={seat: claim for seat, (claim, _, _) in parties.items()},
        faults={seat: fault for seat, (_, fault, _) in parties.items()},
        stalled=frozenset(seat for seat, (_, _, stalled) in parties.items() if stalled),
        cancelled=cancelled,
    )
    shares = share_out(ending, terms)
    assert shares.drone + sum(shares.bidders.values()) == 1000 + 100 * len(parties)
    assert min([shares.drone, *shares.bidders.values()]) >= 0
