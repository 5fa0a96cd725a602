"""The fast path of a miner gives what the rules say."""

import numpy as np

from tests.rules.epow.test_products import total
from tests.rules.epow.zone import SEED, random_int8
from zoneshare_protocols.epow.draw import free_header
from zoneshare_protocols.epow.exact import Int32, multiply
from zoneshare_protocols.epow.hashing import matrix_hash
from zoneshare_protocols.epow.operands import SubTask
from zoneshare_protocols.epow.work import Worker


def test_runs_give_the_hashes_and_sums_of_the_rules() -> None:
    rng = np.random.default_rng(1)
    task = SubTask(random_int8(rng, 100, 300), random_int8(rng, 300, 100), 64, SEED)
    worker, drawn = Worker(64), []

    def keep(position: int, result_hash: bytes, result: Int32) -> None:
        drawn.append((position, result_hash, result.copy()))

    for run in task.layout.each_run():
        drawn.clear()
        products = [multiply(a, b) for a, b in task.run_blocks(run)]
        done = worker.run(task.run_blocks(run), keep)
        assert done.hashes == tuple(matrix_hash(one) for one in products)
        assert (done.total == total(products)).all()
        assert [position for position, _, _ in drawn] == list(range(run.count))
        assert all((result == one).all() for (_, _, result), one in zip(drawn, products, strict=True))


def test_task_free_loops_are_those_that_verifiers_repeat() -> None:
    worker = Worker(64)
    for previous, miner, nonce in (
        (b"p" * 32, "ann", 0),
        (b"p" * 32, "ann", 1),
        (b"q" * 32, "ann", 1),
        (b"q" * 32, "bob", 7),
    ):
        assert worker.free(3, previous, miner, nonce) == free_header(3, previous, miner, nonce, 64)
