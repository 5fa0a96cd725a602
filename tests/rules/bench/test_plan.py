"""Benchmark files: what is read as Caliper reads it, and what is refused in one line."""

from pathlib import Path
from typing import Any

import pytest

from zoneshare_benchmarks.runner import workloads
from zoneshare_benchmarks.runner.plan import chosen, load
from zoneshare_benchmarks.runner.rates import Seat, controller
from zoneshare_benchmarks.runner.site import NullSite
from zoneshare_protocols.errors import Misuse

ROOT = Path(__file__).parents[3]
GOOD = """
test:
  name: small
  workers: {number: 2}
  rounds:
    - label: one
      txNumber: 40
      rateControl: {type: fixed-load, opts: {transactionLoad: 8}}
      workload: {module: empty}
"""


def written(folder: Path, text: str) -> Path:
    (folder / "file.yaml").write_text(text)
    return folder / "file.yaml"


def setting(label: str = "r", seed: int = 1, base: Path = ROOT) -> workloads.Setting:
    return workloads.Setting(NullSite(), Seat(), seed, label, base)


def test_calipers_own_file_is_read() -> None:
    test = load(ROOT / "tests" / "node" / "caliper" / "benchmark.yaml")
    assert (test.name, test.workers.number, test.rounds[0].tx_number) == ("small", 1, 40)
    assert test.rounds[0].rate_control.opts == {"transactionLoad": 8}


@pytest.mark.parametrize("file", sorted((ROOT / "benchmarks" / "files").glob("*.yaml")), ids=lambda p: p.name)
def test_our_own_files_are_good(file: Path) -> None:
    place = NullSite()
    place.zones = ("zone-a", "zone-b")
    for number, each in enumerate(load(file).rounds):
        made = setting(base=file.parent)._replace(site=place)
        workloads.make(each.workload.module, each.workload.arguments, made)
        controller(each, Seat(0, 1, number), file.parent)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("txNumber: 40", "txNumber: 0", "txNumber"),
        ("txNumber: 40", "txNumber: 4\n      txDuration: 4", "either txNumber or txDuration"),
        ("txNumber: 40", "txCount: 40", "txCount"),
        ("number: 2", "number: 0", "workers.number"),
        ("name: small", "name: [1]", "name"),
        ("label: one", "label: ''", "label"),
        ("test:", "tset:", "tset"),
        ("rounds:", "rounds: [}", "benchmark file"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(old: str, new: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=said) as refused:
        load(written(tmp_path, GOOD.replace(old, new, 1)))
    assert "\n" not in str(refused.value)


def test_two_rounds_of_one_label_are_refused(tmp_path: Path) -> None:
    text = GOOD + GOOD[GOOD.index("    - label") :]
    with pytest.raises(Misuse, match="same label"):
        load(written(tmp_path, text))


def test_an_unknown_round_is_refused(tmp_path: Path) -> None:
    test = load(written(tmp_path, GOOD))
    assert [each.label for each in chosen(test, ["one"])] == ["one"]
    with pytest.raises(Misuse, match="no round is called 'two'"):
        chosen(test, ["two"])


@pytest.mark.parametrize(
    ("module", "arguments", "said"),
    [
        ("nonsense", {}, "no workload is called"),
        ("put.js", {}, "JavaScript"),
        ("nothing.py", {}, "cannot be read"),
        ("empty", {"speed": 1}, "no argument 'speed'"),
        ("empty", {"milliseconds": -1}, "milliseconds"),
        ("query", {"zone": "nowhere"}, "no zone is called"),
        ("mixed", {}, "list of parts"),
        ("mixed", {"parts": [{"module": "nonsense"}]}, "no workload is called"),
        ("mixed", {"parts": [{"module": "empty", "weight": 0}]}, "weight"),
        ("channel", {}, "between two zones"),
    ],
)
def test_a_workload_that_cannot_be_is_refused(module: str, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(Misuse, match=said):
        workloads.make(module, arguments, setting())


def test_a_workload_of_ones_own_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "class Own:\n"
        "    def __init__(self, setting, much): self.setting, self.much, self.seen = setting, much, []\n"
        "    def prepare(self): pass\n"
        "    def transact(self, number): self.seen.append(self.setting.rng(number).randrange(self.much))\n"
        "def make(setting, arguments): return Own(setting, arguments.pop('much'))\n"
    )

    def drawn(seed: int) -> list[int]:
        made: Any = workloads.make("own.py", {"much": 10**9}, setting(base=tmp_path, seed=seed))
        for number in (0, 1, 2):
            made.transact(number)
        return list(made.seen)

    assert drawn(1) == drawn(1) != drawn(2)


def test_a_file_without_make_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("x = 1\n")
    with pytest.raises(Misuse, match="no function make"):
        workloads.make("own.py", {}, setting(base=tmp_path))
    (tmp_path / "own.py").write_text("1 / 0\n")
    with pytest.raises(Misuse, match="does not load"):
        workloads.make("own.py", {}, setting(base=tmp_path))
