"""A multi-layer perceptron trained with 8-bit products, by the miners or locally: the same bits.

Every product, forward and backward, is of two int8 matrices with an exact integer result. Both factors are scaled by
their largest magnitude to -127..127 (symmetric, one scale a matrix) and the result scaled back; all else is float64.
"""

import gzip
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from zoneshare.epow.source import Source
from zoneshare_protocols.epow.exact import Int8, Int64, product
from zoneshare_protocols.errors import Misuse

Float = NDArray[np.float64]
Multiply = Callable[[Int8, Int8], Awaitable[Int64]]
Times = Callable[[Float, Float], Awaitable[Float]]

HIDDEN = 32
RATE = 0.5
MOMENTUM = 0.9
SEED = 7
TEST = 360
"""Pictures that are not trained on: a fifth."""


class Digits(NamedTuple):
    """Pictures (rows of 64 values in 0..1) and what they show."""

    train: Float
    labels: NDArray[np.int64]
    test: Float
    test_labels: NDArray[np.int64]


@dataclass
class Trained:
    """``fingerprint``: SHA-256 over all weights' bits; ``losses``: after each step."""

    weights: list[Float]
    accuracy: float
    losses: list[float]

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(b"".join(w.tobytes() for w in self.weights)).hexdigest()


def load_digits() -> Digits:
    """scikit-learn's 1,797 handwritten digits of 8 x 8, shuffled once. Raises Misuse where it is not installed."""
    rows = np.loadtxt(digits_csv().decode().splitlines(), delimiter=",")
    rows = rows[np.random.default_rng(SEED).permutation(len(rows))]
    pictures, labels = rows[:, :-1] / 16, rows[:, -1].astype(np.int64)
    return Digits(pictures[TEST:], labels[TEST:], pictures[:TEST], labels[:TEST])


def digits_csv() -> bytes:
    """The data set's file, unpacked; scikit-learn is not imported for it, which would take seconds. Raises Misuse."""
    found = find_spec("sklearn")
    try:
        folder = Path("" if found is None or found.origin is None else found.origin).parent
        return gzip.decompress((folder / "datasets" / "data" / "digits.csv.gz").read_bytes())
    except OSError as cause:
        raise Misuse("the digits come with scikit-learn, which is not installed") from cause


async def local(left: Int8, right: Int8) -> Int64:
    """The product, done here."""
    return product(left, right)


def mined(source: Source, fee: int | None = None) -> Multiply:
    """Products by the zone's miners, each checked."""

    async def multiply(left: Int8, right: Int8) -> Int64:
        return await source.multiply([left, right], fee=fee)

    return multiply


async def train(
    digits: Digits, multiply: Multiply, steps: int, shown: Callable[[int, float], None] | None = None
) -> Trained:
    """Full-batch gradient descent with momentum, 8-bit products. ``shown`` gets each step and its loss."""

    async def times(left: Float, right: Float) -> Float:
        a, scale_a = quantize(left)
        b, scale_b = quantize(right)
        return (await multiply(a, b)).astype(np.float64) * (scale_a * scale_b)

    return await _train(digits, times, steps, shown)


async def train_float(digits: Digits, steps: int) -> Trained:
    """The same training in float64."""

    async def times(left: Float, right: Float) -> Float:
        return left @ right

    return await _train(digits, times, steps, None)


def quantize(matrix: Float) -> tuple[Int8, float]:
    """int8 values and what one of them stands for: matrix is about values * scale."""
    largest = float(np.abs(matrix).max())
    scale = largest / 127 if largest else 1.0
    return np.rint(matrix / scale).astype(np.int8), scale


async def _train(digits: Digits, times: Times, steps: int, shown: Callable[[int, float], None] | None) -> Trained:
    rng = np.random.default_rng(SEED)
    first = rng.normal(0, np.sqrt(2 / 64), (64, HIDDEN))
    second = rng.normal(0, np.sqrt(2 / HIDDEN), (HIDDEN, 10))
    speeds = [np.zeros_like(first), np.zeros_like(second)]
    wanted = np.eye(10)[digits.labels]
    losses = []
    for step in range(steps):
        before = await times(digits.train, first)
        hidden = np.maximum(before, 0)
        chances = _softmax(await times(hidden, second))
        losses.append(float(-np.log(chances[np.arange(len(wanted)), digits.labels] + 1e-12).mean()))
        error = (chances - wanted) / len(wanted)
        back = await times(error, np.ascontiguousarray(second.T)) * (before > 0)
        slopes = [
            await times(np.ascontiguousarray(digits.train.T), back),
            await times(np.ascontiguousarray(hidden.T), error),
        ]
        speeds = [MOMENTUM * speed - RATE * slope for speed, slope in zip(speeds, slopes, strict=True)]
        first, second = first + speeds[0], second + speeds[1]
        if shown is not None:
            shown(step + 1, losses[-1])
    scores = await times(np.maximum(await times(digits.test, first), 0), second)
    accuracy = float((scores.argmax(axis=1) == digits.test_labels).mean())
    return Trained([first, second], accuracy, losses)


def _softmax(scores: Float) -> Float:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    chances: Float = powers / powers.sum(axis=1, keepdims=True)
    return chances
