"""Exponents fitted to times, and the tables that results are printed as."""

import numpy as np
import pytest

from zoneshare_benchmarks.seal_growth import auction_growth, everybody_for_everything, fit
from zoneshare_benchmarks.seal_table import Table
from zoneshare_protocols.errors import Misuse


def test_the_exponents_of_a_power_are_found() -> None:
    points = [(n, m) for n in (1, 5, 20) for m in (2, 3, 7)]
    power = fit(points, [4 * n**1.5 * m**0.5 for n, m in points])
    assert power.exponents == pytest.approx((1.5, 0.5))
    assert (power.factor, power.fit) == pytest.approx((4, 1))
    assert fit([[1], [2], [4]], [3, 3, 3]).exponents == pytest.approx((0,))


@pytest.mark.parametrize(("points", "values"), [([[1]], [1]), ([[1], [2]], [1]), ([[0], [2], [3]], [1, 2, 3])])
def test_what_has_no_exponent_is_refused(points: list[list[float]], values: list[float]) -> None:
    with pytest.raises(Misuse):
        fit(points, values)


def test_growth_measures_every_size_and_takes_the_least_of_the_tries() -> None:
    times = iter([3.0, 1.0] * 6)
    growth = auction_growth((2, 4, 8), (1, 2), 2, lambda one: next(times) * len(one.bidders) * len(one.tasks) ** 2)
    assert growth.seconds == tuple((n, m, float(n * m * m)) for n in (2, 4, 8) for m in (1, 2))
    assert growth.power.exponents == pytest.approx((1, 2))
    assert growth.table().column("ms") == [1000 * spent for _, _, spent in growth.seconds]


def test_everybody_bids_for_every_task() -> None:
    one = everybody_for_everything(np.random.default_rng(1), 3, 40)
    assert [len(bidder.bid.items) for bidder in one.bidders] == [40] * 3


def test_a_table_is_markdown_and_csv() -> None:
    table = Table("t", "T", ("a", "b"), ((1, 0.12345), ("x, y", 12345.6)), "note")
    assert table.markdown().splitlines() == [
        "## T", "", "note", "", "| a | b |", "|---|---|", "| 1 | 0.123 |", "| x, y | 12346 |",
    ]  # fmt: skip
    assert "| \\|W\\| |" in Table("t", "T", ("a",), (("|W|",),)).markdown()
    assert table.csv() == 'a,b\n1,0.123\n"x, y",12346\n'
    with pytest.raises(Misuse):
        table.column("c")
