"""The source's check of a task's merged result: the surveillance of the coordinator that the paper speaks of (II.D)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoneshare_protocols.epow.exact import Int8, Int64, as_integers, magnitude
from zoneshare_protocols.epow.hashing import stream
from zoneshare_protocols.errors import Malformed

PRIMES = (2**31 - 1, 2**31 - 19, 2**31 - 61)
"""Their product is over 2^92: a wrong 64-bit cell is not a multiple of all three."""
VECTORS = 2
_DIGIT = 16
"""Bits of a cell, or of a vector's entry, that go into one float64 product."""
_ROWS, _COLUMNS = 32, 1 << 12
"""Cells that are widened at once (1 MiB): they stay in the processor's cache. A sum is below 2^(16 + 16 + 12)."""
_MODULI = np.repeat(np.array(PRIMES, np.int64), VECTORS)


def check_task(matrices: Sequence[NDArray[Any]], result: NDArray[Any], seed: bytes) -> bool:
    """Whether ``result`` is the product of ``matrices``, wrong with probability at most 2^-60: no product is made.

    Freivalds from the right: A(B(C r)) against result r, modulo three primes, two vectors each. ``seed``: 32 random
    bytes, the source's secret until it has the result. Costs 24 operations for each 16 bits of a cell. Raises
    Malformed when something is no integer matrix or the shapes do not conform; LimitExceeded over 64 bits.
    """
    factors, claimed = [as_integers(matrix) for matrix in matrices], as_integers(result)
    if len(seed) != 32 or len(factors) < 2:
        raise Malformed("a task has two matrices or more, a seed 32 bytes", matrices=len(factors), seed=len(seed))
    inner = [matrix.shape for matrix in factors]
    if any(left[1] != right[0] for left, right in pairwise(inner)):
        raise Malformed("the matrices do not conform")
    if claimed.shape != (inner[0][0], inner[-1][1]):
        raise Malformed("the result has another shape", rows=claimed.shape[0], columns=claimed.shape[1])
    vectors = np.hstack([_vectors(seed, prime, claimed.shape[1]) for prime in PRIMES])
    through = vectors
    for factor in reversed(factors):
        through = _times(factor, through)
    return np.array_equal(through, _times(claimed, vectors))


def _vectors(seed: bytes, prime: int, length: int) -> Int64:
    raw = stream(seed, "zoneshare/epow-source/1", prime.to_bytes(4, "big"), length * VECTORS * 8)
    return (np.frombuffer(raw, dtype="<u8") % prime).astype(np.int64).reshape(-1, VECTORS)


def _times(matrix: Int8 | Int64, vectors: Int64) -> Int64:
    """matrix x vectors, each modulo its prime: cells and entries in digits of 16 bits, whose products float64 holds."""
    parts = np.hstack([vectors >> _DIGIT, vectors & (2**_DIGIT - 1)]).astype(np.float64)
    digits = 1 if matrix.dtype == np.int8 else (magnitude(matrix).bit_length() + _DIGIT) // _DIGIT
    total: Int64 = np.zeros((len(matrix), len(_MODULI)), np.int64)
    for top in range(0, len(matrix), _ROWS):
        for start in range(0, matrix.shape[1], _COLUMNS):
            cells = matrix[top : top + _ROWS, start : start + _COLUMNS]
            for digit in range(digits):
                own = cells if digits == 1 else cells >> (_DIGIT * digit)
                if digit < digits - 1:
                    own = own & (2**_DIGIT - 1)
                high, low = np.hsplit((own.astype(np.float64) @ parts[start : start + _COLUMNS]).astype(np.int64), 2)
                found = (((high % _MODULI) << _DIGIT) + low) % _MODULI
                total[top : top + _ROWS] += found * (2 ** (_DIGIT * digit) % _MODULI) % _MODULI
    return total % _MODULI
