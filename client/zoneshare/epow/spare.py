"""Files of tasks that are over, written over by the next ones: their room on the disk and in the page cache is there.

What is in them is anything. PostgreSQL treats the segments of its log so: a page that the system has at hand is written
for a fraction of what a fresh one costs, most of all on virtual machines, whose host has to find it first.
"""

import os
import threading
from pathlib import Path

LEAST = 1 << 20
"""Smaller files are not worth it."""


class Spare:
    """In ``folder``, up to ``limit`` bytes: over it, the oldest are deleted."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = folder, limit
        self._lock = threading.Lock()
        found = sorted(int(path.name) for path in folder.glob("*") if path.name.isdigit())
        self._sizes = {folder / str(number): (folder / str(number)).stat().st_size for number in found}
        self._next = 1 + max(found, default=0)
        self._shrink()

    def take(self, path: Path, size: int) -> None:
        """Have a file of ``size`` bytes at ``path``, where there may be one: of those at hand, the nearest in size.

        None that is more than twice as large is cut for it.
        """
        with self._lock:
            near = [each for each, its in self._sizes.items() if its <= 2 * size] if size >= LEAST else []
            if near:
                best = min(near, key=lambda each: abs(self._sizes[each] - size))
                del self._sizes[best]
                best.rename(path)
        path.touch()
        os.truncate(path, size)

    def give(self, path: Path) -> None:
        """The file at ``path`` is not needed any more, and nobody has it open."""
        size = path.stat().st_size
        if size < LEAST or size > self._limit:
            path.unlink()
            return
        with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True)
            kept = self._folder / str(self._next)
            self._next += 1
            path.rename(kept)
            self._sizes[kept] = size
            self._shrink()

    def _shrink(self) -> None:
        over = sum(self._sizes.values()) - self._limit
        for path in list(self._sizes):
            if over <= 0:
                return
            over -= self._sizes.pop(path)
            path.unlink()
