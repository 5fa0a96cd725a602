"""Files of tasks that are over, written over by the next ones: their room on the disk and in the page cache is there.

What is in them is anything. PostgreSQL treats the segments of its log so: a page that the system has at hand is written
for a fraction of what a fresh one costs, most of all on virtual machines, whose host has to find it first.
"""

import os
import shutil
import threading
from pathlib import Path

LEAST = 1 << 20
"""Smaller files are not worth it."""


class Spare:
    """In ``folder``, up to ``limit`` bytes: over it, or when the disk is full, the oldest are deleted.

    Who deletes files there by hand, or has the folder on another disk, loses nothing but time.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = folder, limit
        self._lock = threading.Lock()
        found = [path for path in folder.glob("*") if path.name.isdecimal() and path.is_file()]
        found.sort(key=lambda path: int(path.name))
        self._sizes = {path: _size(path) for path in found}
        self._next = 1 + max((int(path.name) for path in found), default=0)
        self._shrink()

    def take(self, path: Path, size: int) -> None:
        """Have a file of ``size`` bytes at ``path``, instead of what is there: of those at hand, the nearest in size.

        None that is more than twice as large is cut for it.
        """
        path.unlink(missing_ok=True)
        with self._lock:
            near = [each for each, its in self._sizes.items() if its <= 2 * size] if size >= LEAST else []
            best = min(near, key=lambda each: abs(self._sizes[each] - size), default=None)
            taken = 0 if best is None else self._sizes.pop(best)
            if best is not None and not _moved(best, path):
                taken = 0
            while self._sizes and shutil.disk_usage(path.parent).free < size - taken:
                self._delete(next(iter(self._sizes)))
        path.touch(0o600)
        os.truncate(path, size)

    def give(self, path: Path) -> None:
        """The file at ``path`` is not needed any more, and nobody reads it or writes it."""
        size = _size(path)
        with self._lock:
            kept = self._folder / str(self._next)
            if LEAST <= size <= self._limit:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._next += 1
                if _moved(path, kept):
                    self._sizes[kept] = size
                    self._shrink()
                    return
        path.unlink()

    def _shrink(self) -> None:
        while sum(self._sizes.values()) > self._limit:
            self._delete(next(iter(self._sizes)))

    def _delete(self, path: Path) -> None:
        del self._sizes[path]
        path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    """Without what was never written."""
    found = path.stat()
    return min(found.st_size, found.st_blocks * 512)


def _moved(path: Path, to: Path) -> bool:
    try:
        path.rename(to)
    except OSError:
        return False
    return True
