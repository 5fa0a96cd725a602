"""A task's matrix on its way from the source to the coordinator's disk: it is never in memory as a whole."""

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

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


class Incoming:
    """Use as a context; what is not finished at its end is gone. All methods block."""

    def __init__(self, folder: Path, info: MatrixInfo, spare: Spare) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._info = info
        kind = np.dtype("<i1" if info.limbs == 1 else "<i8")
        shape = info.rows, info.columns
        size = info.rows * info.columns * kind.itemsize
        self._expected = Expected(info.hash, size)
        self._hasher = matrix_hasher(kind.name, shape)
        # A name of its own: a source whose connection broke may bring the same matrix before the old one is noticed.
        handle, name = tempfile.mkstemp(".npy", HALF, folder)
        os.close(handle)
        self._half = Path(name)
        head = matrix_head(kind, shape)
        spare.take(self._half, len(head) + size)
        self._file = self._half.open("r+b")
        self._file.write(head)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        with contextlib.suppress(FileNotFoundError):
            self._half.unlink()

    @property
    def complete(self) -> bool:
        return self._expected.complete

    def add(self, piece: Piece) -> None:
        """Raises Malformed for another matrix's piece, one out of order, or more than was announced."""
        self._expected.take(piece)
        self._hasher.update(piece.cells)
        self._file.write(piece.cells)

    def finish(self, names: Sequence[Path]) -> None:
        """Have it on the disk under these names, complete. Raises DataCorrupt when it is not the one that was named."""
        self._file.flush()
        os.fsync(self._file.fileno())
        matrix = np.load(self._half, mmap_mode="r", allow_pickle=False)
        if self._hasher.digest() != self._info.hash or limb_count(as_integers(matrix)) != self._info.limbs:
            raise DataCorrupt("the matrix is not the one the task names", matrix=self._info.hash.hex())
        first, *others = names
        for other in others:
            shutil.copyfile(self._half, other)
            with other.open("rb") as copied:
                os.fsync(copied.fileno())
        self._half.rename(first)
