"""A coordinator's big things on the disk: tasks' matrices, sums and results. The journal says which of them count."""

import mmap
import os
import shutil
import threading
from collections.abc import Callable, Collection, Iterator
from itertools import chain
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from zoneshare.epow.incoming import HALF, Incoming, matrix_head
from zoneshare.epow.spare import Spare
from zoneshare_protocols.epow.exact import Int32
from zoneshare_protocols.epow.layout import Layout
from zoneshare_protocols.epow.records import MatrixInfo
from zoneshare_protocols.errors import DataCorrupt


class Files:
    """A folder a task. All methods block. ``known``: the tasks that are kept; what is left of others is dropped."""

    def __init__(self, folder: Path, spare: Spare, known: Collection[bytes]) -> None:
        self._folder, self._spare = folder, spare
        self._maps: dict[Path, WeakSet[mmap.mmap]] = {}
        self._lock = threading.Lock()
        """Of who opens a file against who gives it away to be written over."""
        names = {task.hex() for task in known}
        for path in folder.glob("*/*"):
            if path.parent.name not in names or path.name.startswith(HALF):
                self._drop(path)
        for left in folder.glob("*"):
            if left.name not in names:
                left.rmdir()

    def incoming(self, task: bytes, info: MatrixInfo) -> Incoming:
        """Where a matrix of this task goes, piece by piece."""
        return Incoming(self._task_folder(task), info, self._spare)

    def matrix_path(self, task: bytes, name: str) -> Path:
        return self._task_folder(task) / f"{name}.npy"

    def save_matrix(
        self, task: bytes, name: str, shape: tuple[int, int], rows: Iterator[NDArray[np.integer[Any]]]
    ) -> None:
        """A matrix that comes some rows at a time. On the disk when this returns."""
        half = self._task_folder(task) / f"{HALF}{name}.npy"
        first = next(rows)
        head = matrix_head(first.dtype, shape)
        self._spare.take(half, len(head) + shape[0] * shape[1] * first.itemsize)
        with half.open("r+b") as file:
            file.write(head)
            for strip in chain([first], rows):
                file.write(strip.data)
            file.flush()
            os.fsync(file.fileno())
        half.rename(self.matrix_path(task, name))

    def load_matrix(self, task: bytes, name: str) -> NDArray[Any]:
        """Straight from the file: it is read as it is used, and takes no memory of ours. Raises DataCorrupt."""
        path = self.matrix_path(task, name)
        try:
            return self._map(path, lambda: np.load(path, mmap_mode="r", allow_pickle=False))
        except (OSError, ValueError, EOFError) as failed:
            raise DataCorrupt("a matrix is gone, or not whole", task=task.hex(), matrix=name) from failed

    def begin_sums(self, task: bytes, sub_task: int, layout: Layout) -> None:
        """Room for a sub-task's sums, none of which is here."""
        self._spare.take(self._sums(task, sub_task), layout.runs * layout.basic**2 * 4)

    def save_sum(self, task: bytes, sub_task: int, run: int, total: Int32) -> None:
        """On the disk when this returns. Raises DataCorrupt when the file that :meth:`begin_sums` made is gone."""
        try:
            with self._lock, self._sums(task, sub_task).open("r+b") as file:
                file.seek(run * total.nbytes)
                file.write(total.data)
                file.flush()
                os.fdatasync(file.fileno())
        except FileNotFoundError as gone:
            raise DataCorrupt("sums that were verified are gone", task=task.hex(), sub_task=sub_task) from gone

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
        """An array straight from its file, which is not written over while anything is left of the array."""
        with self._lock:
            mapped = read()
            pages: object = mapped.base
            if isinstance(pages, mmap.mmap):
                self._maps.setdefault(path, WeakSet()).add(pages)
        return np.asarray(mapped)

    def _drop(self, path: Path) -> None:
        """Nobody asks for this file any more; who reads it still may go on."""
        with self._lock:
            if self._maps.pop(path, None):
                path.unlink()
            else:
                self._spare.give(path)
