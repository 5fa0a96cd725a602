"""Verification: the paper's random element, and Freivalds' bilinear form."""

import numpy as np
import pytest

from tests.rules.epow.test_products import SEED, total
from zoneshare_protocols.epow.exact import multiply
from zoneshare_protocols.epow.operands import SubTask
from zoneshare_protocols.epow.verify import ERROR_BITS, PRIME, Freivalds, freivalds, random_element
from zoneshare_protocols.errors import Malformed

RNG = np.random.default_rng(5)


def int8(*shape: int) -> np.ndarray:
    return RNG.integers(-128, 128, shape, dtype=np.int8)


def test_error_bound_is_two_to_the_minus_40() -> None:
    assert ERROR_BITS >= 40
    assert PRIME > 2**32 - 2**31
    assert all(PRIME % n for n in range(2, 65536))


def test_almost_right_results_pass_a_random_element_and_never_freivalds() -> None:
    """One cell of 250,000 changed: the attack of grinding the result's hash one cell at a time."""
    a, b = int8(500, 500), int8(500, 500)
    true = multiply(a, b)
    passed = 0
    for trial in range(200):
        wrong = true.copy()
        wrong[trial, 499 - trial] += 1
        row, column = RNG.integers(0, 500, 2)
        passed += random_element(a, b, wrong, row, column)
        if trial % 10 == 0:
            assert not freivalds(a, b, wrong, RNG.bytes(32))
    assert passed >= 199
    assert freivalds(a, b, true, SEED)
    assert not random_element(a, b, true + 1, 3, 4)


@pytest.mark.parametrize("basic", [3, 500, 1000, 1024])
def test_extreme_values_are_checked_exactly(basic: int) -> None:
    a = np.full((basic, basic), -128, np.int8)
    right = multiply(a, a)
    assert freivalds(a, a, right, SEED)
    wrong = right.copy()
    wrong[0, 0] = -(2**31)
    assert not freivalds(a, a, wrong, SEED)


def test_differences_that_cancel_are_found() -> None:
    a, b = int8(64, 64), int8(64, 64)
    true = multiply(a, b)
    for wrong in (true[::-1].copy(), true.T.copy(), -true, true + 2**16, np.zeros_like(true)):
        assert not freivalds(a, b, wrong, RNG.bytes(32))
    swap = true.copy()
    swap[0, 0] += 1
    swap[0, 1] -= 1
    swap[1, 0] -= 1
    swap[1, 1] += 1
    assert not freivalds(a, b, swap, RNG.bytes(32))


@pytest.mark.parametrize(("left_bits", "right_bits"), [(7, 7), (15, 7), (7, 23)])
def test_sums_along_runs_and_single_results_of_a_sub_task(left_bits: int, right_bits: int) -> None:
    left = RNG.integers(-(2**left_bits), 2**left_bits, (21, 43))
    right = RNG.integers(-(2**right_bits), 2**right_bits, (43, 17))
    task = SubTask(left, right, 8, SEED)
    check = Freivalds(task, RNG.bytes(32))
    for run in task.layout.each_run():
        products = [multiply(a, b) for a, b in task.run_blocks(run)]
        whole = total(products)
        assert check.check_run(run, whole)
        wrong = whole.copy()
        wrong[run.index % 8, 3] ^= 1
        assert not check.check_run(run, wrong)
        for offset, one in enumerate(products):
            assert check.check_nsub(run.first + offset, one)
            assert not check.check_nsub(run.first + offset, one + 1)
        check.forget_row(run.row)


def test_other_shapes_are_refused() -> None:
    a = int8(4, 4)
    with pytest.raises(Malformed):
        freivalds(a, a, np.zeros((4, 5), np.int32), SEED)
    with pytest.raises(Malformed):
        freivalds(a, a, np.zeros((4, 4), np.int64), SEED)
    with pytest.raises(Malformed):
        freivalds(a, a, multiply(a, a), b"short")
