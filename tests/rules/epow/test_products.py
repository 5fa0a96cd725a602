"""Exact products, limbs, expansion, partition and merge."""

import tracemalloc
from itertools import islice
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoneshare_protocols.epow import exact, merge
from zoneshare_protocols.epow.hashing import matrix_bytes, matrix_hash, nsub_hash, product_hash
from zoneshare_protocols.epow.layout import Layout
from zoneshare_protocols.epow.merge import Merger, strips
from zoneshare_protocols.epow.operands import Operand, SubTask
from zoneshare_protocols.errors import AlreadyExists, LimitExceeded, Malformed, NotFound, WrongPhase

SEED = bytes(range(32))


def total(products: list[exact.Int32]) -> exact.Int32:
    """The sum a miner sends for a run."""
    added: exact.Int32 = np.sum(products, axis=0, dtype=np.int32)
    return added


def mine(task: SubTask) -> exact.Int64:
    """What honest miners and the coordinator do together."""
    merger, b = Merger(task.layout), task.layout.basic
    sums = np.zeros((task.layout.runs, b, b), np.int32)
    for run in task.layout.each_run():
        sums[run.index] = total([exact.multiply(a, b) for a, b in task.run_blocks(run)])
        merger.add(run.index)
    return np.concatenate(list(merger.strips(sums))).astype(np.int64)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_shapes_and_widths_merge_to_the_exact_product(data: st.DataObject) -> None:
    rows, inner, columns = (data.draw(st.integers(1, 23)) for _ in range(3))
    left_bits, right_bits = data.draw(st.sampled_from([(7, 7), (15, 7), (31, 7), (20, 30), (7, 44), (1, 62)]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    left = rng.integers(-(2**left_bits) + 1, 2**left_bits, (rows, inner)) // inner
    right = rng.integers(-(2**right_bits) + 1, 2**right_bits, (inner, columns)) // inner
    task = SubTask(left, right, data.draw(st.integers(2, 9)), SEED)
    expected = left.astype(object) @ right.astype(object)
    with patch.object(merge, "_STRIP", data.draw(st.sampled_from([1, 30, 1 << 18]))):
        assert (mine(task).astype(object) == expected).all()
    assert (exact.product(left, right).astype(object) == expected).all()


@pytest.mark.parametrize("basic", [500, 1024])
def test_the_largest_values_are_exact_in_float32(basic: int) -> None:
    left = np.full((basic, basic), -128, np.int8)
    right = np.full((basic, basic), -128, np.int8)
    assert (exact.multiply(left, right) == 128 * 128 * basic).all()
    left[0, 0] = -127
    assert exact.multiply(left, right)[0, 0] == 128 * 128 * basic - 128


@given(st.lists(st.integers(-(2**63) + 1, 2**63 - 1), min_size=1, max_size=40))
def test_limbs_add_up(values: list[int]) -> None:
    block = np.array([values], dtype=np.int64)
    count = exact.limbs_for(exact.magnitude(block))
    limbs = [exact.limb(block, index) for index in range(count)]
    for column, value in enumerate(values):
        assert sum(int(one[0, column]) << (8 * index) for index, one in enumerate(limbs)) == value


@pytest.mark.parametrize(
    ("largest", "count"), [(127, 1), (128, 2), (32639, 2), (32640, 3), (2**31 - 1, 5), (2**63 - 1, 9)]
)
def test_as_many_limbs_as_needed(largest: int, count: int) -> None:
    assert exact.limbs_for(largest) == count


@pytest.mark.parametrize("pad", [1, 2, 3, 4])
def test_expanded_areas_are_random_and_their_product_is_zero(pad: int) -> None:
    b, rows, columns = 8, 5, 6
    inner = 2 * b - pad
    left = Operand(np.ones((rows, inner), np.int8), "left", b, SEED)
    right = Operand(np.ones((inner, columns), np.int8), "right", b, SEED)
    area1, area2 = left.block(0, 1)[:, b - pad :], right.block(1, 0)[b - pad :]
    assert not (area1.astype(int) @ area2.astype(int)).any()
    assert area1.any()
    assert pad == 1 or area2.any()
    assert (left.block(0, 1) == left.block(0, 1)).all()
    other = Operand(np.ones((rows, inner), np.int8), "left", b, bytes(32))
    assert (other.block(0, 1) != left.block(0, 1)).any()


def test_numpy_wrap_around_in_limb_sums_unwraps() -> None:
    left = np.array([[2**63 - 1]])
    right = np.array([[1]])
    assert mine(SubTask(left, right, 2, SEED))[0, 0] == 2**63 - 1


@pytest.mark.parametrize(
    ("matrix", "error"),
    [
        (np.array([[1.5]]), Malformed),
        (np.array([[np.nan]]), Malformed),
        (np.array([[np.inf]]), Malformed),
        (np.zeros((0, 3)), Malformed),
        (np.zeros(3), Malformed),
        (np.array([["x"]]), Malformed),
        (np.array([[True]]), Malformed),
        (np.array([[2**63]], dtype=np.uint64), LimitExceeded),
        (np.array([[-(2**63)]], dtype=np.int64), LimitExceeded),
        (np.array([[1e300]]), LimitExceeded),
        (np.broadcast_to(np.int8(1), (2**15, 2**15 + 1)), LimitExceeded),
        (np.broadcast_to(np.int16(1), (2**14, 2**14 + 1)), LimitExceeded),
    ],
)
def test_bad_matrices_are_refused(matrix: np.ndarray, error: type[Exception]) -> None:
    with pytest.raises(error):
        exact.as_integers(matrix)


def test_matrices_that_do_not_conform_are_refused() -> None:
    with pytest.raises(Malformed, match="conform"):
        SubTask(np.ones((2, 3)), np.ones((2, 3)), 2, SEED)
    with pytest.raises(Malformed, match="seed"):
        SubTask(np.ones((2, 3)), np.ones((3, 2)), 2, b"short")


def test_values_that_may_outgrow_64_bits_are_refused_and_just_below_are_not() -> None:
    with pytest.raises(LimitExceeded, match="64 bits"):
        SubTask(np.full((1, 2), 2**31), np.full((2, 1), 2**31), 2, SEED)
    SubTask(np.full((1, 2), 2**31 - 1), np.full((2, 1), 2**31), 2, SEED)
    with pytest.raises(LimitExceeded, match="float32"):
        exact.multiply(np.ones((1, 1025), np.int8), np.ones((1025, 1), np.int8))


def test_ids_and_runs_fit_together() -> None:
    layout = Layout(700, 250_001, 900, 500, 2, 3)
    assert layout.segments == 2
    covered = 0
    for run in layout.each_run():
        assert run.first == covered
        covered += run.count
        assert layout.run_of(run.first) == layout.run_of(run.first + run.count - 1) == run.index
        first = layout.nsub(run.first)
        assert (first.row, first.column, first.inner) == (run.row, run.column, run.inner)
        assert (first.left_limb, first.right_limb) == (run.left_limb, run.right_limb)
        assert run.count * 500 * 128 * 128 < 2**31
    assert covered == layout.nsubs
    for outside in (-1, layout.nsubs):
        with pytest.raises(NotFound):
            layout.nsub(outside)
    with pytest.raises(NotFound):
        layout.run(layout.runs)


def test_a_million_nsub_tasks_take_no_memory() -> None:
    layout = Layout(50_000, 50_000, 50_000, 500)
    assert layout.nsubs == 10**6
    tracemalloc.start()
    assert sum(1 for _ in islice(layout.each_nsub(), 50_000)) == 50_000
    assert sum(run.count for run in layout.each_run()) == 10**6
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


def test_merging_refuses_twice_wrong_shapes_and_early_results() -> None:
    layout = Layout(3, 3, 3, 2)
    merger, sums = Merger(layout), np.ones((layout.runs, 2, 2), np.int32)
    with pytest.raises(WrongPhase):
        merger.strips(sums)
    merger.add(0)
    with pytest.raises(AlreadyExists):
        merger.add(0)
    with pytest.raises(NotFound):
        merger.add(layout.runs)
    assert merger.missing == layout.runs - 1
    assert merger.merged(0)
    assert not merger.merged(1)
    bad: list[np.ndarray] = [np.ones((layout.runs, 3, 3), np.int32), sums.astype(np.int64), sums[1:]]
    for wrong in bad:
        with pytest.raises(Malformed):
            list(strips(layout, wrong))


def test_hashes_are_of_values_not_of_layout_in_memory() -> None:
    matrix = np.arange(12, dtype=np.int32).reshape(3, 4)
    assert matrix_hash(matrix) == matrix_hash(np.asfortranarray(matrix)) == matrix_hash(matrix.astype(">i4"))
    assert matrix_hash(matrix) != matrix_hash(matrix.reshape(4, 3))
    assert matrix_hash(matrix) != matrix_hash(matrix.astype(np.int64))
    assert matrix_hash(matrix).hex() == "7860edfe11b16201f003e6aaebb5576f294b9ca1dea2fddd25ddd20e6edd88f2"
    assert bytes(matrix_bytes(matrix)) == matrix.tobytes()
    with pytest.raises(Malformed):
        matrix_bytes(matrix.astype(np.float32))
    assert nsub_hash(b"a" * 32, b"b" * 32) != nsub_hash(b"b" * 32, b"a" * 32)


def test_a_products_hash_is_of_every_cell_in_its_place() -> None:
    """Of 400 cells: XXH3 has other ways for few bytes, and scrambles what it has after each 256."""
    product = (np.arange(400, dtype=np.int32) * 40009 - 8000000).reshape(20, 20)
    hashes = {product_hash(product), product_hash(np.ascontiguousarray(product.T)), product_hash(product[:19, :19])}
    for cell in range(400):
        changed = product.copy()
        changed.flat[cell] += 1
        hashes.add(product_hash(changed))
    assert len(hashes) == 403
    assert product_hash(product) == product_hash(np.asfortranarray(product)) == product_hash(product.astype(">i4"))
    assert product_hash(product).hex() == "279271988544cd457f6f5c67b469ace0261452e6229ac8788e5881e5e5ffed7c"
