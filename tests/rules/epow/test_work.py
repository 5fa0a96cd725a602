"""The fast path of a miner gives what the rules say."""

import numpy as np
import pytest

from tests.rules.epow.test_products import total
from tests.rules.epow.zone import SEED, random_int8
from zoneshare_protocols.epow import work
from zoneshare_protocols.epow.draw import Draws, draw, free_header, involved_header
from zoneshare_protocols.epow.exact import multiply
from zoneshare_protocols.epow.hashing import nsub_hash, product_hash
from zoneshare_protocols.epow.operands import SubTask
from zoneshare_protocols.epow.records import LspField
from zoneshare_protocols.epow.work import Worker, large


def test_runs_give_the_hashes_and_sums_of_the_rules() -> None:
    rng = np.random.default_rng(1)
    task = SubTask(random_int8(rng, 100, 300), random_int8(rng, 300, 100), 64, SEED)
    worker, drawn = Worker(64), list[bytes]()
    for run in task.layout.each_run():
        drawn.clear()
        products = [multiply(a, b) for a, b in task.run_blocks(run)]
        done = worker.run(task.run_blocks(run), lambda _, hashes: drawn.extend(hashes))
        assert done.hashes == tuple(product_hash(one) for one in products)
        assert (done.total == total(products)).all()
        assert tuple(drawn) == done.hashes


def test_draws_are_told_in_order_and_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_AT_ONCE", 3 * 8 * 8)
    worker, told = Worker(8), list[tuple[int, int]]()
    zero = np.zeros((8, 8), np.int8)
    for length in (1, 3, 7):
        worker.run([(zero, zero)] * length, lambda first, hashes: told.append((first, len(hashes))))
    assert told == [(0, 1), (0, 3), (0, 3), (3, 3), (6, 1)]


def test_a_run_before_does_not_change_the_next() -> None:
    worker, ones = Worker(8), np.ones((8, 8), np.int8)
    first = worker.run([(ones, ones)], lambda *_: None)
    second = worker.run([(ones, -ones)], lambda *_: None)
    assert (first.total == 8).all()
    assert (second.total == -8).all()


def test_what_a_product_leaves_is_nothing_to_the_next() -> None:
    """Whatever the buffer holds, NaNs included: of this a BLAS on another machine might make something else."""
    worker, rng = Worker(64), np.random.default_rng(4)
    left, right = (random_int8(rng, 64, 64) for _ in range(2))
    for word in (0xFFFFFFFF, 0x7F800000, 0x7FC00000):
        worker.multiply(left, right).view(np.uint32)[:] = word
        assert (worker.multiply(left, right) == multiply(left, right)).all()


def test_the_quick_draw_is_the_headers_draw() -> None:
    left, right, result = b"l" * 32, b"r" * 32, b"p" * 32
    header = involved_header(5, b"t" * 32, "ann", LspField(b"k" * 32, 1, 2, nsub_hash(left, right), result))
    draws = Draws(b"t" * 32, "ann")
    assert draws.involved(left, right, result) == draw(header)
    assert draws.involved(right, left, result) != draw(header)
    assert draws.involved(left, right, result) == draw(header)


def test_task_free_loops_are_those_that_verifiers_repeat() -> None:
    worker = Worker(64)
    for previous, miner, nonce in (
        (b"p" * 32, "ann", 0),
        (b"p" * 32, "ann", 1),
        (b"q" * 32, "ann", 1),
        (b"q" * 32, "bob", 7),
    ):
        assert worker.free(3, previous, miner, nonce) == free_header(3, previous, miner, nonce, 64)


def test_a_workers_memory_begins_with_a_large_page_and_fills_no_other_array() -> None:
    for count, basic, kind in ((4, 500, np.float32), (3, 7, np.int8)):
        arrays, page = large(count, basic, kind), 2 << 20
        assert arrays.ctypes.data % page == 0
        room = arrays.base
        assert isinstance(room, np.ndarray)
        assert room.ctypes.data + room.nbytes >= arrays.ctypes.data + -(-arrays.nbytes // page) * page
        assert (arrays.shape, arrays.dtype) == ((count, basic, basic), np.dtype(kind))
        for number, array in enumerate(arrays):
            array[:] = number
        assert [int(array.sum()) for array in arrays] == [number * basic**2 for number in range(count)]
