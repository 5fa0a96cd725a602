"""The model of BidGuard: what the exponential mechanism promises, exactly and drawn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoneshare_benchmarks.seal_bidguard import (
    BidGuard,
    Privacy,
    Score,
    expected_payment,
    report_chances,
    win_chances,
)
from zoneshare_benchmarks.seal_markets import market
from zoneshare_protocols.seal.auction import Candidate, by_urgency, candidates

PRICES = st.integers(70, 650)
SCORES = st.sampled_from(list(Score))
EPSILONS = st.sampled_from([0.1, 1.0, 5.0])
ROUNDING = 1 + 1e-9


def candidate(seat: int, term: int, price: int) -> Candidate:
    return Candidate(term + price, seat, term, price, 10**9)


@given(PRICES, PRICES, EPSILONS, SCORES)
def test_two_prices_are_told_apart_by_e_to_the_epsilon_at_most(
    price: int, other: int, epsilon: float, score: Score
) -> None:
    privacy = Privacy(epsilon, score)
    ratio = report_chances(price, privacy) / report_chances(other, privacy)
    assert ratio.max() <= np.exp(epsilon) * ROUNDING
    assert ratio.min() >= np.exp(-epsilon) / ROUNDING


@given(st.lists(st.tuples(st.integers(100, 900), PRICES), min_size=2, max_size=6), PRICES, EPSILONS, SCORES)
def test_one_bid_changes_no_ones_chance_by_more(
    bids: list[tuple[int, int]], changed: int, epsilon: float, score: Score
) -> None:
    privacy = Privacy(epsilon, score)
    group = [candidate(seat, term, price) for seat, (term, price) in enumerate(bids, 1)]
    other = [candidate(1, bids[0][0], changed), *group[1:]]
    ratio = win_chances(group, privacy) / win_chances(other, privacy)
    assert ratio.max() <= np.exp(epsilon) * ROUNDING
    assert ratio.min() >= np.exp(-epsilon) / ROUNDING


def test_a_price_outside_the_range_is_taken_as_its_end() -> None:
    privacy = Privacy(1.0)
    assert (report_chances(1, privacy) == report_chances(privacy.lowest, privacy)).all()
    outside, inside = candidate(1, 100, 5000), candidate(1, 100, privacy.highest)
    rest = candidate(2, 100, 200)
    assert (win_chances([outside, rest], privacy) == win_chances([inside, rest], privacy)).all()


@given(st.lists(st.tuples(st.integers(100, 900), PRICES), min_size=2, max_size=5), PRICES, EPSILONS, SCORES)
def test_the_truth_pays_best_on_average(bids: list[tuple[int, int]], lie: int, epsilon: float, score: Score) -> None:
    privacy = Privacy(epsilon, score)
    group = [candidate(seat, term, price) for seat, (term, price) in enumerate(bids, 1)]
    cost = bids[0][1]

    def payoff(price: int) -> float:
        told = candidate(1, bids[0][0], price)
        crowd = [told, *group[1:]]
        return float(win_chances(crowd, privacy)[0] * (expected_payment(told, crowd, privacy) - cost))

    assert payoff(cost) >= 0
    assert payoff(cost) >= payoff(lie) - 1.001, "payments are rounded down by less than one unit"


@pytest.mark.parametrize("score", list(Score))
def test_what_is_drawn_has_the_distribution(score: Score) -> None:
    privacy = Privacy(20.0, score)
    group = [candidate(1, 200, 100), candidate(2, 200, 300), candidate(3, 100, 650)]
    chances = win_chances(group, privacy)
    rng = np.random.default_rng(5)
    drawn = np.bincount(rng.choice(3, size=20_000, p=chances), minlength=3) / 20_000
    assert np.abs(drawn - chances).max() < 0.02
    assert list(chances) == sorted(chances, reverse=True)


def test_with_little_privacy_the_least_score_wins() -> None:
    one = market(np.random.default_rng(3), 30, 6)
    guard = BidGuard(np.random.default_rng(1), Privacy(1e6))
    out = guard.selected(one)
    groups = candidates(by_urgency(one.tasks), one.bidders, one.terms)
    for won in out.awards:
        best = min(groups[won.task])
        assert min(candidate.score for candidate in groups[won.task] if candidate.seat == won.seat) == best.score


def test_each_bidder_sends_one_message_and_no_ledger_is_used() -> None:
    one = market(np.random.default_rng(4), 12, 4)
    for reading in ("perturbed", "selected"):
        guard = BidGuard(np.random.default_rng(1))
        getattr(guard, reading)(one)
        assert guard.bill.phase("init").messages == 12
        assert guard.bill.total().messages == 13
        assert guard.bill.total().transactions == 0
