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


def test_sixteen_neighbours_need_four_rows_and_four_columns() -> None:
    layout = Layout(320, 80, 320, 10)
    for plot in range(layout.runs // 16):
        runs = [layout.run_at(16 * plot + place) for place in range(16)]
        assert len({run.row for run in runs}) == len({run.column for run in runs}) == 4
