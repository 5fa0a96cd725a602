"""The miner's computing, in a thread of its own: the paper's two loops (section II.C), and what they cost.

Task-involved loops as long as there are runs, task-free ones otherwise. Blocks are kept by their hash; those that come
up again are kept in float32 too, so that they are widened once.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from zoneshare.epow.messages import Run
from zoneshare.epow.store import BlockStore
from zoneshare_protocols.codec import digest
from zoneshare_protocols.epow.difficulty import SCALE_ONE, final, target
from zoneshare_protocols.epow.draw import Draws, draw, involved_header
from zoneshare_protocols.epow.exact import Int32
from zoneshare_protocols.epow.hashing import matrix_hash, nsub_hash
from zoneshare_protocols.epow.records import Assignment, BlockHeader, LspField, RunResult, Tip
from zoneshare_protocols.epow.work import Worker


class Won(NamedTuple):
    """A draw that makes a block; ``assignment`` and the two blocks' cells for a task-involved loop."""

    header: BlockHeader
    assignment: Assignment | None
    left: bytes
    right: bytes


class Finished(NamedTuple):
    """A run is done."""

    assignment: Assignment
    result: RunResult
    sum: Int32
    run: Run
    """As it came: its blocks."""


@dataclass
class Meter:
    """Seconds since the engine started, by what they went into. ``product``: the products of nsub-tasks alone."""

    product: float = 0.0
    involved: float = 0.0
    free: float = 0.0
    idle: float = 0.0
    nsubs: int = 0
    free_loops: int = 0
    began: float = 0.0
    first: float = 0.0
    """When the first run began."""
    last: float = 0.0
    """When the last one ended."""
    product_cpu: float = 0.0
    busy_cpu: float = 0.0
    """Processor time of products, and of the whole process from the first run's beginning to the last one's end."""

    @property
    def busy(self) -> float:
        """Seconds from the first run's beginning to the last one's end, all waiting in between included."""
        return self.last - self.first

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self.began

    @property
    def useful(self) -> float:
        """Useful share: time in the product itself over all time."""
        return self.product / self.elapsed if self.began else 0.0


class Engine:
    """``told`` gets Won and Finished, in the engine's thread. All other methods may be called from any thread."""

    def __init__(
        self,
        miner: str,
        basic: int,
        told: Callable[[Won | Finished], None],
        *,
        memory: int = 512 << 20,
        free_loops: bool = True,
    ) -> None:
        self.meter = Meter()
        self.blocks = BlockStore(basic, memory)
        self._miner, self._told, self._free_loops = miner, told, free_loops
        self.basic = basic
        self._worker = Worker(basic, self._product)
        self._runs: deque[Run] = deque()
        self._at_work: Run | None = None
        self._told_of: list[Run] = []
        self._current: dict[tuple[bytes, int, int], Assignment] = {}
        self._gone: set[tuple[bytes, int, int]] = set()
        self._tip: Tip | None = None
        self._scale = SCALE_ONE
        self._nonce = 0
        self._drawn_at: Tip | None = None
        self._draws = Draws(b"", miner)
        self._spent = self._spent_cpu = self._cpu_before = 0.0
        self._over = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="epow-engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """After the loop at work."""
        with self._change:
            self._over = True
            self._change.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def new_tip(self, tip: Tip) -> None:
        """A block has come: what was drawn for the one before counts no more."""
        with self._change:
            if self._tip is None or tip.height > self._tip.height:
                self._tip, self._nonce = tip, 0
                self._change.notify_all()

    def add(self, run: Run, scale: int) -> None:
        """A run all of whose blocks are here."""
        with self._change:
            self._scale = scale
            self._current[_key(run.assignment)] = run.assignment
            self._gone.discard(_key(run.assignment))
            self._runs.append(run)
            self._change.notify_all()

    def carry(self, assignment: Assignment, scale: int) -> None:
        """A run it holds, assigned anew at a new tip."""
        with self._change:
            self._scale = scale
            if _key(assignment) in self._current:
                self._current[_key(assignment)] = assignment

    def drop_digest(self, id: bytes) -> None:
        """The run with this assignment is not the miner's any more."""
        with self._change:
            for key, assignment in self._current.items():
                if digest(assignment) == id:
                    self._gone.add(key)

    def forget(self) -> None:
        """All runs: the coordinator of before is gone."""
        with self._change:
            self._gone.update(self._current)
            self._runs.clear()

    def taken(self, finished: Finished) -> None:
        """Whoever was told of this run minds its blocks from now on."""
        with self._change:
            self._told_of.remove(finished.run)

    def needed(self) -> set[bytes]:
        """The blocks of all runs that it has, or has told of."""
        with self._change:
            runs = [*self._runs, *self._told_of, *([self._at_work] if self._at_work else [])]
        return {hash for run in runs for hash in (*run.left, *run.right)}

    def _run(self) -> None:
        with threadpool_limits(1):
            self.meter.began = time.perf_counter()
            while not self._over:
                with self._change:
                    while self._runs and _key(self._runs[0].assignment) in self._gone:
                        self._current.pop(_key(self._runs.popleft().assignment), None)
                    run = self._at_work = self._runs.popleft() if self._runs else None
                began = time.perf_counter()
                if run is not None:
                    self._involved(run)
                    self.meter.involved += time.perf_counter() - began
                elif self._free_loops and self._tip is not None:
                    self._free(self._tip)
                    self.meter.free += time.perf_counter() - began
                else:
                    with self._change:
                        if not self._runs and not self._over:
                            self._change.wait(0.5)
                    self.meter.idle += time.perf_counter() - began

    def _involved(self, run: Run) -> None:
        key = _key(run.assignment)
        product_before, cpu_before = self._spent, self._spent_cpu
        if not self.meter.first:
            self.meter.first, self._cpu_before = time.perf_counter(), time.process_time()

        self._draw_at(self._tip)
        pairs = zip(run.left, run.right, strict=True)
        blocks = ((self.blocks.wide(left), self.blocks.wide(right)) for left, right in pairs)
        done = self._worker.run(blocks, partial(self._drawn, run))
        self.meter.product += self._spent - product_before
        self.meter.product_cpu += self._spent_cpu - cpu_before
        self.meter.nsubs += run.assignment.count
        self.meter.last = time.perf_counter()
        self.meter.busy_cpu = time.process_time() - self._cpu_before
        with self._change:
            assignment = self._current.pop(key, run.assignment)
            gone = key in self._gone
            self._gone.discard(key)
            if not gone:
                self._told_of.append(run)
        if not gone:
            result = RunResult(digest(assignment), done.hashes, matrix_hash(done.total))
            self._told(Finished(assignment, result, done.total, run))

    def _drawn(self, run: Run, first: int, results: list[bytes]) -> None:
        """Make the draws of results that have come, but for those of an older tip."""
        tip, assignment = self._tip, self._current.get(_key(run.assignment), run.assignment)
        if tip is not self._drawn_at:
            # Some of these were made before it.
            self._draw_at(tip)
            return
        if tip is None or assignment.tip != tip.hash:
            return
        wins, draws = target(final(tip.difficulty, self._scale)), self._draws
        for position, result in enumerate(results, first):
            if draws.involved(run.left[position], run.right[position], result) < wins:
                self._won(run, position, result, tip, assignment)

    def _draw_at(self, tip: Tip | None) -> None:
        if tip is not None and tip is not self._drawn_at:
            self._draws = Draws(tip.hash, self._miner)
        self._drawn_at = tip

    def _won(self, run: Run, position: int, result: bytes, tip: Tip, assignment: Assignment) -> None:
        left, right = run.left[position], run.right[position]
        lsp = LspField(
            assignment.task, assignment.sub_task, assignment.first + position, nsub_hash(left, right), result
        )
        header = involved_header(tip.height + 1, tip.hash, self._miner, lsp)
        self._told(Won(header, assignment, *(self.blocks.small(hash).tobytes() for hash in (left, right))))

    def _free(self, tip: Tip) -> None:
        header = self._worker.free(tip.height + 1, tip.hash, self._miner, self._nonce)
        self._nonce += 1
        self.meter.free_loops += 1
        if draw(header) < target(tip.difficulty):
            self._told(Won(header, None, b"", b""))
            self._wait_for_tip(tip)

    def _wait_for_tip(self, tip: Tip) -> None:
        """A block of ours is on its way: another at this tip would be stale."""
        with self._change:
            self._change.wait_for(lambda: self._over or bool(self._runs) or self._tip is not tip, timeout=2.0)

    def _product(self, left: Any, right: Any, out: Any) -> None:
        began, cpu = time.perf_counter(), time.thread_time()
        np.matmul(left, right, out=out)
        self._spent += time.perf_counter() - began
        self._spent_cpu += time.thread_time() - cpu


def _key(assignment: Assignment) -> tuple[bytes, int, int]:
    return assignment.task, assignment.sub_task, assignment.run
