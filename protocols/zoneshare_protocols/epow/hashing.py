"""Hashes of matrices and of what is made of them: the same on every machine."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray
from xxhash import xxh3_128_digest

from zoneshare_protocols.epow.exact import Int8, Int32
from zoneshare_protocols.errors import Malformed

NSUB = "zoneshare/epow-nsub/1"
_AT_ONCE = 1 << 15
"""Cells that are widened at once: they stay in the processor's cache."""
_TYPES = {np.dtype(f"<i{width}"): f"int{8 * width}" for width in (1, 4, 8)}


def matrix_bytes(matrix: NDArray[Any]) -> memoryview:
    """The cells, row by row, little endian: how a matrix travels. Raises Malformed for other types than int8/32/64."""
    if matrix.dtype not in _TYPES:
        little = matrix.dtype.newbyteorder("<")
        if little not in _TYPES:
            raise Malformed("matrices travel as int8, int32 or int64", dtype=matrix.dtype.name)
        matrix = matrix.astype(little)
    return np.ascontiguousarray(matrix).data.cast("B")


def matrix_hash(matrix: NDArray[Any]) -> bytes:
    """BLAKE3 (32 bytes) over the cell type, the shape and the cells."""
    cells = matrix_bytes(matrix)
    hasher = matrix_hasher(_TYPES.get(matrix.dtype) or matrix.dtype.name, matrix.shape)
    hasher.update(cells)
    return hasher.digest()


def result_hash(result: NDArray[Any]) -> bytes:
    """The hash of a task's result as it stands on the ledger: its :func:`matrix_hash` as int64, whatever it is here."""
    return strips_hash(result.shape, (result,))


def strips_hash(shape: tuple[int, ...], strips: Iterable[NDArray[Any]]) -> bytes:
    """The :func:`result_hash` of a result that comes some rows at a time."""
    hasher = matrix_hasher("int64", shape)
    rows = max(1, _AT_ONCE // shape[1])
    for strip in strips:
        for start in range(0, len(strip), rows):
            hasher.update(matrix_bytes(strip[start : start + rows].astype(np.int64, copy=False)))
    return hasher.digest()


def matrix_hasher(kind: str, shape: tuple[int, ...]) -> blake3:
    """What :func:`matrix_hash` begins with; the cells' bytes are still to come. ``kind``: int8, int32 or int64."""
    head = f"{kind}/{shape[0]}x{shape[1]}".encode()
    hasher = blake3(derive_key_context="zoneshare/epow-matrix/1")
    hasher.update(len(head).to_bytes(1, "big") + head)
    return hasher


def product_hash(product: Int32) -> bytes:
    """The hash of one loop's product (LSP field, commitment): BLAKE3 (32 bytes) over its size and :func:`fingerprint`.

    It is known to nobody who has not computed the cells, but it binds nobody: another matrix of the same hash is easily
    written down, and told from the product by the product alone (docs/decisions/0020).
    """
    return fingerprint_hash(len(product), fingerprint(matrix_bytes(product)))


def fingerprint(cells: memoryview) -> bytes:
    """XXH3 (16 bytes) of a product's cells as :func:`matrix_bytes` gives them: several times as fast as BLAKE3."""
    return xxh3_128_digest(cells)


def fingerprint_hash(basic: int, fingerprint: bytes) -> bytes:
    """The :func:`product_hash` of a ``basic`` x ``basic`` product of this :func:`fingerprint`."""
    return keyed("zoneshare/epow-product/1", basic.to_bytes(4, "big"), fingerprint)


def nsub_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an nsub-task (LSP field): over its two blocks' hashes and nothing else, so no id changes it."""
    return keyed(NSUB, left, right)


def keyed(context: str, *parts: bytes) -> bytes:
    """BLAKE3 (32 bytes) in a context of its own, over length-prefixed parts."""
    return extended(blake3(derive_key_context=context), *parts).digest()


def extended(hasher: blake3, *parts: bytes) -> blake3:
    """A copy of a hasher that has these parts too, each with its length before it."""
    hasher = hasher.copy()
    for part in parts:
        hasher.update(len(part).to_bytes(4, "big") + part)
    return hasher


def stream(seed: bytes, context: str, label: bytes, length: int) -> bytes:
    """``length`` pseudo-random bytes from a seed, BLAKE3 in its extendable-output mode."""
    return blake3(keyed(context, seed, label)).digest(length=length)


def random_int8(seed: bytes, label: bytes, rows: int, columns: int) -> Int8:
    """Cells in -127..127 (so that every negative fits too) from a seed."""
    raw = np.frombuffer(stream(seed, "zoneshare/epow-int8/1", label, rows * columns), dtype=np.int8)
    return np.maximum(raw, np.int8(-127)).reshape(rows, columns)
