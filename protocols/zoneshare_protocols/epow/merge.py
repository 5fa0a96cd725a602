"""Merging runs' sums into a sub-task's result, and sub-tasks into a task (sections II.B, III.A)."""

import numpy as np

from zoneshare_protocols.epow.exact import Int32, Int64
from zoneshare_protocols.epow.layout import Layout
from zoneshare_protocols.errors import AlreadyExists, Malformed, WrongPhase


class Merger:
    """Adds up the sums of all runs, each once.

    With one run for each result block the sums are the result, in int32. Else limb products are shifted and added
    modulo 2^64; the result fits 64 bits (:func:`product_bound` saw to it), so what wraps on the way unwraps.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._single = layout.left_limbs * layout.right_limbs * layout.segments == 1
        shape = (layout.rows, layout.columns)
        self._result: Int32 | Int64 = np.empty(shape, np.int32) if self._single else np.zeros(shape, np.int64)
        self._seen = bytearray(layout.runs)
        self.missing = layout.runs

    def add(self, run: int, partial: Int32) -> None:
        """Raises NotFound, AlreadyExists for a run that is merged already, Malformed for another shape or type."""
        at = self._layout.run(run)
        b = self._layout.basic
        if partial.shape != (b, b) or partial.dtype != np.int32:
            raise Malformed("a run's sum is b x b int32", shape=str(partial.shape), dtype=str(partial.dtype))
        if self._seen[run]:
            raise AlreadyExists("the run is merged already", run=run)
        place = self._result[at.row * b : (at.row + 1) * b, at.column * b : (at.column + 1) * b]
        real = partial[: place.shape[0], : place.shape[1]]
        if self._single:
            np.copyto(place, real)
        else:
            place += real.astype(np.int64) << (8 * (at.left_limb + at.right_limb))
        self._seen[run] = 1
        self.missing -= 1

    def merged(self, run: int) -> bool:
        """Whether the run is in already. Raises NotFound."""
        return bool(self._seen[self._layout.run(run).index])

    def result(self) -> Int32 | Int64:
        """The sub-task's exact result. Raises WrongPhase while runs are missing."""
        if self.missing:
            raise WrongPhase("the sub-task is not complete", missing=self.missing)
        return self._result
