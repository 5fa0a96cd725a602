"""Matrices on the wire: their cells in pieces, as compact as their values allow."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoneshare.epow.messages import PIECE, Merged, Piece
from zoneshare_protocols.epow.exact import Int8, Int64
from zoneshare_protocols.epow.hashing import matrix_bytes, result_hash
from zoneshare_protocols.errors import DataCorrupt, Malformed


class Expected:
    """Which piece of a matrix comes next. ``size``: bytes of the whole."""

    def __init__(self, hash: bytes, size: int) -> None:
        self._hash, self._size = hash, size
        self._here = 0

    @property
    def complete(self) -> bool:
        return self._here == self._size

    def take(self, piece: Piece) -> slice:
        """Where its cells belong. Raises Malformed for another matrix's piece, one out of order, or too long a one."""
        fits = piece.total == self._size and piece.offset == self._here and piece.cells
        after = piece.offset + len(piece.cells)
        if piece.hash != self._hash or not fits or after > self._size:
            raise Malformed("not the next piece of the matrix", offset=piece.offset, expected=self._here)
        place, self._here = slice(self._here, after), after
        return place


class Buffer:
    """Puts pieces together, in order."""

    def __init__(self, hash: bytes, size: int) -> None:
        self._expected, self._size = Expected(hash, size), size
        self._cells: bytearray | memoryview = bytearray()

    @property
    def complete(self) -> bool:
        return self._expected.complete

    def add(self, piece: Piece) -> None:
        """Raises Malformed as :meth:`Expected.take`."""
        place = self._expected.take(piece)
        if self.complete and place.start == 0:
            self._cells = piece.cells
            return
        if not self._cells:
            self._cells = bytearray(self._size)
        self._cells[place] = piece.cells

    def cells(self, kind: str) -> NDArray[Any]:
        return np.frombuffer(self._cells, kind)


def matrix_pieces(hash: bytes, matrix: Int8 | Int64) -> Iterator[Piece]:
    """A checked matrix's cells in pieces of a MiB, under its hash."""
    cells = matrix_bytes(matrix)
    return _pieces(hash, cells, 0, len(cells))


def cell_width(strips: Iterable[NDArray[Any]]) -> int:
    """Bytes a cell of a result that comes some rows at a time: 4 where all values fit, else 8."""
    small = np.iinfo(np.int32)
    for strip in strips:
        if strip.dtype == np.int32:
            return 4
        if strip.min() < small.min or strip.max() > small.max:
            return 8
    return 4


def result_pieces(merged: Merged, strips: Iterable[NDArray[Any]]) -> Iterator[Piece]:
    """A result's cells in pieces of a MiB at the most; ``strips``: its rows, some at a time."""
    total, offset = merged.rows * merged.columns * merged.cells, 0
    rows = max(1, PIECE // (merged.columns * merged.cells))
    for strip in strips:
        for start in range(0, len(strip), rows):
            cells = matrix_bytes(strip[start : start + rows].astype(f"<i{merged.cells}", copy=False))
            yield from _pieces(merged.hash, cells, offset, total)
            offset += len(cells)


def result_of(merged: Merged, buffer: Buffer) -> Int64:
    """The merged result. Raises DataCorrupt when it has another hash."""
    result: Int64 = buffer.cells(f"<i{merged.cells}").reshape(merged.rows, merged.columns).astype(np.int64)
    if result_hash(result) != merged.hash:
        raise DataCorrupt("the result is not the one that was announced")
    return result


def _pieces(hash: bytes, cells: memoryview, first: int, total: int) -> Iterator[Piece]:
    """``cells``: some of the matrix's, from byte ``first`` of ``total``."""
    for offset in range(0, len(cells), PIECE):
        yield Piece(hash, first + offset, total, cells[offset : offset + PIECE])
