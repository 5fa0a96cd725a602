"""The one report: step after step, each kept when it is done, none lost by another's failure."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from zoneshare_benchmarks.report.page import Part, Problem, Section, Table, render
from zoneshare_benchmarks.report.steps import Mode, Step
from zoneshare_benchmarks.runner.machine import Machine, machine
from zoneshare_protocols.errors import Misuse, ZoneshareError

QUICK_S = 575.0
"""A quick report's time."""
PAGE, DONE = "report.html", "steps"
_START = "report.json"


class Start(msgspec.Struct, frozen=True):
    """What a report's folder is of; it goes on only with the same."""

    full: bool
    network: str
    machine: Machine


class Kept(msgspec.Struct, frozen=True):
    """A step's section, and what it took. ``failed``: it is tried again when the report goes on."""

    section: Section
    seconds: float
    failed: bool = False


class Progress(NamedTuple):
    """``left``: seconds, from what the steps took so far against what was foreseen."""

    step: str
    done: int
    steps: int
    left: float


Show = Callable[[Progress], None]


def begin(folder: Path, mode: Mode, resume: bool) -> Start:
    """Raises Misuse where there is a report already and not to ``resume``, or one of something else."""
    wanted = Start(mode.full, str(mode.network or ""), machine())
    path = folder / _START
    if not path.exists():
        try:
            (folder / DONE).mkdir(parents=True, exist_ok=True)
            _write(path, wanted)
        except OSError as cause:
            raise Misuse(f"a report cannot be kept in {folder}: {cause.strerror}") from cause
        return wanted
    if not resume:
        raise Misuse(f"{folder} has a report already: --resume goes on with it, --out names another folder")
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Start)
    except msgspec.MsgspecError as cause:
        raise Misuse(f"{path} is damaged: {cause}") from cause
    if (found.full, found.network) != (wanted.full, wanted.network):
        raise Misuse(f"the report in {folder} is of another mode or network")
    return found


def make(folder: Path, mode: Mode, steps: Sequence[Step], show: Show = lambda _: None) -> list[str]:
    """Run the steps that are missing, and write the page after each. The names of those that failed."""
    started, foreseen, spent = time.monotonic(), 0.0, 0.0
    kept = {step.name: found for step in steps if (found := _kept(folder, step)) is not None}
    for step in steps:
        if step.name in kept:
            continue
        pace = spent / foreseen if foreseen else 1.0
        missing = [other for other in steps if other.name not in kept]
        show(Progress(step.title, len(kept), len(steps), pace * sum(other.foreseen(mode) for other in missing)))
        room = QUICK_S - (time.monotonic() - started)
        if not mode.full and step.seconds * max(1.0, pace) > room:
            kept[step.name] = Kept(_left_out(step), 0.0, failed=True)
        else:
            kept[step.name] = _run(step, mode)
            foreseen, spent = foreseen + step.foreseen(mode), spent + kept[step.name].seconds
        _write(folder / DONE / f"{step.name}.json", kept[step.name])
        write_page(folder, steps)
    return [step.title for step in steps if kept[step.name].failed]


def write_page(folder: Path, steps: Sequence[Step]) -> None:
    """The page of what is there."""
    start = msgspec.json.decode((folder / _START).read_bytes(), type=Start)
    mode = "full" if start.full else "quick: fewer runs and smaller sizes than the papers'; make bench-full has them"
    intro = [f"Mode: {mode}.", start.machine.line]
    kept = [found for step in steps if (found := _kept(folder, step, failed=True)) is not None]
    sections: dict[str, Section] = {}
    for each in kept:
        section = sections.setdefault(each.section.title, Section(each.section.title, []))
        for part in each.section.parts:
            _add(section.parts, part)
    draft = folder / f".{PAGE}"
    draft.write_text(render("zoneshare: measured", intro, list(sections.values())))
    draft.replace(folder / PAGE)


def _add(parts: list[Part], part: Part) -> None:
    """Rows of the same table go on with it."""
    last = parts[-1] if parts else None
    if isinstance(last, Table) and isinstance(part, Table) and (last.heads, last.caption) == (part.heads, part.caption):
        parts[-1] = Table(last.heads, (*last.rows, *part.rows), last.caption)
    else:
        parts.append(part)


def _run(step: Step, mode: Mode) -> Kept:
    started = time.monotonic()
    try:
        section, failed = step.make(mode), False
    except Exception as error:  # noqa: BLE001  # whatever it is, the other steps are not lost
        words = str(error) if isinstance(error, ZoneshareError) else f"{type(error).__name__}: {error}"
        section, failed = Section(step.title, [Problem(f"{step.name} failed: {' '.join(words.split())}")]), True
    return Kept(section, time.monotonic() - started, failed)


def _left_out(step: Step) -> Section:
    return Section(step.title, [Problem(f"{step.name} was left out: the quick report's time was over.")])


def _kept(folder: Path, step: Step, *, failed: bool = False) -> Kept | None:
    """What is kept of a step; of one that failed only if asked."""
    try:
        found = msgspec.json.decode((folder / DONE / f"{step.name}.json").read_bytes(), type=Kept)
    except (OSError, msgspec.MsgspecError):
        return None
    return found if failed or not found.failed else None


def _write(path: Path, value: Start | Kept) -> None:
    draft = path.with_name(f".{path.name}")
    draft.write_bytes(msgspec.json.encode(value))
    draft.replace(path)
