"""``zoneshare bench launch`` with processes: results, refusals in one line, partial results, and going on."""

import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from zoneshare_benchmarks.runner.book import JOURNAL, load

FILE = """
test:
  name: small
  workers: {number: 1}
  rounds:
    - label: quick
      txNumber: 100
      rateControl: {type: fixed-rate, opts: {tps: 200}}
      workload: {module: empty}
    - label: long
      txDuration: SPAN
      rateControl: {type: fixed-load, opts: {transactionLoad: 4}}
      workload: {module: empty, arguments: {milliseconds: 5}}
"""


def written(folder: Path, span: float = 1.0) -> Path:
    (folder / "file.yaml").write_text(FILE.replace("SPAN", str(span)))
    return folder / "file.yaml"


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "zoneshare", "bench", *options]


def bench(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*options), cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_a_file_is_run_and_compared_with_itself(tmp_path: Path) -> None:
    file = written(tmp_path)
    done = bench(tmp_path, "launch", str(file), "--target", "null", "--out", "a", "--json")
    assert done.returncode == 0, done.stderr
    quick, long = json.loads(done.stdout)["rounds"]
    assert (quick["succeeded"], quick["workers"], quick["asked"]) == (100, 1, 200.0)
    assert long["succeeded"] > 50
    assert set(long["resources"]) == {"manager", "worker 0"}
    assert (tmp_path / "a" / "report.html").read_text().startswith("<!doctype html>")
    compared = bench(tmp_path, "compare", "a", "a", "--json")
    assert {line["ratio"] for line in json.loads(compared.stdout)} <= {1.0, None}


def test_calipers_own_file_runs_with_one_of_our_workloads(tmp_path: Path) -> None:
    file = Path(__file__).parents[2] / "node" / "caliper" / "benchmark.yaml"
    words = ("launch", str(file), "--target", "null", "--out", "r", "--json")
    refused = bench(tmp_path, *words)
    assert (refused.returncode, "put.js" in refused.stderr) == (2, True)
    done = bench(tmp_path, *words[:-3], "--out", "again", "--module", "put.js=empty", "--json")
    assert done.returncode == 0, done.stderr
    (put,) = json.loads(done.stdout)["rounds"]
    assert (put["label"], put["succeeded"]) == ("put", 40)


def test_killed_with_sigkill_it_goes_on_with_the_rounds_that_are_missing(tmp_path: Path) -> None:
    words = ("launch", str(written(tmp_path, 2.0)), "--target", "null", "--out", "r")
    with subprocess.Popen(command(*words), cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        journal = tmp_path / "r" / JOURNAL
        until = time.monotonic() + 60
        while not journal.exists() or len(journal.read_bytes().splitlines()) < 2:
            assert time.monotonic() < until
            time.sleep(0.05)
        process.kill()
    refused = bench(tmp_path, *words)
    assert (refused.returncode, "--resume" in refused.stderr) == (2, True)
    done = bench(tmp_path, *words, "--resume")
    assert done.returncode == 0, done.stderr
    kept = load(tmp_path / "r")
    assert [each.label for each in kept.rounds] == ["quick", "long"]
    assert (tmp_path / "r" / JOURNAL).read_bytes().count(b'"label":"quick","module"') == 1, "it was not run again"


UNEVEN = """
import time
def make(setting, arguments):
    class Uneven:
        def prepare(self): pass
        def transact(self, number): time.sleep(3.0 * setting.seat.index)
    return Uneven()
"""


def test_a_worker_that_ends_long_before_another_does_not_end_the_round(tmp_path: Path) -> None:
    (tmp_path / "uneven.py").write_text(UNEVEN)
    (tmp_path / "file.yaml").write_text(
        "test: {name: uneven, workers: {number: 2}, rounds: [{label: one, txNumber: 2, workload: {module: uneven.py},"
        " rateControl: {type: fixed-load, opts: {transactionLoad: 2}}}]}"
    )
    done = bench(tmp_path, "launch", "file.yaml", "--target", "null", "--out", "r", "--json")
    assert done.returncode == 0, done.stderr
    (one,) = json.loads(done.stdout)["rounds"]
    assert (one["succeeded"], one["workers"]) == (2, 2)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("launch", "nothing.yaml"), 2),
        (("launch", "file.yaml", "--round", "nonsense"), 2),
        (("launch", "file.yaml", "--target", "nowhere"), 2),
        (("launch", "file.yaml", "--target", "in-process"), 2),
        (("launch", "file.yaml", "--module", "nonsense"), 2),
        (("compare", "nothing", "nothing"), 2),
    ],
)
def test_bad_words_get_one_line_and_leave_nothing(options: tuple[str, ...], code: int, tmp_path: Path) -> None:
    text = written(tmp_path).read_text().replace("number: 1", "number: 2")
    (tmp_path / "file.yaml").write_text(text)
    done = bench(tmp_path, *options)
    assert done.returncode == code
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert not (tmp_path / "bench-results").exists()


def test_a_workload_that_cannot_be_prepared_is_one_line_and_what_is_done_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(FILE.replace("SPAN", "1").replace("milliseconds: 5", "seconds: 5"))
    done = bench(tmp_path, "launch", str(file), "--target", "null", "--out", "r")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    kept = load(tmp_path / "r")
    assert [each.label for each in kept.rounds] == ["quick"]
    assert "no argument 'seconds'" in kept.stopped


def test_what_a_killed_manager_started_ends_with_it(tmp_path: Path) -> None:
    """The network that it served, its worker: nothing is left behind."""
    file = written(tmp_path, 60)
    with subprocess.Popen(command("launch", str(file), "--out", "r"), cwd=tmp_path) as process:
        manager = psutil.Process(process.pid)
        until = time.monotonic() + 60
        while not (started := manager.children(recursive=True)):
            assert time.monotonic() < until
            time.sleep(0.05)
        process.kill()
    _, alive = psutil.wait_procs(started, timeout=30)
    assert not alive
