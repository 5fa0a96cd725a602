"""What a drone wants computed: tasks of the auction with their data, here batches of scikit-learn's handwritten digits.

Everything is in integers, so that a result is the same bytes wherever it is computed.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import msgspec
import numpy as np

from zoneshare_protocols.codec import Record, decode, encode
from zoneshare_protocols.seal.recompute import Classify, Job, compute
from zoneshare_protocols.seal.records import Task
from zoneshare_protocols.seal.synthetic import MEGA, Span

CLASSES = 10
EPOCHS = 5
SCALE = 1 << 8
"""What the averaged weights are divided by, to stay small."""


class Work(Record, frozen=True, tag="zoneshare/seal-work/1"):
    """A task with its data, as the drone keeps it."""

    task: Task
    job: Job
    data: bytes
    answers: bytes = b""
    """What the pictures show, a byte each, where the drone knows it."""

    def compute(self) -> bytes:
        """The result, here. Raises what :func:`.recompute.compute` does."""
        return compute(self.job, self.data)

    @property
    def size(self) -> int:
        """Bytes that a right result has."""
        task = decode(Classify, self.data)
        return len(task.samples) // task.features

    def right(self, result: bytes) -> int:
        """How many pictures were read as what they show."""
        return sum(found == shown for found, shown in zip(result, self.answers, strict=True))


@dataclass(frozen=True)
class Batches:
    """How tasks are drawn. The data's size is D_j; the intensity is announced, as of a network much larger than ours:
    our classifier takes a few cycles a bit."""

    pictures: int = 40
    """A task: its result is proven by the smallest circuit."""
    urgency: Span = (1, 10)
    deadline: Span = (3_000, 10_000)
    """ms."""
    intensity: Span = (60_000, 160_000)
    """Cycles/bit."""
    resource: Span = (1000 * MEGA, 4000 * MEGA)
    """What vehicles offer a task, cycles/s."""


class Digits(NamedTuple):
    """Pictures that the classifier has not seen (rows of 64 bytes, 0..16), what they show, and its weights."""

    pictures: np.ndarray[tuple[int, int], np.dtype[np.uint8]]
    labels: np.ndarray[tuple[int], np.dtype[np.int64]]
    weights: bytes


@lru_cache(maxsize=1)
def digits() -> Digits:
    """An averaged perceptron in integers, trained on four fifths of the digits: the same weights everywhere.

    Raises Misuse where scikit-learn is not installed.
    """
    from zoneshare.epow.training import load_digits

    found = load_digits()
    train = np.rint(found.train * 16).astype(np.int64)
    samples = np.hstack([train, np.full((len(train), 1), 16)])
    weights = np.zeros((CLASSES, samples.shape[1]), np.int64)
    total = np.zeros_like(weights)
    for _ in range(EPOCHS):
        for sample, label in zip(samples, found.labels, strict=True):
            said = int((weights @ sample).argmax())
            if said != label:
                weights[label] += sample
                weights[said] -= sample
            total += weights
    # The samples' last cell is 16, the bias' is 1.
    total[:, -1] *= 16
    packed = (total // SCALE).astype("<i4").tobytes()
    return Digits(np.rint(found.test * 16).astype(np.uint8), found.test_labels, packed)


def draw_work(rng: np.random.Generator, number: int, batches: Batches = Batches()) -> Work:
    """A task to label some pictures. ``number``: its id."""
    known = digits()
    chosen = rng.choice(len(known.pictures), batches.pictures, replace=batches.pictures > len(known.pictures))
    data = encode(Classify(CLASSES, known.pictures.shape[1], known.weights, known.pictures[chosen].tobytes()))
    urgency, deadline, intensity = (
        int(rng.integers(*span, endpoint=True)) for span in (batches.urgency, batches.deadline, batches.intensity)
    )
    task = Task(number, 8 * len(data), urgency, deadline, intensity)
    job = Job("classify", rng.bytes(16), hashlib.sha256(data).digest())
    return Work(task, job, data, known.labels[chosen].astype(np.uint8).tobytes())


def later(work: Work, task: Task) -> Work:
    """The same work with what remains of its deadline."""
    return msgspec.structs.replace(work, task=task)
