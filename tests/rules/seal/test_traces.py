import os
from itertools import pairwise
from math import hypot, isclose
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoneshare_protocols.errors import Malformed
from zoneshare_protocols.seal.mobility import dwell_at
from zoneshare_protocols.seal.traces import Fix, clean, in_coverage, mean_speed, parse, sighting

ROOT = Path(__file__).parents[3]
TAXIS = Path(os.environ.get("ZONESHARE_TAXIS", ROOT.parent / "shared" / "data" / "sf-taxis"))
DEGREE = 111_195.0
LINES = ["37.75 -122.39 0 1000", "37.751 -122.39 1 1060", "37.752 -122.39 1 1120"]


def test_either_order_is_read() -> None:
    fixes = parse(LINES)
    assert fixes == [
        Fix(37.75, -122.39, False, 1000),
        Fix(37.751, -122.39, True, 1060),
        Fix(37.752, -122.39, True, 1120),
    ]
    assert parse(LINES[::-1]) == fixes
    assert parse(["", LINES[0] + "\n"]) == fixes[:1]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "empty"),
        (["", "  "], "empty"),
        ([LINES[0], "37.75 -122.39 0"], "line=2"),
        (["37.75 -122.39 2 1000"], "line=1"),
        (["37.75 -122.39 0 1000.5"], "line=1"),
        (["north -122.39 0 1000"], "line=1"),
        (["91 -122.39 0 1000"], "on earth"),
        (["nan -122.39 0 1000"], "on earth"),
        (["37.75 -181 0 1000"], "on earth"),
        (["37.75 -122.39 0 -5"], "on earth"),
        ([LINES[0], LINES[2], LINES[1]], "line=3"),
        ([LINES[2], LINES[0], LINES[1]], "line=3"),
    ],
)
def test_broken_files_are_refused_with_the_line(lines: list[str], words: str) -> None:
    with pytest.raises(Malformed, match=words):
        parse(lines)


def test_jumps_gaps_and_doubles_are_filtered_and_counted() -> None:
    start = Fix(37.75, -122.39, False, 1000)
    lines = [
        start,
        Fix(37.75 + 600 / DEGREE, -122.39, False, 1060),
        Fix(37.75 + 600 / DEGREE, -122.39, False, 1060),
        Fix(38.75, -122.39, False, 1120),
        Fix(37.75 + 1200 / DEGREE, -122.39, False, 1180),
        Fix(37.75, -122.39, False, 1361),
        Fix(37.75, -122.39, False, 1541),
        Fix(37.75, -122.39, False, 9999),
    ]
    trace = clean(lines)
    assert [len(leg) for leg in trace.legs] == [3, 2]
    assert (trace.fixes, trace.jumps, trace.gaps, trace.doubled) == (8, 1, 2, 1)
    assert clean([start]).legs == ()
    assert mean_speed(clean([start])) == 0


def test_a_car_is_seen_between_its_fixes_and_not_in_gaps() -> None:
    trace = clean(parse(LINES))
    seen = sighting(trace, 1030, 37.75, -122.39)
    assert seen is not None
    assert isclose(seen.position[1], 0.0005 * DEGREE, rel_tol=1e-6)
    assert isclose(seen.velocity[1], 0.001 * DEGREE / 60, rel_tol=1e-6)
    assert not seen.occupied
    assert sighting(trace, 999, 37.75, -122.39) is None
    assert sighting(trace, 1121, 37.75, -122.39) is None
    last = sighting(trace, 1120, 37.752, -122.39)
    assert last is not None
    assert isclose(hypot(*last.position), 0, abs_tol=1e-6)
    assert len(in_coverage([trace, trace], 1030, 37.75, -122.39, 500)) == 2
    assert in_coverage([trace], 1030, 37.76, -122.39, 500) == []
    assert isclose(mean_speed(trace), 0.001 * DEGREE / 60, rel_tol=1e-6)


@given(st.lists(st.tuples(st.floats(-1, 1), st.integers(0, 400)), max_size=30))
def test_what_is_left_has_no_jump_and_no_gap(steps: list[tuple[float, int]]) -> None:
    time, fixes = 1000, [Fix(37.75, -122.39, False, 1000)]
    for north, elapsed in steps:
        time += elapsed
        fixes.append(Fix(37.75 + north, -122.39, False, time))
    trace = clean(fixes)
    for leg in trace.legs:
        for one, two in pairwise(leg):
            assert 0 < two.time - one.time <= 180
            assert abs(two.latitude - one.latitude) * DEGREE <= 40 * (two.time - one.time) + 1e-6


def test_the_san_francisco_sample_is_read() -> None:
    files = sorted(TAXIS.glob("new_*.txt"))
    assert files, f"no traces in {TAXIS}: set ZONESHARE_TAXIS"
    traces = [clean(parse(file.read_text().splitlines())) for file in files]
    assert sum(trace.fixes for trace in traces) > 30_000
    assert 0 < sum(trace.jumps for trace in traces) < 1000
    assert 0 < sum(trace.gaps for trace in traces) < 2000
    assert all(0 < mean_speed(trace) < 20 for trace in traces if trace.legs)
    moments = [trace.legs[0][0].time + 3600 for trace in traces if trace.legs]
    crowds = [in_coverage(traces, moment, 37.7879, -122.4075, 2000) for moment in moments]
    seen = [one for crowd in crowds for _, one in crowd]
    assert seen, "taxis are downtown"
    assert all(dwell_at(2000, one.position, one.velocity) >= 0 for one in seen)
