"""Verification of results (section III.B): a random element, and Freivalds' check to an error of 2^-40.

Freivalds here is the bilinear form s'(C r) = (s'A)(B r) for four independent pairs (s, r) with entries from 2^11
values. A wrong C passes one pair with probability at most 2/2^11 (a non-zero polynomial of degree two over a field,
Schwartz-Zippel), all four with (2^-10)^4 = 2^-40. The projections s'A and B r are kept for every block of a sub-task:
a block takes part in many products and is projected once. The arithmetic is exact: C r in float64 stays below
2^31 * 2^10 * 2^10 = 2^51, the rest is modulo the prime 2^32 - 5, which is more than twice any cell, so that a
wrong cell is never a multiple of it. The vectors are the verifier's secret, and unknown to the miner until it has shown
the whole result: the hash of a product does not bind it (docs/decisions/0020).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoneshare_protocols.epow.exact import Int8, Int32, Int64
from zoneshare_protocols.epow.hashing import stream
from zoneshare_protocols.epow.layout import Nsub, Run
from zoneshare_protocols.epow.operands import SubTask
from zoneshare_protocols.errors import Malformed

PAIRS = 4
ENTRY_BITS = 11
ERROR_BITS = PAIRS * (ENTRY_BITS - 1)
"""A wrong result passes with probability at most 2^-ERROR_BITS."""
PRIME = 2**32 - 5
_STRIP = 250

Float64 = NDArray[np.float64]


def random_element(left: Int8, right: Int8, claimed: NDArray[Any], row: int, column: int) -> bool:
    """The paper's check: one cell, chosen at random by the caller, calculated anew.

    It catches a result that is wrong everywhere; one wrong cell of b x b passes with probability 1 - 1/b^2, and so
    does all that its miner may still choose when it knows which cell it will be.
    """
    true = left[row].astype(np.int64) @ right[:, column].astype(np.int64)
    return bool(claimed[row, column] == true)


class Projections:
    """The secret vectors of one verifier for one basic size, and what they make of blocks and results."""

    def __init__(self, basic: int, seed: bytes) -> None:
        """``seed``: 32 random bytes, the verifier's secret. Raises Malformed."""
        if len(seed) != 32:
            raise Malformed("a seed has 32 bytes", length=len(seed))
        raw = np.frombuffer(stream(seed, "zoneshare/epow-freivalds/1", b"", 4 * PAIRS * basic), dtype="<u2")
        entries = (raw & (2**ENTRY_BITS - 1)).astype(np.int64) - 2 ** (ENTRY_BITS - 1)
        self._basic = basic
        self._s = entries[: PAIRS * basic].reshape(PAIRS, basic)
        self._left = self._s.astype(np.float64)
        self._right = np.ascontiguousarray(entries[PAIRS * basic :].reshape(PAIRS, basic).T, dtype=np.float64)
        self._strip: Float64 = np.empty((min(basic, _STRIP), basic))

    def of_left(self, block: Int8) -> Int64:
        """s'A for each pair (PAIRS x b); at most 2^27 in magnitude."""
        added = np.zeros((PAIRS, self._basic))
        for rows, strip in self._strips(block):
            added += self._left[:, rows] @ strip
        return added.astype(np.int64)

    def of_right(self, block: Int8) -> Int64:
        """B r for each pair, as rows (PAIRS x b)."""
        return self._times_right(block)

    def of_result(self, claimed: Int32) -> Int64:
        """s'(C r) modulo PRIME for each pair. Raises Malformed for another shape or cell type than b x b int32."""
        if claimed.shape != (self._basic, self._basic) or claimed.dtype != np.int32:
            raise Malformed("a result is b x b int32", shape=str(claimed.shape), dtype=str(claimed.dtype))
        right = self._times_right(claimed) % PRIME
        folded: Int64 = (self._s * right).sum(axis=1) % PRIME
        return folded

    def meet(self, left: Int64, right: Int64) -> Int64:
        """(s'A)(B r) modulo PRIME for each pair, summed over the blocks along the first axis (n x PAIRS x b)."""
        # In steps of 256 cells a sum of products of 2^27 and 2^27 stays below 2^63.
        sums = np.add.reduceat(left * right, np.arange(0, self._basic, 256), axis=2) % PRIME
        folded: Int64 = sums.sum(axis=(0, 2)) % PRIME
        return folded

    def _times_right(self, block: Int8 | Int32) -> Int64:
        product = np.empty((self._basic, PAIRS))
        for rows, strip in self._strips(block):
            np.matmul(strip, self._right, out=product[rows])
        return np.ascontiguousarray(product.T.astype(np.int64))

    def _strips(self, block: Int8 | Int32) -> Iterator[tuple[slice, Float64]]:
        """The block widened to float64, as many rows at a time as stay in the processor's cache."""
        for start in range(0, self._basic, _STRIP):
            strip = self._strip[: self._basic - start]
            np.copyto(strip, block[start : start + _STRIP])
            yield slice(start, start + len(strip)), strip


def freivalds(left: Int8, right: Int8, claimed: Int32, seed: bytes) -> bool:
    """Whether ``claimed`` is left x right, wrong with probability at most 2^-40: one product by itself.

    For a verifier that has the two blocks and no more: another miner, or a peer that checks a revealed result.
    """
    with_ = Projections(len(left), seed)
    true = with_.meet(with_.of_left(left)[np.newaxis], with_.of_right(right)[np.newaxis])
    return bool(np.array_equal(with_.of_result(claimed), true))


class Freivalds:
    """Checks sums of runs, or single nsub-results, of one sub-task, and keeps its blocks' projections.

    They take 8 * PAIRS * b bytes a block; :meth:`forget_row` drops those of a row of left blocks.
    """

    def __init__(self, task: SubTask, seed: bytes) -> None:
        """``seed``: 32 random bytes, the verifier's secret, a fresh one for every sub-task. Raises Malformed."""
        self._task = task
        self._with = Projections(task.layout.basic, seed)
        self._left: dict[tuple[int, int], Int64] = {}
        self._right: dict[tuple[int, int], Int64] = {}

    def check_run(self, run: Run, claimed: Int32) -> bool:
        """Whether ``claimed`` is the sum of the run's products. Raises Malformed for another shape or type."""
        return self._check(run, run.count, claimed)

    def check_nsub(self, nsub: int, claimed: Int32) -> bool:
        """Whether ``claimed`` is this nsub-task's product. Raises NotFound, Malformed."""
        return self._check(self._task.layout.nsub(nsub), 1, claimed)

    def forget_row(self, row: int) -> None:
        """Drop what is kept of a row of left blocks, when no more of its runs will come."""
        self._left = {key: value for key, value in self._left.items() if key[0] != row}

    def _check(self, at: Run | Nsub, count: int, claimed: Int32) -> bool:
        shown = self._with.of_result(claimed)
        along = slice(at.inner, at.inner + count)
        true = self._with.meet(self._row(at.row, at.left_limb)[along], self._column(at.column, at.right_limb)[along])
        return bool(np.array_equal(shown, true))

    def _row(self, row: int, limb: int) -> Int64:
        if (row, limb) not in self._left:
            inner = range(self._task.layout.inner_blocks)
            blocks = (self._with.of_left(self._task.left(row, k, limb)) for k in inner)
            self._left[row, limb] = np.stack(list(blocks))
        return self._left[row, limb]

    def _column(self, column: int, limb: int) -> Int64:
        if (column, limb) not in self._right:
            inner = range(self._task.layout.inner_blocks)
            blocks = (self._with.of_right(self._task.right(k, column, limb)) for k in inner)
            self._right[column, limb] = np.stack(list(blocks))
        return self._right[column, limb]
