"""Rate controllers: how many, when, and what they refuse."""

import itertools
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoneshare_benchmarks.runner.plan import RateControl, Round, WorkloadChoice
from zoneshare_benchmarks.runner.rates import Load, OpenLoop, Ramp, Seat, controller
from zoneshare_protocols.errors import Misuse

HERE = Path()


def round_of(kind: str, opts: dict[str, Any], number: int | None = None, span: float | None = None) -> Round:
    if number is None and span is None:
        span = 10.0
    return Round("r", RateControl(kind, opts), WorkloadChoice("empty"), number, span)


def offsets(how: object, count: int) -> list[float]:
    assert isinstance(how, OpenLoop)
    return list(itertools.islice(how.offsets, count))


@given(st.integers(1, 8), st.floats(0.5, 5000))
def test_workers_of_a_fixed_rate_send_it_together_evenly(workers: int, tps: float) -> None:
    each = [
        offsets(controller(round_of("fixed-rate", {"tps": tps}), Seat(w, workers), HERE), 5) for w in range(workers)
    ]
    together = sorted(itertools.chain(*each))
    assert together == pytest.approx([n / tps for n in range(5 * workers)])


@given(st.floats(1, 500), st.floats(1, 500), st.floats(1, 20))
def test_a_linear_rate_sends_its_mean_in_its_time(start: float, finish: float, span: float) -> None:
    how = controller(round_of("linear-rate", {"startingTps": start, "finishingTps": finish}, span=span), Seat(), HERE)
    assert isinstance(how, OpenLoop)
    sent = list(itertools.takewhile(lambda at: at < span, how.offsets))
    assert len(sent) == pytest.approx(span * (start + finish) / 2, abs=1.01)
    assert sent == sorted(sent)


def test_a_load_is_dealt_out() -> None:
    loads = [controller(round_of("fixed-load", {"transactionLoad": 7}), Seat(w, 3), HERE) for w in range(3)]
    assert [load.under_way for load in loads if isinstance(load, Load)] == [3, 2, 2]


def test_a_ramp_rises_while_more_comes_through_and_halves_its_step_when_not() -> None:
    ramp = controller(round_of("maximum-rate", {"tps": 100, "step": 10}), Seat(0, 2), HERE)
    assert isinstance(ramp, Ramp)
    for achieved, tps, step in ((50, 55, 5), (55, 60, 5), (54, 55, 2.5), (56, 57.5, 2.5)):
        ramp.observe(achieved)
        assert (ramp.tps, ramp.step) == (tps, step)


@pytest.mark.parametrize("form", ["TEXT", "BIN_BE", "BIN_LE"])
def test_a_trace_is_replayed_and_goes_on_with_pauses(form: str, tmp_path: Path) -> None:
    times = [0, 20, 50]
    order = ">" if form == "BIN_BE" else "<"
    data = b"0\n20\n50\n" if form == "TEXT" else struct.pack(f"{order}4I", 3, *times)
    (tmp_path / "trace-1-2").write_bytes(data)
    opts = {"pathTemplate": "trace-<R>-<C>", "inputFormat": form, "defaultSleepTime": 100}
    how = controller(round_of("replay-rate", opts), Seat(1, 2, round=1), tmp_path)
    assert offsets(how, 5) == pytest.approx([0.0, 0.02, 0.05, 0.15, 0.25])


def test_workers_share_one_trace(tmp_path: Path) -> None:
    (tmp_path / "trace").write_text("0\n1\n2\n3\n")
    first, second = (
        controller(round_of("replay-rate", {"pathTemplate": "trace"}), Seat(w, 2), tmp_path) for w in (0, 1)
    )
    assert offsets(first, 2) + offsets(second, 2) == pytest.approx([0, 0.002, 0.001, 0.003])


@pytest.mark.parametrize(
    ("kind", "opts"),
    [
        ("no-such", {}),
        ("fixed-rate", {"tps": 0}),
        ("fixed-rate", {"tps": -1}),
        ("fixed-rate", {"tps": float("nan")}),
        ("fixed-rate", {"tps": 1e9}),
        ("fixed-rate", {"tps": "ten"}),
        ("fixed-rate", {"tps": 1, "speed": 2}),
        ("linear-rate", {"startingTps": 5}),
        ("fixed-load", {"transactionLoad": 1.5}),
        ("fixed-load", {"transactionLoad": 1}),
        ("replay-rate", {}),
        ("replay-rate", {"pathTemplate": "nothing"}),
        ("replay-rate", {"pathTemplate": "nothing", "inputFormat": "CSV"}),
    ],
)
def test_what_no_controller_can_do_is_refused(kind: str, opts: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(Misuse):
        controller(round_of(kind, opts), Seat(0, 2), tmp_path)


@pytest.mark.parametrize("text", ["1\n0\n", "a\n"])
def test_a_damaged_trace_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "trace").write_text(text)
    with pytest.raises(Misuse):
        controller(round_of("replay-rate", {"pathTemplate": "trace"}), Seat(), tmp_path)
