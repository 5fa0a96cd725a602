"""``python -m zoneshare_benchmarks.runner.worker``: one sending process. A job on standard input, lines of JSON out.

It says ``{"ready": …}`` when its workload is prepared, waits for a line with the round's start, tells how far it is,
and ends with ``{"done": …}``; its records are in the job's file. A refusal is ``{"error": …}``.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from zoneshare.cli.common import one_line
from zoneshare_benchmarks.runner import rates, site, workloads
from zoneshare_benchmarks.runner.lifeline import end_with_parent
from zoneshare_benchmarks.runner.plan import Round
from zoneshare_benchmarks.runner.sender import Outcome, Sender
from zoneshare_protocols.errors import ZoneshareError, to_wire

TELL_S = 0.5


class Job(msgspec.Struct, frozen=True):
    """One worker's part of a round."""

    round: Round
    number: int
    """The round's, in its file."""
    worker: int
    workers: int
    in_flight: int
    seed: int
    target: str
    base: str
    records: str
    """Where they go: a .npy file."""


def _say(**words: Any) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def work(job: Job, start: Callable[[], float]) -> None:
    """Prepare, wait for ``start`` to give the moment, send, and tell the end. Raises what preparing refuses."""
    seat = rates.Seat(job.worker, job.workers, job.number)
    with site.opened(job.target) as place:
        setting = workloads.Setting(place, seat, job.seed, job.round.label, Path(job.base))
        how = rates.controller(job.round, seat, Path(job.base))
        choice = job.round.workload
        workload = workloads.make(choice.module, choice.arguments, setting)
        workload.prepare()
        before = place.conflicts()
        _say(ready=True)
        number = None if job.round.tx_number is None else seat.share(job.round.tx_number)
        sender = Sender(workload.transact, start(), number=number, span=job.round.tx_duration)
        over = threading.Event()
        teller = threading.Thread(target=_tell, args=(sender, over), daemon=True)
        teller.start()
        began, used = time.monotonic(), time.process_time()
        sender.run(how, seat.index, seat.workers, job.in_flight)
        cpu, seconds = time.process_time() - used, time.monotonic() - began
        over.set()
        teller.join()
        np.save(job.records, sender.tally.array(), allow_pickle=False)
        _say(
            done=True, conflicts=place.conflicts() - before, kinds=sender.tally.kinds, example=sender.tally.example,
            down=sender.down, cpu=cpu, seconds=seconds,
        )  # fmt: skip


def _tell(sender: Sender, over: threading.Event) -> None:
    seen = fine = 0
    while not over.wait(TELL_S):
        fresh = sender.tally.records[seen:]
        seen, fine = seen + len(fresh), fine + sum(each[3] == Outcome.OK for each in fresh)
        _say(ended=seen, ok=fine)


def _start() -> float:
    """The moment, from the manager; from here on the worker ends with it."""
    moment = float(sys.stdin.readline() or "nan")
    end_with_parent()
    return moment


def main() -> int:
    """One job."""
    try:
        job = msgspec.json.decode(sys.stdin.readline(), type=Job)
        work(job, _start)
    except (ZoneshareError, OSError) as refused:
        text = to_wire(refused) if isinstance(refused, ZoneshareError) else one_line(refused)
        _say(error=text)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
