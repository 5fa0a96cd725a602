"""Exact integer products at BLAS speed, and wide integers as int8 limbs.

A product of two int8 matrices with at most 1,024 terms a cell stays within 2^24 (128 * 128 * 1024), up to which
float32 holds every integer: whatever the order of summation, every partial sum is exact, so all machines agree on
every bit.
"""

import math
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from zoneshare_protocols.errors import LimitExceeded, Malformed

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

MAX_BASIC_SIZE = 1024
"""Largest basic size b: the float32 product of int8 blocks is exact up to here."""
MAX_ELEMENTS = 1 << 28
"""Cells of one matrix, at most."""
MAX_INT8_ELEMENTS = 1 << 30
"""The same for one of int8."""
INT64_MAX = 2**63 - 1
_RADIX_BITS = 8
_FLOAT32_EXACT = 2**24
_FLOAT64_EXACT = 2**53

_N = TypeVar("_N", np.int8, np.int64)


def multiply(left: Int8, right: Int8) -> Int32:
    """The nsub-task itself: the exact product (int32) of two int8 blocks, inner size at most 1,024."""
    _conform(left.shape, right.shape)
    if left.shape[1] > MAX_BASIC_SIZE:
        raise LimitExceeded("the inner size is over what float32 sums exactly", value=left.shape[1], limit=1024)
    exact: Int32 = np.matmul(left.astype(np.float32), right.astype(np.float32)).astype(np.int32)
    return exact


def product(left: NDArray[Any], right: NDArray[Any]) -> Int64:
    """The exact product (int64) of any two integer matrices: what a merged sub-task must equal, done locally.

    float32 while no sum can pass 2^24, float64 up to 2^53, int64 arithmetic (slow) beyond. Raises Malformed and
    LimitExceeded as :func:`as_integers` and :func:`product_bound` do.
    """
    a, b = as_integers(left), as_integers(right)
    bound = product_bound(a, b)
    for kind, limit in ((np.float32, _FLOAT32_EXACT), (np.float64, _FLOAT64_EXACT)):
        if bound <= limit:
            exact: Int64 = np.matmul(a.astype(kind), b.astype(kind)).astype(np.int64)
            return exact
    whole: Int64 = np.matmul(a.astype(np.int64), b.astype(np.int64))
    return whole


def as_integers(matrix: NDArray[Any]) -> Int8 | Int64:
    """``matrix`` as int8 if all values fit, else as int64 (C order).

    Raises Malformed when it is not a non-empty matrix of integers (NaN, infinite or fractional values included),
    LimitExceeded when it has too many cells or a magnitude over 2^63 - 1.
    """
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise Malformed("not a matrix with at least one row and one column", shape=str(matrix.shape))
    check_size(*matrix.shape, int8=matrix.dtype == np.int8)
    if matrix.dtype.kind == "f":
        if not np.isfinite(matrix).all():
            raise Malformed("the matrix has values that are NaN or infinite")
        if (matrix != np.trunc(matrix)).any():
            raise Malformed("the matrix has values that are not integers")
    elif matrix.dtype.kind not in "iu":
        raise Malformed("the matrix is not one of integers", dtype=str(matrix.dtype))
    if matrix.dtype == np.int8:
        return np.ascontiguousarray(matrix, dtype=np.int8)
    largest = magnitude(matrix)
    if largest > INT64_MAX:
        raise LimitExceeded("a value is over 64 bits", value=str(largest), limit=INT64_MAX)
    if largest <= 128 and int(matrix.max()) <= 127:
        return np.ascontiguousarray(matrix, dtype=np.int8)
    return np.ascontiguousarray(matrix, dtype=np.int64)


def check_size(rows: int, columns: int, *, int8: bool) -> None:
    """Raises LimitExceeded for a matrix with too many cells."""
    limit = MAX_INT8_ELEMENTS if int8 else MAX_ELEMENTS
    if rows * columns > limit:
        raise LimitExceeded("the matrix has too many cells", value=rows * columns, limit=limit)


def magnitude(matrix: NDArray[Any]) -> int:
    """The largest absolute value of an integer-valued matrix."""
    return max(abs(int(matrix.min())), abs(int(matrix.max())))


def product_bound(left: Int8 | Int64, right: Int8 | Int64) -> int:
    """An upper bound on every cell's magnitude in left x right (and in every partial sum of it).

    Raises Malformed when the shapes do not conform, LimitExceeded when the bound is over 2^63 - 1: this is where a
    chain whose values outgrow 64 bits ends; its source has to scale a result down (as quantized training does).
    """
    _conform(left.shape, right.shape)
    bound: int = left.shape[1] * magnitude(left) * magnitude(right)
    if bound > INT64_MAX:
        bound = min(_row_sum(left) * magnitude(right), magnitude(left) * _row_sum(right.T))
    if bound > INT64_MAX:
        raise LimitExceeded("the product's values may outgrow 64 bits", value=str(bound), limit=INT64_MAX)
    return bound


def check_product(left: Int8 | Int64, right: Int8 | Int64) -> None:
    """Raises as :func:`product_bound`. Of two int8 matrices no cell is read: they never outgrow 64 bits."""
    if left.dtype == right.dtype == np.int8:
        _conform(left.shape, right.shape)
    else:
        product_bound(left, right)


def limbs_for(largest: int) -> int:
    """How many int8 limbs (balanced digits, radix 256) hold every value of magnitude up to ``largest``."""
    count, reach = 1, 127
    while largest > reach:
        count += 1
        reach = reach * 256 + 127
    return count


def limb_count(matrix: Int8 | Int64) -> int:
    """How many limbs a checked matrix takes; an int8 matrix is its own single limb, -128 included."""
    return 1 if matrix.dtype == np.int8 else limbs_for(magnitude(matrix))


def limb(block: Int8 | Int64, index: int) -> Int8:
    """Limb ``index`` (0 is the lowest) of a block: block = sum of limb(block, t) * 256^t. May be a view of it."""
    if block.dtype == np.int8:
        return block.astype(np.int8, copy=False) if index == 0 else np.zeros(block.shape, np.int8)
    rest = block.astype(np.int64)
    for _ in range(index):
        rest = (rest >> _RADIX_BITS) + ((rest & 255) >= 128)
    return (((rest & 255) ^ 128) - 128).astype(np.int8)


def sum_limit(basic: int) -> int:
    """How many int8 x int8 products of basic size b may be summed cell by cell within int32."""
    return math.floor((2**31 - 1) / (basic * 128 * 128))


def _row_sum(matrix: NDArray[Any]) -> int:
    """The largest sum of magnitudes along a row, rounded up (float64 is enough for a bound)."""
    largest = float(np.abs(matrix.astype(np.float64)).sum(axis=1).max())
    return int(largest * (1 + 2**-20)) + 1


def _conform(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    if left[1] != right[0]:
        raise Malformed("the matrices do not conform", left=f"{left[0]}x{left[1]}", right=f"{right[0]}x{right[1]}")
