"""Rounds of every workload on an embedded network, by the runner."""

from pathlib import Path
from tempfile import TemporaryDirectory

from zoneshare_benchmarks.report.page import Section
from zoneshare_benchmarks.report.rounds import sections
from zoneshare_benchmarks.report.steps import Mode, Step
from zoneshare_benchmarks.runner.book import Book, Header
from zoneshare_benchmarks.runner.machine import machine
from zoneshare_benchmarks.runner.manager import Run, launch
from zoneshare_benchmarks.runner.plan import Benchmark, RateControl, Round, Workers, WorkloadChoice
from zoneshare_benchmarks.runner.site import EMBEDDED

TITLE = "Workloads"
_TPS = {"transfer": 30.0, "query": 60.0, "channel": 3.0, "mining": 4.0}


def benchmark(seconds: float) -> Benchmark:
    """A round of each workload at a rate, one mixed, one with 16 transfers under way, and whole auctions."""
    rounds = [
        Round(f"{name}, {tps:g}/s", RateControl("fixed-rate", {"tps": tps}), WorkloadChoice(name), None, seconds)
        for name, tps in _TPS.items()
    ]
    parts = [{"module": "transfer", "weight": 8}, {"module": "query", "weight": 8}, {"module": "channel", "weight": 1}]
    mixed = WorkloadChoice("mixed", {"parts": parts})
    rounds.append(Round("mixed, 20/s", RateControl("fixed-rate", {"tps": 20.0}), mixed, None, seconds))
    load = RateControl("fixed-load", {"transactionLoad": 16})
    many = WorkloadChoice("transfer", {"accounts": 64})
    rounds.append(Round("transfer, 16 under way", load, many, None, seconds))
    four = RateControl("fixed-load", {"transactionLoad": 4})
    rounds.append(Round("auction, 4 under way", four, WorkloadChoice("auction"), max(4, int(seconds / 2)), None))
    return Benchmark("workloads", tuple(rounds), Workers(1), seed=7)


def make(mode: Mode) -> Section:
    """A minute a round in full mode, else four seconds."""
    test = benchmark(60.0 if mode.full else 4.0)
    target = EMBEDDED if mode.network is None else str(mode.network)
    with TemporaryDirectory() as folder:
        book = Book.open(Path(folder), Header(test, target, 1, machine()), resume=False)
        found = launch(Run(test, test.rounds, target, Path(folder)), book)
    first, *_ = sections(found)
    return Section(TITLE, first.parts)


STEPS = (Step("workloads", TITLE, make, 65, 520),)
