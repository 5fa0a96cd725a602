"""Markets for tables and figures: of just the size asked for, from generated or observed traffic."""

from pathlib import Path

import numpy as np
import pytest

from zoneshare_benchmarks.seal_markets import market, observed_dwells, one_winner, read_traces
from zoneshare_protocols.errors import Malformed, Misuse
from zoneshare_protocols.seal.auction import check_bid, run


def test_a_market_has_the_size_asked_for_and_fitting_truthful_bids() -> None:
    one = market(np.random.default_rng(1), 25, 7)
    assert (len(one.tasks), len(one.bidders)) == (7, 25)
    for bidder in one.bidders:
        check_bid(bidder.bid, one.tasks)
        assert all(item.price == one.costs[bidder.seat].of(item.resource) for item in bidder.bid.items)


def test_observed_dwell_times_are_drawn_from() -> None:
    one = market(np.random.default_rng(1), 10, 3, dwells=[5000, 7000])
    assert {bidder.dwell for bidder in one.bidders} == {5000, 7000}


def test_the_one_winner_wins_every_task() -> None:
    one = one_winner(100)
    assert len(run(one.tasks, one.bidders, one.terms).of(1)) == 100


def test_traces_of_a_folder_give_dwell_times(tmp_path: Path) -> None:
    # One cab that drives north through its busiest place at 5 m/s, once a minute.
    step = 300 / 111_195
    lines = [f"{37.80 - 20 * step + n * step:.6f} -122.40 1 {1_000_000 + 60 * n}" for n in range(41)]
    (tmp_path / "new_one.txt").write_text("\n".join(lines))
    dwells = observed_dwells(read_traces(tmp_path), places=1)
    assert dwells
    assert all(0 < dwell <= 1000 * 2 * 500 / 4.9 for dwell in dwells)


def test_a_broken_or_empty_folder_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="no traces"):
        read_traces(tmp_path)
    (tmp_path / "new_bad.txt").write_text("37.8 -122.4 1\n")
    with pytest.raises(Malformed, match=r"new_bad.txt.*line=1"):
        read_traces(tmp_path)
