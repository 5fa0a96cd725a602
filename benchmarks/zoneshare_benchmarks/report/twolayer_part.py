"""The two-layer paper's Table 1 and Fig. 5, beside the paper's values."""

from collections.abc import Sequence
from statistics import fmean, median, pstdev

from zoneshare_benchmarks.links import kernel
from zoneshare_benchmarks.report.page import Part, Picture, Section, Table, Text
from zoneshare_benchmarks.report.pictures import boxes, lines
from zoneshare_benchmarks.report.steps import Mode, Step
from zoneshare_benchmarks.twolayer import fig5, paper, table1

TABLE_1 = "Two-layer sharing, Table 1"
FIG_5 = "Two-layer sharing, Fig. 5"


def make_table1(mode: Mode) -> Section:
    """All settings: 100 chunks, 100 channels, and 20 with the ledger linked too in full mode; else 4, 2 and 2."""
    chunks, channels, linked = (100, 100, 20) if mode.full else (4, 2, 2)
    found = table1.table(chunks, channels, linked, mode.network)
    rows = [row for setting, measured in found.items() for row in _rows(setting, measured)]
    heads = ("setting", "", *paper.HEADS, "update with upload", "a chunk, 16 under way", "create, ledger linked too")
    parts: list[Part] = [
        Table(heads, tuple(rows), "ms; ours: mean ± standard deviation, keys: median"),
        Text(
            f"{chunks} chunks of 100 kB and {channels} channels a setting, {linked} more with the ledger linked too; "
            f"all settings side by side, since they wait for their links. {_legs(found)}"
        ),
        Text(f"Control groups: {'; '.join(sorted({measured.cpu for measured in found.values()}))}."),
        Text(f"Links: emulated in user space. {kernel.netem() or 'This kernel has netem, which is not used.'}"),
        *(Text(line) for line in paper.DIFFERENCES),
    ]
    return Section(TABLE_1, parts)


def _rows(setting: paper.Setting, ours: table1.Measured) -> Sequence[tuple[str, ...]]:
    theirs = paper.TABLE1[setting]
    first = (
        setting.name, "the paper", *(f"{value:.2f}" for value in theirs[:4]), f"{theirs.update - theirs.upload:.0f} *",
        f"{theirs.download:.2f}", f"{theirs.update:.2f}", "-", "-",
    )  # fmt: skip
    both = [a + b for a, b in zip(ours.upload, ours.update, strict=False)]
    second = (
        "", "ours", f"{median(ours.keygen_a):.2f}", f"{median(ours.keygen_b):.2f}", _spread(ours.create),
        _spread(ours.upload), _spread(ours.update), _spread(ours.download), _spread(both), f"{ours.pipelined:.0f}",
        _spread(ours.create_all),
    )  # fmt: skip
    return first, second


def _spread(values: Sequence[float]) -> str:
    return f"{fmean(values):.0f} ± {pstdev(values):.0f}" if values else "-"


def _legs(found: dict[paper.Setting, table1.Measured]) -> str:
    """In one-way delays, since absolute times are the link's."""
    setting = next(iter(found))
    ours, theirs = found[setting], paper.TABLE1[setting]
    spoken = [
        f"{name} {fmean(mine) / setting.delay:.1f} (the paper {other / setting.delay:.1f})"
        for name, mine, other in (
            ("creating a channel", ours.create, theirs.create),
            ("an upload", ours.upload, theirs.upload),
            ("an update without its upload", ours.update, theirs.update - theirs.upload),
            ("a download", ours.download, theirs.download),
        )
    ]
    return f"In one-way delays, first setting: {', '.join(spoken)}. * The paper's update less its upload."


def make_fig5(mode: Mode) -> Section:
    """10 to 60 devices, and 100 in full mode."""
    devices, chunks = ((10, 20, 30, 40, 50, 60, 100), 20) if mode.full else ((10, 30, 60), 5)
    points = fig5.measure(devices, chunks, mode.network)
    ways = (fig5.ON, fig5.NONE, fig5.OURS)
    by_way = {way: [each for each in points if each.way == way] for way in ways}
    average = {way: ([p.devices for p in own], [p.exchange for p in own]) for way, own in by_way.items()}
    average["ours, opening and upload too"] = (
        [p.devices for p in by_way[fig5.OURS]], [p.average for p in by_way[fig5.OURS]],
    )  # fmt: skip
    sixty = {p.way: p.latencies for p in points if p.devices == 60}
    rows = tuple(
        (p.way, p.devices, f"{p.exchange:.0f}", f"{p.average:.0f}", f"{median(p.latencies):.0f}") for p in points
    )
    link = fig5.LINK
    return Section(
        FIG_5,
        [
            Picture(lines(average, "devices", "ms a chunk"), "Fig. 5a: average time of a chunk"),
            Picture(boxes(sixty, "ms"), "Fig. 5b: latency of a chunk with 60 devices"),
            Table(("way", "devices", "ms a chunk", "whole trade, ms a chunk", "median latency"), rows),
            Text(
                f"Half of the devices buy {chunks} chunks of 100 kB each from the other half, all at the same time, "
                f"over links of {link.mbit:g} Mb/s and {link.delay_ms:g} ms one way. On the blockchain each chunk "
                "waits for a confirmed transfer; without blockchain it is one HTTP request with a signed voucher; ours "
                "is the channel with one chunk at a time, although it can have 16 under way. The ledger is not behind "
                "the links, which favours the first. All devices share this machine, so that growth with their number "
                "is the machine's as well."
            ),
            Text(
                f"A whole trade has its channel, its commitment and its upload in it, here shared by {chunks} chunks "
                "only; the other two have nothing before their first chunk."
            ),
            Text(
                "The paper gives Fig. 5 as curves without values: ours is near non-blockchain and grows linearly, "
                "on-blockchain is above both."
            ),
        ],
    )


STEPS = (
    Step("two-layer-table-1", TABLE_1, make_table1, 80, 1200),
    Step("two-layer-fig-5", FIG_5, make_fig5, 70, 450),
)
