"""What the coordinator must not lose: tasks with their matrices, verified sums, and steps not yet on the ledger.

The journal says what counts; big things are files beside it, on the disk before the journal names them. A run's sum,
and the step that pays for it, are one write: after a crash it is neither lost nor paid twice.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoneshare.epow.files import Files
from zoneshare.epow.spare import Spare
from zoneshare.trade.journal import CrashPoint, Entry, Journal
from zoneshare_protocols.codec import Count, Digest, Key32, Record
from zoneshare_protocols.epow.exact import Int32
from zoneshare_protocols.epow.layout import Layout
from zoneshare_protocols.epow.ledger import Batch, RunDone, Step
from zoneshare_protocols.epow.merge import strips
from zoneshare_protocols.epow.plan import check_named
from zoneshare_protocols.epow.records import RunResult, Task

TASK, RUN, STEP, BATCH = "epow-task", "epow-run", "epow-step", "epow-batch"
RESULT = "epow-result"
"""What was committed to for a run: kept for inquiry until the task is settled."""


class KeptTask(Record, frozen=True, tag="zoneshare/epow-kept-task/1"):
    """A task whose matrices are here. ``sub_task``: the one at work; ``result`` when all are merged."""

    task: Task
    seed: Key32
    sub_task: Count = 0
    result: Digest | None = None
    error: str = ""
    order: Count = 0


class KeptStep(Record, frozen=True, tag="zoneshare/epow-kept-step/1"):
    step: Step


class Book:
    """In a folder of its own: ``coordinator.db`` and a folder a task. Methods block, but for :meth:`add_steps`."""

    def __init__(self, folder: Path, crash_point: CrashPoint | None = None, spare: int = 0) -> None:
        """``spare``: bytes of files that are kept to be written over. Raises Misuse when another process has it."""
        self.folder = folder
        self._journal = Journal(folder / "coordinator.db", crash_point)
        try:
            known = {kept.task.id for kept in self.tasks()}
            self.files = Files(folder / "tasks", Spare(folder / "spare", spare), known)
            self._steps = 1 + max((int(key) for key, _ in self._journal.scan(STEP, KeptStep)), default=0)
        except BaseException:
            self._journal.close()
            raise

    def close(self) -> None:
        self._journal.close()

    def tasks(self) -> list[KeptTask]:
        """In the order they came."""
        return sorted((kept for _, kept in self._journal.scan(TASK, KeptTask)), key=lambda kept: kept.order)

    def find(self, task: bytes) -> KeptTask | None:
        return self._journal.get(TASK, task.hex(), KeptTask)

    def put(self, kept: KeptTask, steps: Iterable[Step] = (), *, forget_runs: Iterable[int] = ()) -> None:
        """Keep a task as it is now; drops the runs of a sub-task that is merged."""
        id = kept.task.id.hex()
        gone = [Entry(RUN, _run_key(kept.task.id, kept.sub_task - 1, run), None) for run in forget_runs]
        self._journal.write(Entry.of(TASK, id, kept), *map(self._step, steps), *gone)

    def forget(self, task: bytes) -> None:
        """The source has its result, or it was withdrawn."""
        self._journal.write(Entry(TASK, task.hex(), None), *self._journal.deletions(RESULT, f"{task.hex()}/"))
        self.files.drop(task)

    def check(self, kept: KeptTask) -> None:
        """What a task at work still needs is here: its matrices as they came, and verified sums. Raises DataCorrupt."""
        id, basic = kept.task.id, kept.task.basic
        for number, info in enumerate(kept.task.matrices):
            if number > kept.sub_task or number == kept.sub_task == 0:
                check_named(self.files.load_matrix(id, f"m{number}"), info)
        if done := self.runs(id, kept.sub_task):
            self.files.sums(id, kept.sub_task, 1 + max(each.run for each in done), basic)

    def runs(self, task: bytes, sub_task: int) -> list[RunDone]:
        """The verified runs of a sub-task."""
        return [kept for _, kept in self._journal.scan(RUN, RunDone, f"{task.hex()}/{sub_task:03}/")]

    def add_run(self, done: RunDone, result: RunResult, total: Int32) -> None:
        """Keep a verified sum and the step that pays for it; on the disk when this returns. Raises DataCorrupt."""
        self.files.save_sum(done.task, done.sub_task, done.run, total)
        key = _run_key(done.task, done.sub_task, done.run)
        self._journal.write(Entry.of(RUN, key, done), Entry.of(RESULT, key, result), self._step(done))

    def result(self, kept: KeptTask) -> Iterator[NDArray[np.integer[Any]]]:
        """A merged task's result, some of its rows at a time: from its file, or its sums, if those are the result."""
        task, number = kept.task, len(kept.task.matrices) - 1
        if self.files.matrix_path(task.id, f"r{number}").exists():
            return iter([self.files.load_matrix(task.id, f"r{number}")])
        rows, last = task.matrices[0].rows, task.matrices[-1]
        layout = Layout(rows, last.rows, last.columns, task.basic)
        return strips(layout, self.files.sums(task.id, number - 1, layout.runs, layout.basic))

    async def add_steps(self, *steps: Step) -> None:
        await self._journal.commit([self._step(step) for step in steps])

    def find_run(self, task: bytes, sub_task: int, run: int) -> RunDone | None:
        """A verified run of the sub-task at work."""
        return self._journal.get(RUN, _run_key(task, sub_task, run), RunDone)

    def find_result(self, task: bytes, sub_task: int, run: int) -> RunResult | None:
        """What was committed to for a verified run of a task that is not settled."""
        return self._journal.get(RESULT, _run_key(task, sub_task, run), RunResult)

    def steps(self) -> list[tuple[str, Step]]:
        """(key, step) that wait to be recorded, in order."""
        return [(key, kept.step) for key, kept in self._journal.scan(STEP, KeptStep)]

    def pending(self) -> Batch | None:
        """The batch that may or may not be on the ledger."""
        rows = self._journal.scan(BATCH, Batch)
        return rows[0][1] if rows else None

    def begin(self, batch: Batch, keys: Iterable[str]) -> None:
        """The steps under ``keys`` are in this batch now."""
        self._journal.write(Entry.of(BATCH, "pending", batch), *(Entry(STEP, key, None) for key in keys))

    def recorded(self) -> None:
        self._journal.write(Entry(BATCH, "pending", None))

    def _step(self, step: Step) -> Entry:
        key, self._steps = f"{self._steps:020}", self._steps + 1
        return Entry.of(STEP, key, KeptStep(step))


def _run_key(task: bytes, sub_task: int, run: int) -> str:
    return f"{task.hex()}/{sub_task:03}/{run:010}"
