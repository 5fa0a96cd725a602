"""One task at work: its sub-task's blocks, which runs wait, checking and merging."""

import secrets
from collections import deque
from collections.abc import Callable
from typing import Literal

import numpy as np
from msgspec.structs import replace

from zoneshare.epow.book import Book, KeptTask
from zoneshare.epow.fresh import Fresh
from zoneshare.epow.messages import Run
from zoneshare_protocols.epow.blocks import check_reveal, check_sum
from zoneshare_protocols.epow.exact import Int8, Int32
from zoneshare_protocols.epow.hashing import matrix_hash, strips_hash
from zoneshare_protocols.epow.layout import Run as Place
from zoneshare_protocols.epow.ledger import Finished, RunDone
from zoneshare_protocols.epow.merge import Merger
from zoneshare_protocols.epow.plan import sub_task
from zoneshare_protocols.epow.records import Assignment, RunResult
from zoneshare_protocols.epow.verify import Freivalds
from zoneshare_protocols.errors import FakeResult, LimitExceeded

At = tuple[Literal["left", "right"], int, int, int]
"""Which side, row, column and limb a block has."""


class Job:
    """The sub-task at work of a kept task. Blocks: :meth:`open`, :meth:`check` and :meth:`advance` take their time."""

    def __init__(self, kept: KeptTask, book: Book, fresh: Fresh) -> None:
        self.kept = kept
        self._book = book
        self._fresh = fresh
        self._places: dict[bytes, At] = {}
        self._hashes: dict[At, bytes] = {}
        self._next = 0
        self._returned: deque[int] = deque()

    @property
    def id(self) -> bytes:
        return self.kept.task.id

    def open(self) -> "Job":
        """Read the matrices and what is verified already. Raises LimitExceeded when values may outgrow 64 bits."""
        index, task = self.kept.sub_task, self.kept.task
        left = self._book.files.load_matrix(self.id, f"r{index}" if index else "m0")
        right = self._book.files.load_matrix(self.id, f"m{index + 1}")
        self.sub = sub_task(task, index, left, right, self.kept.seed)
        self.layout = self.sub.layout
        self._check = Freivalds(self.sub, secrets.token_bytes(32))
        self._merger = Merger(self.layout)
        verified = self._book.runs(self.id, index)
        if not verified:
            self._book.files.begin_sums(self.id, index, self.layout)
        for done in verified:
            self._merger.add(done.run)
        self._places, self._hashes, self._next = {}, {}, 0
        self._returned.clear()
        return self

    @property
    def missing(self) -> int:
        """Runs that are not merged."""
        return self._merger.missing

    def merged(self, run: int) -> bool:
        return self._merger.merged(run)

    def waiting(self) -> Place | None:
        """The next run to hand out, or None when all are with miners or merged. Stays the next until taken."""
        while self._returned and self.merged(self._returned[0]):
            self._returned.popleft()
        if self._returned:
            return self.layout.run(self._returned[0])
        while self._next < self.layout.runs:
            run = self.layout.run_at(self._next)
            if not self.merged(run.index):
                return run
            self._next += 1
        return None

    def take(self, most: int) -> list[Place]:
        """The next runs to hand out, neighbours: they are with a miner now."""
        taken: list[Place] = []
        while len(taken) < most and (run := self.waiting()) is not None:
            if self._returned:
                self._returned.popleft()
            else:
                self._next += 1
            taken.append(run)
        return taken

    def give_back(self, run: int) -> None:
        """Its miner will not do it."""
        if not self.merged(run) and run not in self._returned:
            self._returned.append(run)

    def order(self, assignment: Assignment) -> Run:
        """The run as a miner gets it: its blocks by their hashes."""
        at = self.layout.run(assignment.run)
        inner = range(at.inner, at.inner + at.count)
        left = tuple(self._hash(("left", at.row, k, at.left_limb)) for k in inner)
        return Run(assignment, left, tuple(self._hash(("right", k, at.column, at.right_limb)) for k in inner))

    def block(self, hash: bytes) -> Int8 | None:
        """A block of this sub-task by its hash."""
        at = self._places.get(hash)
        if at is None:
            return None
        fresh = self._fresh.take(hash)
        return self._block(at) if fresh is None else fresh

    def check(self, assignment: Assignment, result: RunResult, total: Int32) -> None:
        """Raises FakeResult unless the sum is what was committed to, and passes Freivalds (2^-40)."""
        check_sum(result, total)
        if not self._check.check_run(self.layout.run(assignment.run), total):
            raise FakeResult("the sum is not the products'", run=assignment.run)

    def check_single(self, assignment: Assignment, result: RunResult, nsub: int, revealed: Int32) -> None:
        """Raises FakeResult unless a revealed nsub-result is what was committed to, and passes Freivalds."""
        check_reveal(result, assignment, nsub, revealed)
        if not self._check.check_nsub(nsub, revealed):
            raise FakeResult("the revealed result is not the product", nsub_task=nsub)

    def merge(self, run: int) -> None:
        """Its verified sum is in the book."""
        self._merger.add(run)

    def advance(self) -> bool:
        """When the sub-task is merged: keep its result and go to the next; True when the task is over."""
        index, task = self.kept.sub_task + 1, self.kept.task
        over = index == len(task.matrices) - 1
        shape = self.layout.rows, self.layout.columns
        strips = self._merger.strips(self._book.files.sums(self.id, index - 1, self.layout.runs, self.layout.basic))
        stays = over and self.layout.single
        if not stays:
            self._book.files.save_matrix(self.id, f"r{index}", shape, strips)
            strips = iter([self._book.files.load_matrix(self.id, f"r{index}")])
        kept = replace(self.kept, sub_task=index, result=strips_hash(shape, strips) if over else None)
        steps = [Finished(self.id, kept.result)] if over else []
        self._book.put(kept, steps, forget_runs=range(self.layout.runs))
        if not stays:
            self._book.files.drop_sums(self.id, index - 1)
        self.kept = kept
        if over:
            return True
        try:
            self.open()
        except LimitExceeded as refusal:
            self.fail(str(refusal))
            return True
        return False

    def fail(self, error: str) -> None:
        """Values outgrow 64 bits: what was done stays paid, the rest goes back."""
        self.kept = replace(self.kept, error=error)
        self._book.put(self.kept, [Finished(self.id, None)])

    def _hash(self, at: At) -> bytes:
        found = self._hashes.get(at)
        if found is None:
            block = np.ascontiguousarray(self._block(at))
            found = self._hashes[at] = matrix_hash(block)
            self._places[found] = at
            self._fresh.put(found, block)
        return found

    def _block(self, at: At) -> Int8:
        side, row, column, limb = at
        get: Callable[[int, int, int], Int8] = self.sub.left if side == "left" else self.sub.right
        return get(row, column, limb)


def run_done(assignment: Assignment, result: bytes) -> RunDone:
    return RunDone(assignment.task, assignment.sub_task, assignment.run, assignment.count, assignment.miner, result)


def total_of(cells: memoryview, basic: int) -> Int32 | None:
    """A sum's cells as int32, or None for another size."""
    if len(cells) != basic * basic * 4:
        return None
    return np.frombuffer(cells, "<i4").reshape(basic, basic).astype(np.int32, copy=False)
