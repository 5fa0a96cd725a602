"""What the figures of E-PoW's processes stand against: a miner's loop by itself, on memory that is there."""

import time
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from zoneshare_protocols.epow.work import Worker, large


def loop_seconds(basic: int, loops: int = 16) -> tuple[float, float]:
    """Processor seconds of a miner's bare loop (product, cast, hash, sum), and of its product; blocks in float32."""
    left, right = large(2, basic, np.float32)
    left[:], right[:] = np.random.default_rng(2).integers(-127, 128, (2, basic, basic))
    products = []

    def matmul(a: NDArray[np.float32], b: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        start = time.thread_time()
        np.matmul(a, b, out=out)
        products.append(time.thread_time() - start)

    def drawn(*_: object) -> None:
        pass

    with threadpool_limits(1):
        worker = Worker(basic, matmul)
        worker.run([(left, right)], drawn)
        products.clear()
        began = time.thread_time()
        worker.run([(left, right)] * loops, drawn)
        spent = time.thread_time() - began
    return spent / loops, fmean(products)
