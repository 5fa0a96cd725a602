"""Growth with its exponents, and the model of a city from what was just measured."""

from functools import partial
from typing import NamedTuple

from zoneshare_benchmarks.channels import updates_in_memory
from zoneshare_benchmarks.growth import city as model
from zoneshare_benchmarks.growth.sizes import OPERATIONS, Reading, grow
from zoneshare_benchmarks.report.page import Part, Picture, Section, Table, Text
from zoneshare_benchmarks.report.pictures import lines
from zoneshare_benchmarks.report.steps import Mode, Step
from zoneshare_benchmarks.seal_growth import Power, fit

WORSE = 1.15
"""An exponent above this, over two decades and more, is worse than n log n."""


class _Kind(NamedTuple):
    name: str
    title: str
    quick: tuple[int, ...]
    full: tuple[int, ...]
    seconds: float
    long: float
    """Seconds in full mode."""


_KINDS = (
    _Kind("zones", "Growth: zones", (1, 2, 4), (1, 2, 4, 8), 15, 40),
    _Kind("devices", "Growth: devices", (50, 150, 500), (100, 1_000, 10_000, 100_000), 18, 1500),
    _Kind("channels", "Growth: open channels", (30, 100, 300), (100, 1_000, 10_000), 25, 220),
    _Kind("blocks", "Growth: blocks", (300, 1000, 3000), (1_000, 10_000, 100_000), 25, 450),
)


def _make(kind: _Kind, mode: Mode) -> Section:
    readings = grow(kind.name, kind.full if mode.full else kind.quick)
    return Section(kind.title, parts(kind.name, readings))


def parts(name: str, readings: list[Reading]) -> list[Part]:
    """A table, the exponents, and a plot of them."""
    start, grown = (readings[0], readings[1:]) if readings[0].size == 0 else (None, readings)
    sizes = [float(each.size) for each in grown]
    before = 0 if start is None else start.ledger
    powers = {
        "time in all": _power(sizes, [each.total for each in grown]),
        "bytes added to the ledgers": _power(sizes, [float(max(1, each.ledger - before)) for each in grown]),
        "memory": _power(sizes, [each.memory for each in grown]),
        "a transfer": _power(sizes, [each.operation for each in grown]),
    }
    fitted = ", ".join(f"{what} {name}^{power.exponents[0]:.2f}" for what, power in powers.items())
    worse = [what for what, power in powers.items() if power.exponents[0] > WORSE]
    judged = f"Worse than n log n: {', '.join(worse)}." if worse else "Nothing is worse than n log n."
    heads = (name, "CPU s in all", "a transfer, CPU ms", "a query, CPU ms", "memory, MB", "ledgers, MB")
    rows = tuple(
        (each.size, f"{each.total:.2f}", f"{each.operation:.2f}", f"{each.query:.2f}", f"{each.memory:.0f}",
         f"{each.ledger / 1e6:.2f}")
        for each in readings
    )  # fmt: skip
    series = {
        "CPU s in all": (sizes, [each.total for each in grown]),
        "ledgers, MB": (sizes, [each.ledger / 1e6 for each in grown]),
        "memory, MB": (sizes, [each.memory for each in grown]),
        "a transfer, ms": (sizes, [each.operation for each in grown]),
    }
    return [
        Picture(lines(series, name, "", log=True), f"Growth with {name}"),
        Table(heads, rows),
        Text(f"Fitted over the sizes measured: {fitted}. {judged} One embedded Fabric in one process: both "
             "organisations' peers, the orderer and the clients together."),
    ]  # fmt: skip


def _power(sizes: list[float], values: list[float]) -> Power:
    return fit([(size,) for size in sizes], values)


def _city(mode: Mode) -> Section:
    """The costs are measured first: a write of a channel with its part of the proofs, on an embedded Fabric, and an
    update.
    """
    _, first, last = grow("channels", (20, 320 if mode.full else 120))
    update = updates_in_memory()
    writes = sum(model.OPENING_WRITES.values()) * (last.size - first.size)
    costs = model.Costs(
        transaction=(last.total - first.total) / writes * 1e3,
        chunk=1e3 / update.parts["updates/s"] / 2,
        bytes=(last.ledger - first.ledger) / (writes + OPERATIONS),
    )
    city = model.City(10_000)
    most = model.most_devices(city, costs)
    rows = []
    for part in (0.01, 0.1, 0.5, 0.9, 0.99, 1.1):
        devices = max(1, int(most / model.FULL * part))
        sized = model.City(devices)
        found, (p50, p99) = model.load(sized, costs), model.waiting(sized, costs)
        rows.append(
            (f"{devices:,}", f"{found.zone:.1%}", f"{found.registry:.1%}", f"{found.device:.2%}", f"{p50:.1f}",
             f"{p99:.1f}", f"{found.gigabytes_a_day:.2f}", f"{1000 / found.gigabytes_a_day:,.0f}", found.wall)
        )  # fmt: skip
    heads = (
        "devices", "a zone's ledger busy", "the registry's", "a device", "a transaction, median ms", "p99 ms",
        "GB a day and zone", "days to fill 1 TB", "busiest",
    )  # fmt: skip
    moved = tuple((name, f"{devices:,}") for name, devices in model.movers(city, costs))
    return Section(
        "A city, modelled",
        [
            Text(
                f"Simulated, from costs measured in this run: {costs.transaction:.2f} ms of one core a ledger "
                f"transaction (both organisations' peers, orderer and client on one machine: a peer alone has less), "
                f"{costs.chunk:.2f} ms a side and chunk, {costs.bytes / 1e3:.1f} kB a transaction on the ledger. "
                f"{city.zones} zones; each device buys {city.trades:g} times an hour, {city.chunks} chunks, each trade "
                f"with a channel of its own ({city.writes:g} writes), and changes its zone every "
                f"{60 / city.moves:.0f} minutes. Radio and the store are not in it."
            ),
            Table(heads, tuple(rows), "From small to overloaded"),
            Table(("change", f"devices until a ledger is {model.FULL:.0%} busy"), moved, "What moves the wall"),
            Text(
                f"The first wall is {model.load(model.City(most), costs).wall}, at {most:,} devices. Chunks never meet "
                "the ledger, so that their number moves no wall but the devices' own."
            ),
        ],
    )


STEPS = (
    *(Step(f"growth-{kind.name}", kind.title, partial(_make, kind), kind.seconds, kind.long) for kind in _KINDS),
    Step("city", "A city, modelled", _city, 15, 40),
)
