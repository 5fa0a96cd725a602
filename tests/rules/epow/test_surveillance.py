"""A source checks what the coordinator gave it."""

import numpy as np
import pytest

from tests.rules.epow.zone import SEED
from zoneshare_protocols.epow.surveillance import PRIMES, check_task
from zoneshare_protocols.errors import Malformed

RNG = np.random.default_rng(2)
A, B, C = RNG.integers(-128, 128, (20, 30)), RNG.integers(-(2**20), 2**20, (30, 10)), RNG.integers(-9, 9, (10, 40))


def test_primes_are_prime_and_cover_64_bits() -> None:
    assert all(prime % n for prime in PRIMES for n in range(2, 46_341))
    assert np.prod([float(prime) for prime in PRIMES]) > 2**65


@pytest.mark.parametrize("wrong_by", [1, -1, PRIMES[0], PRIMES[0] * PRIMES[1], 2**62, 2**31])
def test_a_merged_result_with_one_wrong_cell_is_found(wrong_by: int) -> None:
    """A lying coordinator, one that knows the primes included."""
    right = A @ B @ C
    assert check_task([A, B, C], right, SEED)
    wrong = right.copy()
    wrong[19, 39] += wrong_by
    assert not check_task([A, B, C], wrong, SEED)


def test_extreme_values_are_exact() -> None:
    one = np.array([[2**63 - 1, -(2**63) + 1]])
    assert check_task([one, np.array([[1], [1]])], np.array([[0]]), SEED)
    wide = np.full((1, 40_000), 2**20)
    assert check_task([wide, wide.T], np.array([[40_000 * 2**40]]), SEED)


def test_bad_input_is_refused() -> None:
    right = A @ B
    for matrices, result, seed in (
        ([A], A, SEED),
        ([A, C], right, SEED),
        ([A, B], right.T, SEED),
        ([A, B], right, b""),
        ([A, B], right + 0.5, SEED),
    ):
        with pytest.raises(Malformed):
            check_task(matrices, result, seed)


@pytest.mark.parametrize("bits", [7, 8, 15, 16, 31, 32, 47, 48, 49])
def test_values_at_the_edges_of_a_digit_are_exact(bits: int) -> None:
    """More rows and columns than are taken at once; python's integers say what is right."""
    rng = np.random.default_rng(bits)
    left = rng.choice([2**bits - 1, 2**bits, -(2**bits), -(2**bits) - 1, 0, 1], (40, 5000)).astype(np.int64)
    right = rng.choice([-1, 0, 1], (5000, 2)).astype(np.int64)
    product = np.array(
        [[sum(int(a) * int(b) for a, b in zip(row, column, strict=True)) for column in right.T] for row in left]
    )
    assert check_task([left, right], product, SEED)
    product[39, 1] -= 1
    assert not check_task([left, right], product, SEED)
