"""The source's check of a task's merged result: the surveillance of the coordinator that the paper speaks of (II.D)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoneshare_protocols.epow.exact import Int64, as_integers
from zoneshare_protocols.epow.hashing import stream
from zoneshare_protocols.errors import Malformed

PRIMES = (2**31 - 1, 2**31 - 19, 2**31 - 61)
"""Their product is over 2^92: a wrong 64-bit cell is not a multiple of all three."""
VECTORS = 2
_COLUMNS = 1 << 15


def check_task(matrices: Sequence[NDArray[Any]], result: NDArray[Any], seed: bytes) -> bool:
    """Whether ``result`` is the product of ``matrices``, wrong with probability at most 2^-60: no product is made.

    Freivalds from the right: A(B(C r)) against result r, modulo three primes, two vectors each. ``seed``: 32 random
    bytes, the source's secret until it has the result. Costs some 12 operations a cell of all matrices. Raises
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
    for prime in PRIMES:
        label = prime.to_bytes(4, "big")
        raw = np.frombuffer(stream(seed, "zoneshare/epow-source/1", label, claimed.shape[1] * VECTORS * 8), dtype="<u8")
        vectors = (raw % prime).astype(np.int64).reshape(-1, VECTORS)
        through = vectors
        for factor in reversed(factors):
            through = _times(factor, through, prime)
        if not np.array_equal(through, _times(claimed, vectors, prime)):
            return False
    return True


def _times(matrix: NDArray[Any], vectors: Int64, prime: int) -> Int64:
    """matrix x vectors modulo prime; in columns and halves of 16 bits, so that int64 holds every sum."""
    total: Int64 = np.zeros((matrix.shape[0], VECTORS), np.int64)
    for start in range(0, matrix.shape[1], _COLUMNS):
        part = matrix[:, start : start + _COLUMNS].astype(np.int64) % prime
        rows = vectors[start : start + _COLUMNS]
        high, low = part @ (rows >> 16) % prime, part @ (rows & 0xFFFF) % prime
        total = (total + (high << 16) + low) % prime
    return total
