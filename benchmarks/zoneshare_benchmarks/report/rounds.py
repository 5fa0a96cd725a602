"""The page of one launch: a table of its rounds, and for each its latency, its course, and what it cost."""

from zoneshare_benchmarks.report.page import Part, Picture, Problem, Section, Table, Text, render
from zoneshare_benchmarks.report.pictures import histogram, lines
from zoneshare_benchmarks.runner.book import BenchmarkResult
from zoneshare_benchmarks.runner.outcome import Latency, RoundResult

_HEADS = (
    "round", "workload", "control", "run", "sent", "ok", "conflicts", "of those final", "refused", "failed", "unsent",
    "asked /s", "sent /s", "rate error", "ok /s", "p50 ms", "p90 ms", "p99 ms", "max ms", "runner CPU",
)  # fmt: skip


def page(result: BenchmarkResult) -> str:
    """A page that stands alone."""
    header = result.header
    intro = [header.test.description, f"Target: {header.target}; seed {header.test.seed}.", header.machine.line]
    return render(header.test.name, [line for line in intro if line], sections(result))


def sections(result: BenchmarkResult) -> list[Section]:
    """The table of all rounds, then one section a round."""
    first = Section("Rounds", [Table(_HEADS, tuple(_row(each) for each in result.rounds))])
    first.parts.append(
        Text(
            "Latencies count from the moment a transaction was intended, and those never sent count with the time they "
            "had waited. Conflicts are MVCC conflicts with their retries, refusals are contracts' own errors, failures "
            "are the ledger's or the network's."
        )
    )
    if result.stopped:
        first.parts.append(Problem(f"Not all rounds were run: {result.stopped}"))
    return [first, *(_section(each) for each in result.rounds)]


def _row(each: RoundResult) -> tuple[str | int | float, ...]:
    return (
        each.label, each.module, each.controller, each.run + 1, each.sent, each.succeeded, each.conflicts,
        each.conflicted, each.refused, each.failed, each.unsent, "-" if each.asked is None else f"{each.asked:g}",
        f"{each.send_rate:.1f}", "-" if each.rate_error is None else f"{each.rate_error:+.2%}",
        f"{each.throughput:.1f}", f"{each.latency.p50:.1f}", f"{each.latency.p90:.1f}", f"{each.latency.p99:.1f}",
        f"{each.latency.max:.1f}", f"{each.runner_cpu:.1f} %",
    )  # fmt: skip


def _section(each: RoundResult) -> Section:
    parts: list[Part] = []
    if each.kept is False:
        parts.append(Problem(f"The rate was not kept: asked {each.asked:g} a second, sent {each.send_rate:.1f}."))
    if each.unsent:
        parts.append(Problem(f"Overloaded: {each.unsent} transactions were due and never begun."))
    if each.kinds:
        told = ", ".join(f"{number} {kind}" for kind, number in each.kinds.items())
        parts.append(Text(f"Errors: {told}. {each.example}"))
    if each.histogram.counts:
        parts.append(Picture(histogram(each.histogram.edges, each.histogram.counts, "latency, ms"), "Latency"))
    heads = ("latency, ms", "min", "mean", "p50", "p90", "p99", "max")
    parts.append(
        Table(
            heads,
            (("from the intended time", *_cells(each.latency)), ("from the call's begin", *_cells(each.service))),
        )
    )
    if len(each.timeline) > 1:
        course = {"successful a second": (list(range(len(each.timeline))), list(each.timeline))}
        parts.append(Picture(lines(course, "s", "transactions"), "Course of the round"))
    rows = tuple((name, f"{u.cpu:.1f}", f"{u.peak:.1f}", f"{u.rss:.0f}") for name, u in each.resources.items())
    parts.append(Table(("process", "CPU, % of a core", "largest", "memory, MB"), rows))
    parts.append(Text(f"All cores together, whoever used them: {each.machine_cpu:.0f} % busy."))
    return Section(f"{each.label}, run {each.run + 1}", parts)


def _cells(latency: Latency) -> tuple[str, ...]:
    return tuple(
        f"{each:.2f}" for each in (latency.min, latency.mean, latency.p50, latency.p90, latency.p99, latency.max)
    )
