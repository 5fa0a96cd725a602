"""Every workload on an embedded network: in the worker, served beside it, by either adapter; and one that dies."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoneshare.seal.ledger import Auctions
from zoneshare_benchmarks.runner.book import JOURNAL, RESULT, Book, Header, load
from zoneshare_benchmarks.runner.machine import machine
from zoneshare_benchmarks.runner.manager import Run, launch, served
from zoneshare_benchmarks.runner.outcome import RoundResult
from zoneshare_benchmarks.runner.plan import Benchmark, RateControl, Round, Workers, WorkloadChoice
from zoneshare_benchmarks.runner.site import IN_PROCESS, NetworkSite
from zoneshare_protocols.errors import LedgerFailed
from zoneshare_protocols.seal.phases import Phase

LOAD = RateControl("fixed-load", {"transactionLoad": 2})
MIXED = {"parts": [{"module": "transfer", "arguments": {"accounts": 4}, "weight": 3}, {"module": "query"}]}
CHOICES = {
    "transfer": WorkloadChoice("transfer", {"accounts": 4}),
    "query": WorkloadChoice("query", {"accounts": 1}),
    "channel": WorkloadChoice("channel", {"pairs": 2}),
    "auction": WorkloadChoice("auction", {"drones": 2, "step": 4000}),
    "mixed": WorkloadChoice("mixed", MIXED),
}


def run(folder: Path, rounds: tuple[Round, ...], target: str, workers: int = 1) -> dict[str, RoundResult]:
    test = Benchmark("t", rounds, Workers(workers), seed=3)
    book = Book.open(folder, Header(test, target, 1, machine()), resume=False)
    return {each.label: each for each in launch(Run(test, rounds, target, folder), book).rounds}


def test_a_workload_runs_on_a_network_in_the_worker(tmp_path: Path) -> None:
    (found,) = run(tmp_path / "r", (Round("one", LOAD, CHOICES["mixed"], 4),), IN_PROCESS).values()
    assert (found.succeeded, found.failed) == (4, 0), found


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """A network's folder and its process."""
    folder = tmp_path_factory.mktemp("net")
    with served(folder) as pid:
        yield str(folder), pid


def test_every_workload_runs_over_the_gateway_and_conflicts_are_no_failures(
    network: tuple[str, int], tmp_path: Path
) -> None:
    rounds = [Round(name, LOAD, choice, 2) for name, choice in CHOICES.items()]
    rounds.append(Round("blocks", LOAD, WorkloadChoice("mining", {"miners": 2}), 6))
    four = RateControl("fixed-load", {"transactionLoad": 4})
    rounds.append(Round("hot", four, WorkloadChoice("transfer", {"accounts": 2}), 12))
    found = run(tmp_path / "r", tuple(rounds), network[0])
    blocks, hot = found.pop("blocks"), found.pop("hot")
    for each in found.values():
        assert (each.succeeded, each.refused, each.failed) == (2, 0, 0), each
        assert {"network", "manager"} <= set(each.resources)
    assert blocks.succeeded >= 1
    assert set(blocks.kinds) <= {"StaleTip", "Conflict"}
    assert blocks.succeeded + blocks.refused + blocks.conflicted == 6
    site = NetworkSite(Path(network[0]))
    try:
        ended = list(Auctions(site.issuer(site.zones[0])).auctions())
    finally:
        site.close()
    assert [each.phase for each in ended] == [Phase.CLOSED] * 2
    assert hot.conflicts > 0
    assert (hot.failed, hot.refused, hot.succeeded + hot.conflicted) == (0, 0, 12)


def test_a_round_runs_by_hfc(network: tuple[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZONESHARE_ADAPTER", "hfc")
    round_ = Round("one", LOAD, WorkloadChoice("transfer", {"accounts": 2}), 2)
    (found,) = run(tmp_path / "r", (round_,), network[0]).values()
    assert (found.succeeded, found.failed) == (2, 0), found


def test_a_network_that_dies_ends_the_round_in_one_line_and_what_came_before_is_kept(tmp_path: Path) -> None:
    query = WorkloadChoice("query", {"accounts": 1})
    rounds = (Round("first", LOAD, query, 3), Round("long", RateControl("fixed-rate", {"tps": 20}), query, None, 600))
    journal = tmp_path / "r" / JOURNAL

    with served(tmp_path / "net") as pid:

        def kill() -> None:
            until = time.monotonic() + 120
            while time.monotonic() < until and not (journal.exists() and journal.read_bytes().count(b"\n") > 1):
                time.sleep(0.1)
            os.kill(pid, signal.SIGKILL)

        threading.Thread(target=kill, daemon=True).start()
        with pytest.raises(LedgerFailed) as refused:
            run(tmp_path / "r", rounds, str(tmp_path / "net"))
    assert "\n" not in str(refused.value)
    kept = load(tmp_path / "r")
    assert kept.rounds[0].label == "first"
    assert kept.stopped
    with pytest.raises(LedgerFailed, match="is not running"):
        run(tmp_path / "again", rounds, str(tmp_path / "net"))
    assert not (tmp_path / "again" / RESULT).exists()
