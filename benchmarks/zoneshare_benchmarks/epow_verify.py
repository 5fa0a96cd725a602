"""What Freivalds' check costs over a whole sub-task, as part of the products it checks."""

from functools import partial
from statistics import median
from time import process_time

import numpy as np
from threadpoolctl import threadpool_limits

from zoneshare_benchmarks.figure import Figure, Sample
from zoneshare_protocols.epow.exact import Int32
from zoneshare_protocols.epow.operands import SubTask
from zoneshare_protocols.epow.verify import Freivalds
from zoneshare_protocols.errors import FakeResult

_DISTINCT = 16


def verify_share(basic: int, blocks: int) -> Sample:
    """Processor time, one thread, to check every run of a square sub-task of blocks^3 nsub-tasks / of its products.

    Fetching, widening and projecting the blocks is in it; the products are one measured product times their number.
    The coordinator verifies on its own core, so checks are measured one after the other. Projections of all blocks
    are made in the first rows and kept.
    """
    rng = np.random.default_rng(1)
    side = basic * blocks
    matrix = rng.integers(-127, 128, (side, side), dtype=np.int8)
    results = [_any_result(rng, basic) for _ in range(_DISTINCT)]
    with threadpool_limits(1):
        task = SubTask(matrix, matrix[::-1].copy(), basic, bytes(32))
        product = _product_seconds(rng, basic)
        check = Freivalds(task, bytes(32))
        began = process_time()
        passed = [check.check_run(run, results[run.index % _DISTINCT]) for run in task.layout.each_run()]
        spent = process_time() - began
    if any(passed):
        raise FakeResult("a random result passed", basic=basic)
    return Sample(spent / (product * task.layout.nsubs), {"product_ms": product * 1e3, "verify_s": spent})


def _any_result(rng: np.random.Generator, basic: int) -> Int32:
    """Of a run's magnitude; a wrong result costs the check what a right one does."""
    result: Int32 = rng.integers(-(2**24), 2**24, (basic, basic), dtype=np.int32)
    return result


def _product_seconds(rng: np.random.Generator, basic: int) -> float:
    left = rng.integers(-127, 128, (basic, basic)).astype(np.float32)
    out, times = np.empty_like(left), []
    for _ in range(15):
        began = process_time()
        np.matmul(left, left, out=out)
        times.append(process_time() - began)
    return median(times)


FIGURES = [
    Figure(
        f"epow.verify.{basic}",
        f"Freivalds to 2^-40 over a sub-task of {blocks}^3 nsub-tasks, part of its products",
        "ratio",
        "lower",
        partial(verify_share, basic, blocks),
        goal=0.02,
    )
    for basic, blocks in ((500, 16), (1000, 8))
]
