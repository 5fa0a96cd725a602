"""Runs are handed out in an order in which neighbours share blocks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoneshare_protocols.epow.layout import Layout
from zoneshare_protocols.errors import NotFound

SIDE = st.integers(1, 40)
LIMBS = st.integers(1, 3)


@given(SIDE, SIDE, SIDE, LIMBS, LIMBS)
def test_each_run_comes_once(rows: int, inner: int, columns: int, left: int, right: int) -> None:
    layout = Layout(rows, inner, columns, 4, left, right)
    order = [layout.run_at(place) for place in range(layout.runs)]
    assert sorted(run.index for run in order) == list(range(layout.runs))
    for beyond in (-1, layout.runs):
        with pytest.raises(NotFound):
            layout.run_at(beyond)


def test_64_neighbours_need_eight_rows_and_eight_columns() -> None:
    layout = Layout(320, 80, 320, 10)
    for plot in range(layout.runs // 64):
        runs = [layout.run_at(64 * plot + place) for place in range(64)]
        assert len({run.row for run in runs}) == len({run.column for run in runs}) == 8


@pytest.mark.parametrize(
    ("layout", "band"),
    [
        (Layout(16_000, 8_000, 16_000, 1000), 8),
        (Layout(16_000, 32_000, 16_000, 1000), 5),
        (Layout(2_000, 32_000, 2_000, 1000), 2),
        (Layout(16_000, 1 << 28, 16_000, 1000), 1),
        (Layout(5_000, 32_000, 5_000, 500), 8),
    ],
)
def test_the_blocks_of_a_band_and_a_column_fit_a_miners_usual_memory(layout: Layout, band: int) -> None:
    assert layout.band == band
