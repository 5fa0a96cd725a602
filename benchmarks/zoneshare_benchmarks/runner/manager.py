"""Runs a test: its network where it needs one, round after round, each result kept as soon as it is there."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from zoneshare_benchmarks.runner import rates, site
from zoneshare_benchmarks.runner.book import BenchmarkResult, Book
from zoneshare_benchmarks.runner.crew import Crew
from zoneshare_benchmarks.runner.outcome import RoundResult, Told, Used, sum_up
from zoneshare_benchmarks.runner.plan import Benchmark, Round
from zoneshare_benchmarks.runner.resources import Watch
from zoneshare_benchmarks.runner.worker import Job
from zoneshare_benchmarks.wire_process import python
from zoneshare_network.host import running_pid
from zoneshare_network.real.site import is_real
from zoneshare_protocols.errors import LedgerFailed, Misuse, ZoneshareError

PREPARE_S = 300.0
LINGER_S = 120.0
"""What a round may take beyond its time for the transactions under way."""
_POLL_S = 0.1


class Step(NamedTuple):
    """What is under way: for whoever shows progress. ``left``: seconds, by the rounds' own times, if they have any."""

    label: str
    done: int
    rounds: int
    transactions: int
    succeeded: int
    part: float
    """Of this round, 0 to 1."""
    left: float | None


Show = Callable[[Step], None]


class Run(NamedTuple):
    """How a test is to be run. ``base``: the benchmark file's folder."""

    test: Benchmark
    rounds: Sequence[Round]
    target: str
    base: Path
    repeat: int = 1


def check(run: Run) -> None:
    """Raises Misuse for what could be seen before anything is started: controllers, workers, target."""
    workers = run.test.workers.number
    for number, each in enumerate(run.rounds):
        rates.controller(each, rates.Seat(0, workers, number), run.base)
    if run.target == site.IN_PROCESS and workers != 1:
        raise Misuse("in-process is one worker's own network: say workers: {number: 1}", workers=workers)
    if run.target not in (site.EMBEDDED, site.IN_PROCESS, site.NULL):
        _check_folder(Path(run.target))


def _check_folder(folder: Path) -> None:
    if is_real(folder):
        return
    if not (folder / "network.json").exists():
        names = f"{site.EMBEDDED}, {site.IN_PROCESS}, {site.NULL}"
        raise Misuse(f"no network in {folder}; a target is {names}, or the folder of a network")
    if running_pid(folder) is None:
        raise LedgerFailed(f"the network in {folder} is not running: zoneshare network up --dir {folder}")


def launch(run: Run, book: Book, show: Show = lambda _: None) -> BenchmarkResult:
    """Run what is missing in ``book``. What is done is in its folder, whatever happens.

    Raises what preparing a round refuses, LedgerFailed where the network is down.
    """
    check(run)
    wanted = [(each, number) for number in range(run.repeat) for each in run.rounds]
    missing = [(each, number) for each, number in wanted if not book.done(each.label, number)]
    stopped = ""
    try:
        if missing:
            with network_of(run.target) as (target, processes):
                for each, number in missing:
                    show_round = _Shown(show, each, wanted, missing, book)
                    book.add(_one(run, each, number, target=target, processes=processes, show=show_round))
                    if book.rounds[-1].down:
                        raise LedgerFailed(
                            f"the network went down in round {each.label}: {book.rounds[-1].example}", round=each.label
                        )
    except BaseException as broken:
        stopped = str(broken) if isinstance(broken, ZoneshareError) else type(broken).__name__
        raise
    finally:
        result = book.finish(stopped)
    return result


class _Shown:
    """Turns what a crew tells into a step with the time left."""

    def __init__(
        self,
        show: Show,
        each: Round,
        wanted: Sequence[tuple[Round, int]],
        missing: Sequence[tuple[Round, int]],
        book: Book,
    ) -> None:
        self._show, self._round, self._began = show, each, time.monotonic()
        self._total, self._done = len(wanted), len(book.rounds)
        spans = [other.tx_duration for other, number in missing if not book.done(other.label, number)]
        self._rest = None if None in spans else sum(span or 0.0 for span in spans)

    def __call__(self, transactions: int, succeeded: int) -> None:
        spent = time.monotonic() - self._began
        number, span = self._round.tx_number, self._round.tx_duration
        part = transactions / number if number else spent / (span or 1.0)
        left = None if self._rest is None else max(0.0, self._rest - spent)
        self._show(Step(self._round.label, self._done, self._total, transactions, succeeded, min(part, 1.0), left))


def _one(
    run: Run, each: Round, number: int, *, target: str, processes: Mapping[str, int], show: Callable[[int, int], None]
) -> RoundResult:
    workers = run.test.workers
    position = run.test.rounds.index(each)
    with TemporaryDirectory(prefix="zoneshare-round-") as folder:
        jobs = [
            Job(
                round=each,
                number=position,
                worker=worker,
                workers=workers.number,
                in_flight=workers.in_flight,
                seed=run.test.seed,
                target=target,
                base=str(run.base),
                records=str(Path(folder) / f"{worker}.npy"),
            )
            for worker in range(workers.number)
        ]
        with Crew(jobs, Path(folder)) as crew:
            crew.prepare(PREPARE_S)
            named = {f"worker {n}": worker.process.pid for n, worker in enumerate(crew.workers)}
            watch = Watch({**processes, **named, "manager": os.getpid()})
            watch.start()
            try:
                crew.begin()
                told = _follow(crew, each, show)
            finally:
                usage = watch.stop()
        records = np.concatenate([np.load(job.records, allow_pickle=False) for job in jobs])
    how = rates.controller(each, rates.Seat(0, workers.number, position), run.base)
    used = {name: Used(own.cpu, own.peak, own.rss) for name, own in usage.items()}
    return sum_up(
        each,
        records,
        told,
        run=number,
        asked=how.asked if isinstance(how, rates.OpenLoop) else None,
        resources=used,
        machine_cpu=watch.machine.cpu,
    )


def _follow(crew: Crew, each: Round, show: Callable[[int, int], None]) -> list[Told]:
    told: list[Told] = []
    until = None if each.tx_duration is None else time.monotonic() + each.tx_duration + LINGER_S
    while len(told) < len(crew.workers):
        told += crew.poll(_POLL_S / len(crew.workers))
        show(*crew.progress)
        if until is not None and time.monotonic() > until:
            raise LedgerFailed(f"round {each.label} did not end {LINGER_S:.0f} s after its time", round=each.label)
    return told


@contextmanager
def network_of(target: str) -> Iterator[tuple[str, dict[str, int]]]:
    """The target for workers, and the processes to watch; ``embedded`` is served and set up here."""
    if target == site.EMBEDDED:
        with TemporaryDirectory(prefix="zoneshare-bench-") as folder, served(Path(folder)) as pid:
            yield folder, {"network": pid}
        return
    own = None if target in (site.IN_PROCESS, site.NULL) else running_pid(Path(target))
    yield target, {} if own is None else {"network": own}


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """An embedded Fabric as a process, its zones set up: its process id. Raises LedgerFailed when it does not start."""
    folder.mkdir(parents=True, exist_ok=True)
    # One that was there before keeps its ports, which its identities know.
    port = () if (folder / "network.json").exists() else ("--port", "0")
    words = python("runner.network", "--dir", str(folder), *port)
    with (folder / "network.log").open("ab") as log:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        lines = iter(process.stdout or ())
        if not any(line.startswith("ready") for line in lines):
            raise LedgerFailed(f"the network did not start: {(folder / 'network.log').read_text().strip()}")
        place = site.NetworkSite(folder)
        try:
            place.set_up()
        finally:
            place.close()
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
