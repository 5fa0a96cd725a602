"""A miner's computing, with buffers that are kept: the products of a run, and task-free loops.

The same values as :func:`multiply` and :func:`free_header`, in less time; a test holds them together.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoneshare_protocols.epow.draw import free_left, free_right
from zoneshare_protocols.epow.exact import Int8, Int32
from zoneshare_protocols.epow.hashing import matrix_hash
from zoneshare_protocols.epow.records import BlockHeader, FreeLoop

Float32 = NDArray[np.float32]
Block = Int8 | Float32
Matmul = Callable[..., object]


class RunWork(NamedTuple):
    """A run done: each nsub-result's hash in order, and their sum (a copy)."""

    hashes: tuple[bytes, ...]
    total: Int32


class Worker:
    """Products of one basic size. Not for several threads at once."""

    def __init__(self, basic: int, matmul: Matmul = np.matmul) -> None:
        """``matmul(left, right, out=...)``: numpy's, or one that also takes the time."""
        self._matmul = matmul
        self._left = np.empty((basic, basic), np.float32)
        self._right = np.empty((basic, basic), np.float32)
        self._product = np.empty((basic, basic), np.float32)
        self._result: Int32 = np.empty((basic, basic), np.int32)
        self._free_right = np.empty((basic, basic), np.float32)
        self._free_for: tuple[bytes, str] | None = None

    def multiply(self, left: Block, right: Block) -> Int32:
        """The product of two int8 blocks (or their float32 form), in a buffer that the next product overwrites."""
        return self._times(_widened(left, self._left), _widened(right, self._right))

    def run(self, blocks: Iterable[tuple[Block, Block]], drawn: Callable[[int, bytes, Int32], None]) -> RunWork:
        """Do a run. ``drawn(position, hash, result)`` is called after each product, while its result is in the buffer:

        there the miner makes its draw, and copies a result that won.
        """
        hashes: list[bytes] = []
        total: Int32 = np.zeros(self._result.shape, np.int32)
        for position, (left, right) in enumerate(blocks):
            result = self.multiply(left, right)
            hashes.append(matrix_hash(result))
            drawn(position, hashes[-1], result)
            total += result
        return RunWork(tuple(hashes), total)

    def free(self, height: int, previous: bytes, miner: str, nonce: int) -> BlockHeader:
        """Task-free loop number ``nonce``: the header whose draw it makes. ``height``: the tip's + 1."""
        basic = len(self._left)
        if self._free_for != (previous, miner):
            np.copyto(self._free_right, free_right(previous, miner, basic))
            self._free_for = (previous, miner)
        np.copyto(self._left, free_left(previous, miner, nonce, basic))
        result = self._times(self._left, self._free_right)
        return BlockHeader(height, previous, miner, nonce, FreeLoop(matrix_hash(result)))

    def _times(self, left: Float32, right: Float32) -> Int32:
        self._matmul(left, right, out=self._product)
        np.copyto(self._result, self._product, casting="unsafe")
        return self._result


def _widened(block: Block, into: Float32) -> Float32:
    if block.dtype == np.float32:
        return block.astype(np.float32, copy=False)
    np.copyto(into, block)
    return into
