"""A run's folder: every finished round in a journal at once, so that kill -9 loses the round under way at most."""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from zoneshare_benchmarks.runner.machine import Machine
from zoneshare_benchmarks.runner.outcome import RoundResult
from zoneshare_benchmarks.runner.plan import Benchmark
from zoneshare_protocols.errors import Misuse

JOURNAL, RESULT = "rounds.jsonl", "result.json"


class Header(msgspec.Struct, frozen=True):
    """What the results of a folder are of; a run goes on only with the same."""

    test: Benchmark
    target: str
    repeat: int
    machine: Machine
    format: int = 1


class BenchmarkResult(msgspec.Struct, frozen=True):
    """A whole run. ``stopped``: why rounds are missing, or empty."""

    header: Header
    rounds: tuple[RoundResult, ...]
    stopped: str = ""


class Book:
    """The journal of one folder."""

    def __init__(self, folder: Path, header: Header, rounds: Sequence[RoundResult]) -> None:
        self.folder, self.header = folder, header
        self.rounds = list(rounds)

    @classmethod
    def open(cls, folder: Path, header: Header, resume: bool) -> "Book":
        """Raises Misuse where there are results and not to ``resume``, or results of something else."""
        path = folder / JOURNAL
        if not path.exists():
            try:
                folder.mkdir(parents=True, exist_ok=True)
                book = cls(folder, header, ())
                _append(path, header)
            except OSError as cause:
                raise Misuse(f"results cannot be kept in {folder}: {cause.strerror}") from cause
            return book
        if not resume:
            raise Misuse(f"{folder} has results already: --resume goes on with them, --out names another folder")
        first, rounds = _read(path)
        same = msgspec.structs.replace(first, machine=header.machine) == header
        if not same:
            raise Misuse(f"the results in {folder} are of another file, target, seed or number of runs")
        return cls(folder, first, rounds)

    def done(self, label: str, run: int) -> bool:
        return any((each.label, each.run) == (label, run) for each in self.rounds)

    def add(self, result: RoundResult) -> None:
        """On disk when this returns."""
        _append(self.folder / JOURNAL, result)
        self.rounds.append(result)

    def finish(self, stopped: str = "") -> BenchmarkResult:
        """Write the result file of what there is."""
        result = BenchmarkResult(self.header, tuple(self.rounds), stopped)
        data = msgspec.json.format(msgspec.json.encode(result), indent=2)
        draft = self.folder / f".{RESULT}"
        draft.write_bytes(data + b"\n")
        draft.replace(self.folder / RESULT)
        return result


def load(path: Path) -> BenchmarkResult:
    """A result file, or the folder it is in. Raises Misuse."""
    path = path / RESULT if path.is_dir() else path
    try:
        return msgspec.json.decode(path.read_bytes(), type=BenchmarkResult)
    except OSError as cause:
        raise Misuse(f"{path} cannot be read: {cause.strerror}") from cause
    except msgspec.MsgspecError as cause:
        raise Misuse(f"{path} is no result of zoneshare bench launch: {cause}") from cause


def _append(path: Path, row: Header | RoundResult) -> None:
    with path.open("ab") as file:
        file.write(msgspec.json.encode(row) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> tuple[Header, list[RoundResult]]:
    """A last line that was cut short by a crash is dropped from the file as well."""
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    try:
        first, *rest = whole.splitlines()
        header = msgspec.json.decode(first, type=Header)
        return header, [msgspec.json.decode(line, type=RoundResult) for line in rest]
    except (ValueError, msgspec.MsgspecError) as cause:
        raise Misuse(f"{path} is damaged: {cause}") from cause
