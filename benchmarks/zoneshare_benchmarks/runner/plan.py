"""A benchmark file, in YAML as Caliper has it: a test of rounds, each a workload at a controlled rate."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml

from zoneshare_protocols.errors import Misuse

MAX_WORKERS = 64
_Label = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class RateControl(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which controller, and its options; :mod:`zoneshare_benchmarks.runner.rates` knows them."""

    type: str
    opts: dict[str, Any] = {}


class WorkloadChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which workload, and its arguments."""

    module: str
    arguments: dict[str, Any] = {}


class Round(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """So many transactions, or so many seconds, of one workload."""

    label: _Label
    rate_control: RateControl
    workload: WorkloadChoice
    tx_number: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = None
    tx_duration: Annotated[float, msgspec.Meta(gt=0, le=86_400)] | None = None
    """Seconds."""
    description: str = ""

    def __post_init__(self) -> None:
        if (self.tx_number is None) == (self.tx_duration is None):
            raise ValueError(f"round {self.label} says either txNumber or txDuration")


class Workers(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Processes that send."""

    number: Annotated[int, msgspec.Meta(ge=1, le=MAX_WORKERS)] = 1
    type: str = "local"
    in_flight: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 256
    """Calls that one process has under way at most (ours)."""


class Benchmark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``seed`` (ours) makes the workload: the same seed, the same transactions."""

    name: str
    rounds: Annotated[tuple[Round, ...], msgspec.Meta(min_length=1)]
    workers: Workers = Workers()
    description: str = ""
    seed: int = 1

    def __post_init__(self) -> None:
        labels = [each.label for each in self.rounds]
        if len(set(labels)) != len(labels):
            raise ValueError("two rounds have the same label")
        if self.workers.type != "local":
            raise ValueError("workers are processes of this machine: type local")


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    test: Benchmark
    monitors: Any = None
    """Caliper's choice of what to watch; here every process is, always."""


def load(path: Path) -> Benchmark:
    """The test in a file. Raises Misuse, in one line, with the place of what is wrong."""
    try:
        found = yaml.safe_load(path.read_text())
        return msgspec.convert(found, _File).test
    except OSError as cause:
        raise Misuse(f"{path} cannot be read: {cause.strerror}") from cause
    except (yaml.YAMLError, msgspec.ValidationError, ValueError) as cause:
        raise Misuse(f"{path} is not a benchmark file: {' '.join(str(cause).split())}") from cause


def chosen(test: Benchmark, labels: list[str] | None) -> tuple[Round, ...]:
    """The rounds with these labels, all without. Raises Misuse for a label that no round has."""
    if not labels:
        return test.rounds
    known = {each.label: each for each in test.rounds}
    for label in labels:
        if label not in known:
            raise Misuse(f"no round is called {label!r}; there are {', '.join(known)}")
    return tuple(known[label] for label in labels)
