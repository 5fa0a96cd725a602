"""The link's model, in a clock of its own."""

import itertools
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoneshare_benchmarks.links.model import INITIAL_WINDOW, OVERHEAD, SEGMENT, Link, Pipe
from zoneshare_protocols.errors import Misuse


def pipe(link: Link, opens: float = 0.0) -> Pipe:
    return Pipe(link, opens, Random(1))


def test_a_small_message_takes_the_delay_and_its_own_time() -> None:
    ((moment, size),) = pipe(Link(0.1, 20e6)).admit(5.0, 100)
    assert moment == pytest.approx(5.1 + (100 + OVERHEAD) * 8 / 20e6)
    assert size == 100


def test_nothing_leaves_before_the_handshake_is_over() -> None:
    ((moment, _),) = pipe(Link(0.1), opens=5.2).admit(5.0, 100)
    assert moment == pytest.approx(5.3)


def test_the_rate_bounds_what_comes_at_once() -> None:
    arrivals = pipe(Link(0.0, 8e6, slow_start=False)).admit(0.0, 1_000_000)
    assert arrivals[-1][0] == pytest.approx((1_000_000 + len(arrivals) * OVERHEAD) / 1e6)


def test_a_hundred_kilobytes_take_four_flights_of_a_window_that_doubles() -> None:
    """10 + 20 + 40 segments are 100 kB: three flights; the fourth is never needed."""
    arrivals = [moment for moment, _ in pipe(Link(0.1)).admit(0.0, 100_000)]
    flights = [len(list(group)) for _, group in itertools.groupby(arrivals, lambda at: round(at, 6))]
    assert flights == [10, 20, 40]
    assert arrivals[-1] == pytest.approx(0.5)


def test_the_window_begins_anew_after_a_pause() -> None:
    used = pipe(Link(0.1))
    used.admit(0.0, 200_000)
    warm, cold = used.admit(1.0, 60_000), used.admit(30.0, 60_000)
    assert warm[-1][0] - 1.0 < cold[-1][0] - 30.0
    assert sum(size for at, size in cold if at == pytest.approx(30.1)) <= INITIAL_WINDOW


def test_what_is_lost_is_late_and_holds_back_what_follows() -> None:
    link = Link(0.05, loss=0.5, slow_start=False)
    moments = [moment for moment, _ in pipe(link).admit(0.0, 20 * SEGMENT)]
    assert moments == sorted(moments)
    assert moments[-1] == pytest.approx(link.delay + link.timeout)


@given(
    st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 50_000)), max_size=20), st.floats(0, 0.2), st.floats(0, 0.3)
)
def test_nothing_is_lost_reordered_or_early(messages: list[tuple[float, int]], delay: float, loss: float) -> None:
    used, now, last = pipe(Link(delay, 5e6, loss)), 0.0, 0.0
    for pause, size in messages:
        now += pause
        arrivals = used.admit(now, size)
        assert sum(part for _, part in arrivals) == size
        assert arrivals[0][0] >= max(now + delay, last)
        assert [at for at, _ in arrivals] == sorted(at for at, _ in arrivals)
        last = arrivals[-1][0]


@pytest.mark.parametrize("link", [(-1, 1, 0), (0, 0, 0), (0, 1, 1), (float("nan"), 1, 0), (61, 1, 0)])
def test_a_link_that_cannot_be_is_refused(link: tuple[float, float, float]) -> None:
    with pytest.raises(Misuse):
        Link(*link)
