"""A miner's computing, with buffers that are kept: the products of a run, and task-free loops.

The same values as :func:`multiply` and :func:`free_header`, in less time; a test holds them together.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from zoneshare_protocols.epow.draw import free_left, free_right
from zoneshare_protocols.epow.exact import Int8, Int32
from zoneshare_protocols.epow.hashing import fingerprint, fingerprint_hash, matrix_bytes, product_hash
from zoneshare_protocols.epow.records import BlockHeader, FreeLoop

Float32 = NDArray[np.float32]
Block = Int8 | Float32
Matmul = Callable[..., object]

_PAGE = 2 << 20
"""Bytes of a large page (Linux on x86-64); numpy asks for them from twice that on. Elsewhere this is just memory."""
_AT_ONCE = 2 << 20
"""Cells of results whose draws are made at once: some 20 ms."""


class RunWork(NamedTuple):
    """A run done: each nsub-result's hash in order, and their sum (a copy)."""

    hashes: tuple[bytes, ...]
    total: Int32


class Worker:
    """Products of one basic size. Not for several threads at once."""

    def __init__(self, basic: int, matmul: Matmul = np.matmul) -> None:
        """``matmul(left, right, out=...)``: numpy's, or one that also takes the time."""
        self._matmul = matmul
        self._left, self._right, self._product, self._free_right = large(4, basic, np.float32)
        self._floats = self._product.reshape(-1)
        self._integers: Int32 = self._floats.view("<i4")
        self._result: Int32 = self._integers.reshape(basic, basic)
        self._total: Int32 = large(1, basic, "<i4")[0]
        self._cells = matrix_bytes(self._result)
        self._at_once = max(1, _AT_ONCE // (basic * basic))
        self._free_for: tuple[bytes, str] | None = None

    def multiply(self, left: Block, right: Block) -> Int32:
        """The product of two int8 blocks (or their float32 form), in a buffer that the next product overwrites."""
        return self._times(_widened(left, self._left), _widened(right, self._right))

    def run(self, blocks: Iterable[tuple[Block, Block]], drawn: Callable[[int, list[bytes]], None]) -> RunWork:
        """Do a run. ``drawn(position, hashes)`` gets the results' hashes from that position on, some at once:

        a product leaves the processor's caches cold for all else, so that what is done once for several costs less.
        """
        hashes: list[bytes] = []
        fingerprints: list[bytes] = []
        self._total[:] = 0
        for left, right in blocks:
            self.multiply(left, right)
            fingerprints.append(fingerprint(self._cells))
            self._total += self._result
            if len(fingerprints) == self._at_once:
                self._tell(fingerprints, hashes, drawn)
        self._tell(fingerprints, hashes, drawn)
        return RunWork(tuple(hashes), self._total.copy())

    def free(self, height: int, previous: bytes, miner: str, nonce: int) -> BlockHeader:
        """Task-free loop number ``nonce``: the header whose draw it makes. ``height``: the tip's + 1."""
        basic = len(self._left)
        if self._free_for != (previous, miner):
            np.copyto(self._free_right, free_right(previous, miner, basic))
            self._free_for = (previous, miner)
        np.copyto(self._left, free_left(previous, miner, nonce, basic))
        self._times(self._left, self._free_right)
        return BlockHeader(height, previous, miner, nonce, FreeLoop(product_hash(self._result)))

    def _times(self, left: Float32, right: Float32) -> Int32:
        self._matmul(left, right, out=self._product)
        # Cell by cell in its own place: a second buffer would have to come through the caches as well. Flat, since
        # numpy copies arrays that overlap in more dimensions. To the next product, which only writes, this leaves NaNs.
        np.copyto(self._integers, self._floats, casting="unsafe")
        return self._result

    def _tell(self, fingerprints: list[bytes], hashes: list[bytes], drawn: Callable[[int, list[bytes]], None]) -> None:
        """Tell of the results that have come since the last time: their hashes go to the others."""
        if fingerprints:
            new = [fingerprint_hash(len(self._left), one) for one in fingerprints]
            fingerprints.clear()
            hashes += new
            drawn(len(hashes) - len(new), new)


def large(count: int, basic: int, kind: DTypeLike) -> NDArray[Any]:
    """``count`` b x b arrays of one piece, in memory that is there, placed so that all of it can lie in large pages."""
    size = count * basic * basic * np.dtype(kind).itemsize
    room = np.empty((-(-size // _PAGE) + 1) * _PAGE, np.uint8)
    first = -room.ctypes.data % _PAGE
    part = room[first : first + size]
    part.fill(1)
    return part.view(kind).reshape(count, basic, basic)


def _widened(block: Block, into: Float32) -> Float32:
    if block.itemsize == into.itemsize:
        return cast(Float32, block)
    np.copyto(into, block)
    return into
