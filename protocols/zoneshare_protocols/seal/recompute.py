"""Tasks that can be computed again: what they are, and the judgement of a disputed result (sampled recomputation).

A proof shows that key and ciphertext belong together, not that the result is right. Where the notice names a job for
each task, the drone recomputes a sample of what it gets, and disputes a wrong one with a bond: the contract opens the
result itself and computes the job. Kernels are exact: they give the same bytes on every machine.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec.structs import replace

from zoneshare_protocols.codec import Amount, Digest, Millis, Name, Record, decode, digest
from zoneshare_protocols.errors import (
    BadProof,
    DataCorrupt,
    LimitExceeded,
    Malformed,
    NotAllowed,
    NotFound,
    TooEarly,
    TooLate,
)
from zoneshare_protocols.seal.bids import Notice
from zoneshare_protocols.seal.records import Positive, Seat
from zoneshare_protocols.seal.results import EncryptedResult, unlock

MAX_DATA = 1 << 22
"""Bytes of a job's data that a contract recomputes."""
MAX_WORK = 1 << 28
"""Multiplications of one job."""
_SCORES = 1 << 20
"""Held at a time: with few features a job's scores are far larger than its data."""


class Job(Record, frozen=True, tag="zoneshare/seal-job/1"):
    """What a task computes. Its digest is in the notice; the salt keeps small data from being guessed by it."""

    kernel: Name
    salt: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
    data: Digest
    """SHA-256 of the data, which travel off the ledger."""


class Classify(Record, frozen=True, tag="zoneshare/seal-classify/1"):
    """The data of the kernel ``classify``: a linear classifier in integers, and the samples to label."""

    classes: Positive
    features: Positive
    weights: bytes
    """int32, little-endian, class by class: a weight for each feature, then the bias."""
    samples: bytes
    """uint8, sample by sample."""


class Dispute(Record, frozen=True, tag="zoneshare/seal-dispute/1"):
    """A drone's charge that a released result is wrong, its bond locked until it is judged or forfeit."""

    auction: Digest
    seat: Seat
    number: Positive
    """The task's place in the winner's chain."""
    bond: Amount
    at: Millis
    upheld: bool | None = None
    """None as long as it is open, and the bond locked."""
    owed: bool = False
    """It is decided, and the bond is still to be paid."""

    @property
    def held(self) -> int:
        """What it holds of the bond."""
        return self.bond if self.upheld is None or self.owed else 0


def classify(data: bytes) -> bytes:
    """One byte a sample: the class with the highest score, the lowest one of equals. Raises Malformed."""
    task = decode(Classify, data)
    if task.classes > 256 or len(task.weights) != 4 * task.classes * (task.features + 1):
        raise Malformed("a classifier has at most 256 classes, and weights for each", classes=task.classes)
    if not task.samples or len(task.samples) % task.features:
        raise Malformed("the samples are not whole", bytes=len(task.samples), features=task.features)
    if len(task.samples) * task.classes > MAX_WORK:
        raise LimitExceeded("too much to recompute", value=len(task.samples) * task.classes, limit=MAX_WORK)
    weights = np.frombuffer(task.weights, "<i4").reshape(task.classes, task.features + 1).astype(np.int64)
    samples = np.frombuffer(task.samples, np.uint8).reshape(-1, task.features)
    rows = max(1, _SCORES // task.classes)
    labels = b""
    for at in range(0, len(samples), rows):
        scores = samples[at : at + rows].astype(np.int64) @ weights[:, :-1].T + weights[:, -1]
        labels += scores.argmax(axis=1).astype(np.uint8).tobytes()
    return labels


KERNELS: Mapping[str, Callable[[bytes], bytes]] = {"classify": classify}
"""By name. Each raises RuleBroken for data that it cannot take."""


def compute(job: Job, data: bytes) -> bytes:
    """The job's result: what an honest winner sends. Raises NotFound for an unknown kernel, DataCorrupt for other data,
    LimitExceeded, and what the kernel raises."""
    if job.kernel not in KERNELS:
        raise NotFound("no such kernel", kernel=job.kernel)
    if len(data) > MAX_DATA:
        raise LimitExceeded("too much data to recompute", value=len(data), limit=MAX_DATA)
    if hashlib.sha256(data).digest() != job.data:
        raise DataCorrupt("these are not the job's data", bytes=len(data))
    return KERNELS[job.kernel](data)


def jobs_of(notice: Notice, tasks: Sequence[int]) -> tuple[bytes, ...]:
    """The jobs of these tasks (by id), or none where the notice has none. Raises Malformed for jobs of some only."""
    if not notice.jobs:
        return ()
    if len(notice.jobs) != len(notice.tasks):
        raise Malformed("a notice has a job for each task, or none", jobs=len(notice.jobs), tasks=len(notice.tasks))
    known = {task.id: job for task, job in zip(notice.tasks, notice.jobs, strict=True)}
    return tuple(known[task] for task in tasks)


class Evidence(NamedTuple):
    """What the drone shows of a disputed result, beside the encrypted result itself."""

    private: bytes
    """Its key to the notice's ``results_key``: 32 bytes. It opens this auction's results, and nothing else."""
    job: Job
    data: bytes


def is_wrong(encrypted: EncryptedResult, key: bytes, number: int, recipient: bytes, shown: Evidence) -> bool:
    """Whether a released result is not what its job gives; one that does not open is not.

    ``number``: the task's place in the chain. Raises BadProof for another private key or released key, NotAllowed for
    a job the winner did not say it computed, and what :func:`compute` raises.
    """
    opener = X25519PrivateKey.from_private_bytes(shown.private)
    if opener.public_key().public_bytes_raw() != recipient:
        raise BadProof("not the private key of the auction's results")
    place = number - encrypted.context.first
    if not 0 <= place < len(encrypted.context.jobs) or encrypted.context.jobs[place] != digest(shown.job):
        raise NotAllowed("the winner has not said that it computed this job", number=number)
    expected = compute(shown.job, shown.data)
    try:
        return unlock(encrypted, key, opener)[place] != expected
    except DataCorrupt:
        return True


def check_dispute(charge: Dispute, grace: int, last: int) -> None:
    """Raises TooLate unless it can be judged before ``last`` (T_clm)."""
    if charge.at + grace > last:
        raise TooLate("a dispute must be judged before claims end", now=charge.at, until=last - grace)


def judged(charge: Dispute, now: int, grace: int, *, upheld: bool) -> Dispute:
    """Raises NotAllowed for a second judgement, TooLate after the grace time."""
    _check_open(charge)
    if now > charge.at + grace:
        raise TooLate("the time to show the result is over", now=now, until=charge.at + grace)
    return replace(charge, upheld=upheld)


def forfeit(charge: Dispute, now: int, grace: int) -> Dispute:
    """What nobody has shown in time: the bond is the winner's. Raises NotAllowed, TooEarly."""
    _check_open(charge)
    if now <= charge.at + grace:
        raise TooEarly("the drone still has time to show the result", now=now, from_=charge.at + grace + 1)
    return replace(charge, upheld=False)


def paid(charge: Dispute) -> Dispute:
    """Raises NotAllowed unless the bond is still to be paid."""
    if not charge.owed:
        raise NotAllowed("nothing is owed of this dispute", upheld=charge.upheld)
    return replace(charge, owed=False)


def _check_open(charge: Dispute) -> None:
    if charge.upheld is not None:
        raise NotAllowed("the dispute is decided", upheld=charge.upheld)
