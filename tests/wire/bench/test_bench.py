"""The benchmark command: what it prints is what it measured, and a wrong name is refused. No speed is asserted."""

import json
import subprocess
import sys

import pytest

from zoneshare_benchmarks.catalogue import figures
from zoneshare_benchmarks.figure import Figure, Sample, run, select
from zoneshare_protocols.errors import Misuse


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "zoneshare", "bench", *options]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


def test_json_is_an_array_of_figures() -> None:
    run = bench("run", "chunk.encryption", "--runs", "1", "--json")
    assert run.returncode == 0, run.stderr
    (figure,) = json.loads(run.stdout)
    assert {"name", "value", "unit", "goal", "better", "runs", "spread"} <= set(figure)
    assert (figure["name"], figure["goal"], figure["better"]) == ("chunk.encryption", 0.80, "higher")
    assert figure["value"] > 0


def test_every_figure_is_listed() -> None:
    run = bench("list", "--json")
    assert [row["name"] for row in json.loads(run.stdout)] == list(figures())


@pytest.mark.parametrize("options", [("run", "nonsense"), ("run",), ("run", "chunk.encryption", "--runs", "0")])
def test_wrong_words_get_one_line(options: tuple[str, ...]) -> None:
    run = bench(*options)
    assert run.returncode == 2
    assert len(run.stderr.strip().splitlines()) == 1


def test_a_result_is_the_median_of_the_runs_and_their_spread() -> None:
    values = iter([4.0, 1.0, 2.0])
    figure = Figure("f", "", "s", "lower", lambda: Sample(next(values), {"part": 1.0}), goal=2.0, runs=3)
    result = run(figure)
    assert (result.value, result.spread, result.met, result.parts) == (2.0, 1.5, True, {"part": 1.0})


def test_a_name_that_ends_in_a_dot_means_all_that_begin_so() -> None:
    known = figures()
    assert [f.name for f in select(known, ["chunk."])] == ["chunk.encryption", "chunk.encryption.first_sale"]
    with pytest.raises(Misuse):
        list(select(known, ["chunk"]))
