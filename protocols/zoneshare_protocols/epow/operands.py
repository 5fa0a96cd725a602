"""A sub-task's two matrices, expanded and partitioned (section III.A, Fig. 2), block by block as they are asked for.

The paper lets the expanded areas be random as long as area 1 (columns added to the first matrix) times area 2 (rows
added to the second) is zero, and does not say how. Here the added columns come in equal pairs (u, u) and the added rows
in opposite pairs (v, -v), so each pair adds u*v - u*v = 0; with an odd number the last added column is random and
its row is zero. Everything else that is added is random. All of it follows from a seed, so blocks can be made again.
"""

from typing import Any, Literal

from numpy.typing import NDArray

from zoneshare_protocols.epow.exact import Int8, Int64, as_integers, check_product, limb, limb_count
from zoneshare_protocols.epow.hashing import random_int8
from zoneshare_protocols.epow.layout import Layout, Run
from zoneshare_protocols.errors import Malformed


class Operand:
    """One of the two matrices of a sub-task. ``seed``: 32 random bytes, a fresh one for every sub-task."""

    def __init__(self, matrix: Int8 | Int64, side: Literal["left", "right"], basic: int, seed: bytes) -> None:
        if len(seed) != 32:
            raise Malformed("a seed has 32 bytes", length=len(seed))
        self._matrix = matrix
        self._side = side
        self._basic = basic
        self._seed = seed

    def block(self, row: int, column: int, limb_index: int = 0) -> Int8:
        """The b x b block at (row, column) of the expanded matrix, in this limb: not to be written to."""
        b = self._basic
        part = self._matrix[row * b : (row + 1) * b, column * b : (column + 1) * b]
        real = limb(part, limb_index)
        if real.shape == (b, b):
            return real
        filled = self._border(row, column, limb_index, real.shape)
        filled[: real.shape[0], : real.shape[1]] = real
        return filled

    def _border(self, row: int, column: int, limb_index: int, shape: tuple[int, ...]) -> Int8:
        label = f"{self._side}/{row}/{column}/{limb_index}".encode()
        filled = random_int8(self._seed, label, self._basic, self._basic)
        if self._side == "left":
            added = filled[:, shape[1] :]
            added[:, 1::2] = added[:, : added.shape[1] // 2 * 2 : 2]
        else:
            added = filled[shape[0] :]
            added[1::2] = -added[: len(added) // 2 * 2 : 2]
            if len(added) % 2:
                added[-1] = 0
        return filled


class SubTask:
    """The product of two matrices, ready to be handed out in nsub-tasks."""

    def __init__(self, left: NDArray[Any], right: NDArray[Any], basic: int, seed: bytes) -> None:
        """Raises Malformed (values, shapes, seed) and LimitExceeded (size, or results that may outgrow 64 bits)."""
        a, b = as_integers(left), as_integers(right)
        check_product(a, b)
        self.layout = Layout(a.shape[0], a.shape[1], b.shape[1], basic, limb_count(a), limb_count(b))
        self._left = Operand(a, "left", basic, seed)
        self._right = Operand(b, "right", basic, seed)

    def left(self, row: int, inner: int, limb_index: int = 0) -> Int8:
        return self._left.block(row, inner, limb_index)

    def right(self, inner: int, column: int, limb_index: int = 0) -> Int8:
        return self._right.block(inner, column, limb_index)

    def blocks(self, nsub: int) -> tuple[Int8, Int8]:
        """The two blocks of an nsub-task. Raises NotFound."""
        at = self.layout.nsub(nsub)
        return self.left(at.row, at.inner, at.left_limb), self.right(at.inner, at.column, at.right_limb)

    def run_blocks(self, run: Run) -> list[tuple[Int8, Int8]]:
        """The blocks of each nsub-task of a run, in order."""
        return [self.blocks(index) for index in range(run.first, run.first + run.count)]
