"""Jobs that a contract computes again: no job that it takes needs much more memory than its data."""

import tracemalloc

import numpy as np

from zoneshare_protocols.codec import encode
from zoneshare_protocols.seal.recompute import Classify, classify


def a_job(classes: int, features: int, samples: int) -> Classify:
    rng = np.random.default_rng(7)
    weights = rng.integers(-(2**31), 2**31, classes * (features + 1), dtype=np.int64).astype("<i4").tobytes()
    return Classify(classes, features, weights, rng.integers(0, 256, samples * features, dtype=np.uint8).tobytes())


def test_labels_are_those_of_the_whole_product() -> None:
    job = a_job(200, 3, 20_000)
    weights = np.frombuffer(job.weights, "<i4").reshape(200, 4).astype(np.int64)
    samples = np.frombuffer(job.samples, np.uint8).reshape(-1, 3).astype(np.int64)
    expected = (samples @ weights[:, :-1].T + weights[:, -1]).argmax(axis=1)
    assert list(classify(encode(job))) == expected.tolist()


def test_a_job_of_few_features_and_many_classes_fills_no_memory() -> None:
    """Its scores are 512 MB."""
    data = encode(a_job(64, 1, 1 << 20))
    tracemalloc.start()
    classify(data)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100 << 20
