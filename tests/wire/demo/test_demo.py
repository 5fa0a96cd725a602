"""The demo as a newcomer runs it: what it reports is true, and wrong inputs get one clear line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "zoneshare", "demo", *options]
    return subprocess.run(words, capture_output=True, text=True, timeout=600, cwd=folder, check=False)


@pytest.mark.timeout(600)
def test_a_file_is_sold_and_four_frauds_fail(tmp_path: Path) -> None:
    run = demo(tmp_path, "--json")
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    trade = report["trade"]
    assert trade["sha256"][0] == trade["sha256"][1]
    assert trade["before"][0] - trade["after"][0] == trade["paid"] == trade["after"][1] - trade["before"][1]
    assert sum(len(lines) for lines in trade["writes"].values()) == 7 < trade["chunks"]
    assert len(report["frauds"]) == 4
    auctions = report["auctions"]
    assert auctions["paid"]["dina"] == 0
    assert sum(auctions["balances"].values()) == 6 * 100_000
    assert report["held"] == report["issued"]
    mining = report["mining"]
    assert mining["same"]
    assert abs(mining["accuracy"] - mining["float"]) <= 0.01
    assert mining["useful_blocks"] == mining["blocks"] > 0
    assert mining["fakes"] > 0
    assert not list(tmp_path.iterdir())


def test_a_file_of_ones_own_is_sold(tmp_path: Path) -> None:
    own = tmp_path / "mine.bin"
    own.write_bytes(os.urandom(3_000))
    run = demo(tmp_path, "--quick", "--file", "mine.bin", "--keep", "kept")
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "kept" / "bought" / "mine.bin").read_bytes() == own.read_bytes()
    assert "3 chunks" in run.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--file", "nowhere"), "no such file"),
        (("--file", "."), "no regular file"),
        (("--file", "empty"), "empty"),
        (("--keep", "."), "is there already"),
    ],
)
def test_wrong_inputs_get_one_line(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    (tmp_path / "empty").touch()
    run = demo(tmp_path, *options)
    assert run.returncode != 0
    assert said in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1
