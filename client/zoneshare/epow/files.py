"""A coordinator's big things on the disk: tasks' matrices, sums and results. The journal says which of them count."""

import os
import re
import shutil
import threading
from collections.abc import Callable, Collection, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from zoneshare.epow.incoming import HALF, Incoming, matrix_head, sync
from zoneshare.epow.spare import Spare
from zoneshare_protocols.epow.exact import Int32
from zoneshare_protocols.epow.layout import Layout
from zoneshare_protocols.epow.records import MatrixInfo
from zoneshare_protocols.errors import DataCorrupt

_TASK = re.compile(r"[0-9a-f]{64}")

T = TypeVar("T")


class Files:
    """A folder a task. All methods block, but :meth:`incoming`."""

    def __init__(self, folder: Path, spare: Spare, known: Collection[bytes]) -> None:
        """``known``: the tasks that are kept; what is left of others, and what is half, is dropped."""
        self._folder, self._spare = folder, spare
        self._used: dict[Path, WeakSet[Any]] = {}
        """Maps and open files of each."""
        self._lock = threading.Lock()
        """Of who opens a file against who gives it away to be written over."""
        for task in folder.glob("*"):
            if _TASK.fullmatch(task.name) and task.is_dir():
                for half in task.glob(f"{HALF}*"):
                    self._drop(half)
                if bytes.fromhex(task.name) not in known:
                    self.drop(bytes.fromhex(task.name))

    def incoming(self, task: bytes, info: MatrixInfo) -> Incoming:
        """Where a matrix of this task goes, piece by piece."""
        return Incoming(self._task_folder(task), info, self._spare)

    def matrix_path(self, task: bytes, name: str) -> Path:
        return self._task_folder(task) / f"{name}.npy"

    def save_matrix(
        self, task: bytes, name: str, shape: tuple[int, int], rows: Iterator[NDArray[np.integer[Any]]]
    ) -> None:
        """A matrix that comes some rows at a time. On the disk when this returns. Raises DataCorrupt for too few."""
        half = self._task_folder(task) / f"{HALF}{name}.npy"
        first = next(rows)
        head = matrix_head(first.dtype, shape)
        size = len(head) + shape[0] * shape[1] * first.itemsize
        self._spare.take(half, size)
        with half.open("r+b") as file:
            file.write(head)
            for strip in chain([first], rows):
                file.write(strip.data)
            if file.tell() != size:
                raise DataCorrupt("a matrix has as many rows as were announced", task=task.hex(), matrix=name)
            file.flush()
            os.fsync(file.fileno())
        half.rename(self.matrix_path(task, name))
        sync(half.parent)

    def load_matrix(self, task: bytes, name: str) -> NDArray[Any]:
        """Straight from the file: it is read as it is used, and takes no memory of ours. Raises DataCorrupt."""
        path = self.matrix_path(task, name)
        try:
            return self._map(path, lambda: np.load(path, mmap_mode="r", allow_pickle=False))
        except (OSError, ValueError, EOFError) as failed:
            raise DataCorrupt("a matrix is gone, or not whole", task=task.hex(), matrix=name) from failed

    def begin_sums(self, task: bytes, sub_task: int, layout: Layout) -> None:
        """Room for a sub-task's sums, none of which is here."""
        path = self._sums(task, sub_task)
        self._spare.take(path, layout.runs * layout.basic**2 * 4)
        # Writing sums to a file that has its size already brings no name to the disk.
        sync(path.parent)

    def save_sum(self, task: bytes, sub_task: int, run: int, total: Int32) -> None:
        """On the disk when this returns. Raises DataCorrupt when the file that :meth:`begin_sums` made is gone."""
        path = self._sums(task, sub_task)
        try:
            file = self._use(path, lambda: path.open("r+b"), lambda file: file)
        except FileNotFoundError as gone:
            raise DataCorrupt("sums that were verified are gone", task=task.hex(), sub_task=sub_task) from gone
        with file:
            file.seek(run * total.nbytes)
            file.write(total.data)
            file.flush()
            os.fdatasync(file.fileno())

    def sums(self, task: bytes, sub_task: int, runs: int, basic: int) -> NDArray[np.int32]:
        """The first ``runs`` sums (runs x b x b) of a sub-task, straight from the file. Raises DataCorrupt."""
        path = self._sums(task, sub_task)
        try:
            return self._map(path, lambda: np.memmap(path, np.int32, "r", shape=(runs, basic, basic)))
        except (OSError, ValueError) as failed:
            raise DataCorrupt("sums that were verified are gone", task=task.hex(), sub_task=sub_task) from failed

    def drop_sums(self, task: bytes, sub_task: int) -> None:
        self._drop(self._sums(task, sub_task))

    def drop(self, task: bytes) -> None:
        """All that is here of a task that is over."""
        folder = self._task_folder(task)
        for path in folder.glob("[!.]*"):
            self._drop(path)
        # A matrix that is on its way for a second time is still written: it goes with the folder.
        shutil.rmtree(folder, ignore_errors=True)

    def _task_folder(self, task: bytes) -> Path:
        return self._folder / task.hex()

    def _sums(self, task: bytes, sub_task: int) -> Path:
        return self._task_folder(task) / f"sums{sub_task}"

    def _map(self, path: Path, read: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """An array straight from its file."""
        return np.asarray(self._use(path, read, lambda array: array.base))

    def _use(self, path: Path, make: Callable[[], T], held: Callable[[T], object]) -> T:
        """Open a file, which is not written over by another task while what is ``held`` of it lives."""
        with self._lock:
            made = make()
            self._used.setdefault(path, WeakSet()).add(held(made))
        return made

    def _drop(self, path: Path) -> None:
        """Nobody asks for this file any more; who has it open may go on."""
        with self._lock:
            used = self._used.pop(path, None)
            if path.is_symlink() or not path.is_file():
                return
            if used:
                path.unlink()
            else:
                self._spare.give(path)
