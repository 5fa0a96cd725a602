"""Merging runs' sums into a sub-task's result, and sub-tasks into a task (sections II.B, III.A)."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoneshare_protocols.epow.exact import Int32, Int64
from zoneshare_protocols.epow.layout import Layout
from zoneshare_protocols.errors import AlreadyExists, Malformed, WrongPhase

_STRIP = 1 << 18
"""Cells of a result that are put together at once."""


class Merger:
    """Which of a sub-task's runs are in, and the result that their sums make."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._seen = bytearray(layout.runs)
        self.missing = layout.runs

    def add(self, run: int) -> None:
        """Its sum is verified and kept. Raises NotFound, AlreadyExists for a run that is in already."""
        if self.merged(run):
            raise AlreadyExists("the run is merged already", run=run)
        self._seen[run] = 1
        self.missing -= 1

    def merged(self, run: int) -> bool:
        """Whether the run is in already. Raises NotFound."""
        return bool(self._seen[self._layout.run(run).index])

    def strips(self, sums: NDArray[np.int32]) -> Iterator[Int32 | Int64]:
        """The sub-task's exact result, some of its rows at a time; ``sums`` (runs x b x b) as :func:`strips`.

        Raises WrongPhase while runs are missing.
        """
        if self.missing:
            raise WrongPhase("the sub-task is not complete", missing=self.missing)
        return strips(self._layout, sums)


def strips(layout: Layout, sums: NDArray[np.int32]) -> Iterator[Int32 | Int64]:
    """A sub-task's exact result from the sums (runs x b x b) of all its runs, some of its rows at a time.

    With one run for each result block they are the result, in int32. Else limb products are shifted and added modulo
    2^64; the result fits 64 bits (:func:`product_bound` saw to it), so what wraps on the way unwraps. Raises Malformed
    for sums of another shape or cell type.
    """
    b = layout.basic
    if sums.shape != (layout.runs, b, b) or sums.dtype != np.int32:
        raise Malformed("a run's sum is b x b int32", shape=str(sums.shape), dtype=str(sums.dtype))
    height = max(1, _STRIP // layout.columns)
    for row in range(layout.row_blocks):
        real = min(b, layout.rows - row * b)
        for top in range(0, real, height):
            yield _strip(layout, sums, row, slice(top, min(top + height, real)))


def _strip(layout: Layout, sums: NDArray[Any], row: int, rows: slice) -> Int32 | Int64:
    """Some rows of one row of result blocks."""
    b, each = layout.basic, layout.runs // (layout.row_blocks * layout.column_blocks)
    shape = rows.stop - rows.start, layout.columns
    result: Int32 | Int64 = np.empty(shape, np.int32) if layout.single else np.zeros(shape, np.int64)
    first = row * layout.column_blocks * each
    for index in range(first, first + layout.column_blocks * each):
        at = layout.run(index)
        place = result[:, at.column * b : (at.column + 1) * b]
        part = sums[index, rows, : place.shape[1]]
        if layout.single:
            np.copyto(place, part)
        else:
            place += part.astype(np.int64) << (8 * (at.left_limb + at.right_limb))
    return result
