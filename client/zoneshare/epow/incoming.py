"""A task's matrix on its way from the source to the coordinator's disk: it is never in memory as a whole."""

import io
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.lib import format as npy

from zoneshare.epow.matrices import Expected
from zoneshare.epow.messages import Piece
from zoneshare.epow.spare import Spare
from zoneshare_protocols.epow.exact import as_integers, limb_count
from zoneshare_protocols.epow.hashing import matrix_hasher
from zoneshare_protocols.epow.records import MatrixInfo
from zoneshare_protocols.errors import DataCorrupt

HALF = ".half-"
"""How the names of files begin that are not complete."""


def matrix_head(kind: np.dtype[Any], shape: tuple[int, int]) -> bytes:
    """The head of a .npy file whose cells follow."""
    head = io.BytesIO()
    npy.write_array_header_1_0(head, {"descr": npy.dtype_to_descr(kind), "fortran_order": False, "shape": shape})
    return head.getvalue()


def sync(folder: Path) -> None:
    """Have the names of its files on the disk."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


class Incoming:
    """Use as a context; what is not finished at its end is gone. :meth:`add` and :meth:`finish` block."""

    def __init__(self, folder: Path, info: MatrixInfo, spare: Spare) -> None:
        self._folder, self._info, self._spare = folder, info, spare
        self._kind = np.dtype("<i1" if info.limbs == 1 else "<i8")
        self._shape = info.rows, info.columns
        self._size = info.rows * info.columns * self._kind.itemsize
        self._expected = Expected(info.hash, self._size)
        self._hasher = matrix_hasher(self._kind.name, self._shape)
        self._half = Path()
        self._file: IO[bytes] | None = None
        self._halves: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
        for half in self._halves:
            half.unlink(missing_ok=True)

    @property
    def complete(self) -> bool:
        return self._expected.complete

    def add(self, piece: Piece) -> None:
        """Raises Malformed for another matrix's piece, one out of order, or more than was announced."""
        self._expected.take(piece)
        if self._file is None:
            self._file = self._begin()
        self._hasher.update(piece.cells)
        self._file.write(piece.cells)

    def finish(self, names: Sequence[Path]) -> None:
        """Have it on the disk under these names, complete. Raises DataCorrupt when it is not the one that was named."""
        if self._file is None or not self.complete:
            raise DataCorrupt("the matrix is not complete", matrix=self._info.hash.hex())
        self._file.flush()
        os.fsync(self._file.fileno())
        matrix = np.load(self._half, mmap_mode="r", allow_pickle=False)
        if self._hasher.digest() != self._info.hash or limb_count(as_integers(matrix)) != self._info.limbs:
            raise DataCorrupt("the matrix is not the one the task names", matrix=self._info.hash.hex())
        first, *others = names
        for other in others:
            copy = self._half.with_name(f"{self._half.name}-{other.name}")
            self._halves.append(copy)
            shutil.copyfile(self._half, copy)
            with copy.open("rb") as copied:
                os.fsync(copied.fileno())
            copy.rename(other)
        self._half.rename(first)
        sync(self._folder)

    def _begin(self) -> IO[bytes]:
        self._folder.mkdir(parents=True, exist_ok=True)
        sync(self._folder.parent)
        # A name of its own: a source whose connection broke may bring the same matrix before the old one is noticed.
        handle, name = tempfile.mkstemp(".npy", HALF, self._folder)
        os.close(handle)
        self._half = Path(name)
        self._halves.append(self._half)
        head = matrix_head(self._kind, self._shape)
        self._spare.take(self._half, len(head) + self._size)
        file = self._half.open("r+b")
        file.write(head)
        return file
