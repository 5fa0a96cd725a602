"""Rate controllers: when each transaction is to be sent. Pure; times are seconds from the round's start.

An open loop gives every transaction its intended time, whatever the ledger does. A load keeps so many under way. A
ramp sends at a rate that rises while more comes through. Rates and loads are those of all workers together.
"""

import itertools
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoneshare_benchmarks.runner.plan import Round
from zoneshare_protocols.errors import Misuse

MAX_TPS = 100_000.0
_FORMATS = ("TEXT", "BIN_BE", "BIN_LE")


@dataclass(frozen=True)
class Seat:
    """One worker among all: ``index`` from 0; ``round`` from 0, as Caliper's file names count rounds from it."""

    index: int = 0
    workers: int = 1
    round: int = 0

    def share(self, total: int) -> int:
        """Its part of ``total`` things that are dealt out one after another."""
        return len(range(self.index, total, self.workers))


@dataclass(frozen=True)
class OpenLoop:
    """``offsets`` never ends, or ends the round. ``asked``: mean rate of all workers, if it is one."""

    offsets: Iterator[float]
    asked: float | None


@dataclass(frozen=True)
class Load:
    """``under_way`` transactions of this worker at any time; each is intended when the one before it is over."""

    under_way: int


@dataclass
class Ramp:
    """This worker's rate, which :meth:`observe` moves as Caliper's maximum-rate does."""

    tps: float
    step: float
    interval: float
    include_failed: bool
    _before: float = 0.0

    def observe(self, achieved: float) -> None:
        """The rate of a sample: on while it rises, back and by half the step when it does not."""
        if achieved > self._before:
            self.tps += self.step
        else:
            self.tps = max(self.tps - self.step, self.step)
            self.step = self.step / 2 if self.step > 0.2 else self.step
        self._before = achieved


Controller = OpenLoop | Load | Ramp


def controller(round_: Round, seat: Seat, base: Path) -> Controller:
    """The round's controller for one worker. ``base``: where relative paths start. Raises Misuse."""
    kind, opts = round_.rate_control.type, dict(round_.rate_control.opts)
    makers: dict[str, Callable[[dict[str, Any], Round, Seat, Path], Controller]] = {
        "fixed-rate": _fixed_rate,
        "fixed-load": _fixed_load,
        "linear-rate": _linear_rate,
        "maximum-rate": _maximum_rate,
        "replay-rate": _replay_rate,
    }
    if kind not in makers:
        raise Misuse(f"no rate controller is called {kind!r}; there are {', '.join(makers)}", round=round_.label)
    made = makers[kind](opts, round_, seat, base)
    if opts:
        raise Misuse(f"{kind} has no option {next(iter(opts))!r}", round=round_.label)
    return made


def _fixed_rate(opts: dict[str, Any], round_: Round, seat: Seat, _: Path) -> OpenLoop:
    tps = _rate(opts, "tps", round_, 10.0)
    return OpenLoop((number / tps for number in itertools.count(seat.index, seat.workers)), tps)


def _fixed_load(opts: dict[str, Any], round_: Round, seat: Seat, _: Path) -> Load:
    opts.pop("startTps", None)  # Caliper's first guess of a rate, which a true load does not need
    load = opts.pop("transactionLoad", 10)
    if not isinstance(load, int) or isinstance(load, bool) or not seat.workers <= load <= 1 << 16:
        raise Misuse(f"transactionLoad is a whole number, at least one for each worker: {load!r}", round=round_.label)
    return Load(seat.share(load))


def _linear_rate(opts: dict[str, Any], round_: Round, seat: Seat, _: Path) -> OpenLoop:
    start, finish = _rate(opts, "startingTps", round_), _rate(opts, "finishingTps", round_)
    span = round_.tx_duration or 2 * (round_.tx_number or 0) / (start + finish)
    gain = (finish - start) / span

    def at(number: int) -> float:
        # Transactions sent until t are start t + gain t^2 / 2.
        if not gain:
            return number / start
        inside = start * start + 2 * gain * number
        return (math.sqrt(inside) - start) / gain if inside >= 0 else math.inf

    numbers = itertools.count(seat.index, seat.workers)
    return OpenLoop(itertools.takewhile(math.isfinite, map(at, numbers)), (start + finish) / 2)


def _maximum_rate(opts: dict[str, Any], round_: Round, seat: Seat, _: Path) -> Ramp:
    tps, step = _rate(opts, "tps", round_, 5.0), _rate(opts, "step", round_, 5.0)
    interval = _rate(opts, "sampleInterval", round_, 10.0)
    return Ramp(tps / seat.workers, step / seat.workers, interval, bool(opts.pop("includeFailed", True)))


def _replay_rate(opts: dict[str, Any], round_: Round, seat: Seat, base: Path) -> OpenLoop:
    template, form = opts.pop("pathTemplate", None), str(opts.pop("inputFormat", "TEXT")).upper()
    pause = _rate(opts, "defaultSleepTime", round_, 20.0) / 1e3
    opts.pop("logWarnings", None)
    if not isinstance(template, str) or form not in _FORMATS:
        raise Misuse(f"replay-rate has a pathTemplate, and an inputFormat of {', '.join(_FORMATS)}", round=round_.label)
    own = "<c>" in template.lower()
    name = template
    for mark, value in (("<C>", seat.index + 1), ("<R>", seat.round), ("<c>", seat.index + 1), ("<r>", seat.round)):
        name = name.replace(mark, str(value))
    times = _trace(base / name, form)
    if not own:
        times = times[seat.index :: seat.workers]
    last = times[-1] if times else 0.0
    after = (last + pause * number for number in itertools.count(1))
    return OpenLoop(itertools.chain(times, after), None)


def _trace(path: Path, form: str) -> Sequence[float]:
    """Milliseconds a line, or as Caliper records them: a count, then 32-bit numbers."""
    try:
        data = path.read_bytes()
        if form == "TEXT":
            found = [int(line) / 1e3 for line in data.decode().split()]
        else:
            order = ">" if form == "BIN_BE" else "<"
            (count,) = struct.unpack_from(f"{order}I", data)
            found = [each / 1e3 for each in struct.unpack_from(f"{order}{count}I", data, 4)]
    except OSError as cause:
        raise Misuse(f"the trace {path} cannot be read: {cause.strerror}") from cause
    except (ValueError, struct.error) as cause:
        raise Misuse(f"{path} is no trace in the format {form}: {cause}") from cause
    if any(later < earlier for earlier, later in itertools.pairwise(found)):
        raise Misuse(f"the times in the trace {path} do not rise")
    return found


def _rate(opts: dict[str, Any], name: str, round_: Round, default: float | None = None) -> float:
    value = opts.pop(name, default)
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    if not usable or not 0 < value <= MAX_TPS:
        raise Misuse(f"{name} is a number above 0, at most {MAX_TPS:g}: {value!r}", round=round_.label)
    return float(value)
