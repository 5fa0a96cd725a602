"""The worker processes of one round, seen from the manager."""

import json
import queue
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from zoneshare_benchmarks.runner.outcome import Told
from zoneshare_benchmarks.runner.worker import Job
from zoneshare_benchmarks.wire_process import python
from zoneshare_protocols.errors import LedgerFailed, RuleBroken, from_wire

AHEAD_S = 0.3
"""Between the word to start and the round's first moment."""
_END_S = 10.0


class Worker:
    """One process; ``latest`` is what it last said of how far it is."""

    def __init__(self, job: Job, log: Path) -> None:
        self.job = job
        self._log = log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                python("runner.worker"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self._tell(msgspec.json.encode(job).decode())
        self._said: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.latest: dict[str, int] = {}
        self.over = False
        """It has said what it did: nothing more comes."""
        threading.Thread(target=self._hear, daemon=True).start()

    def _tell(self, line: str) -> None:
        stdin = self.process.stdin
        try:
            if stdin is not None:
                stdin.write(line + "\n")
                stdin.flush()
        except BrokenPipeError:
            pass  # its last words, or their absence, say why

    def _hear(self) -> None:
        for line in self.process.stdout or ():
            words = json.loads(line)
            if "ended" in words:
                self.latest = words
            else:
                self._said.put(words)
        self._said.put(None)

    def start(self, at: float) -> None:
        self._tell(repr(at))

    def next(self, timeout: float) -> dict[str, Any] | None:
        """What it says next; None while it says nothing. Raises what it refused with; LedgerFailed when it ended."""
        try:
            words = self._said.get(timeout=timeout)
        except queue.Empty:
            return None
        if words is None:
            last = self._log.read_text(errors="replace").strip().splitlines()[-1:]
            raise LedgerFailed(f"worker {self.job.worker} ended: {' '.join(last) or self.process.wait()}")
        if "error" in words:
            raise from_wire(words["error"]) or RuleBroken(str(words["error"]).removeprefix("error: "))
        return words

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Crew:
    """Use as a context manager: all its processes have ended when it is over."""

    def __init__(self, jobs: Sequence[Job], folder: Path) -> None:
        self.workers = [Worker(job, folder / f"worker{job.worker}.log") for job in jobs]

    def prepare(self, patience: float) -> None:
        """Wait until all are ready. Raises what the first refuses with; LedgerFailed when it takes too long."""
        until = time.monotonic() + patience
        for worker in self.workers:
            words = worker.next(max(0.0, until - time.monotonic()))
            if words is None:
                raise LedgerFailed(f"worker {worker.job.worker} was not ready after {patience:.0f} s")

    def begin(self) -> None:
        at = time.monotonic() + AHEAD_S
        for worker in self.workers:
            worker.start(at)

    def poll(self, timeout: float) -> list[Told]:
        """What those said that have ended meanwhile; waits ``timeout`` at most for each that has not."""
        told = []
        for worker in self.workers:
            if worker.over or (words := worker.next(timeout)) is None:
                continue
            worker.over = True
            told.append(msgspec.convert({name: words[name] for name in Told.__struct_fields__}, Told))
        return told

    @property
    def progress(self) -> tuple[int, int]:
        """Transactions over, and of those the successful ones."""
        told = [worker.latest for worker in self.workers]
        return sum(each.get("ended", 0) for each in told), sum(each.get("ok", 0) for each in told)

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.stop()
