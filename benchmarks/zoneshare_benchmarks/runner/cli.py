"""``zoneshare bench launch`` and ``compare``."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from zoneshare.cli.common import Json, columns
from zoneshare_benchmarks.runner import plan, site
from zoneshare_benchmarks.runner.book import RESULT, BenchmarkResult, Book, Header, load
from zoneshare_benchmarks.runner.compare import compare
from zoneshare_benchmarks.runner.machine import machine
from zoneshare_benchmarks.runner.manager import Run, Show, Step, check, launch
from zoneshare_benchmarks.runner.outcome import RoundResult
from zoneshare_protocols.errors import Misuse

REPORT = "report.html"


def register(app: typer.Typer) -> None:
    """Add the runner's commands."""
    app.command("launch")(launch_)
    app.command("compare")(compare_)
    app.command("report")(report_)


def launch_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A benchmark file, as Caliper has them.")],
    target: Annotated[
        str, typer.Option(metavar="WHERE", help="embedded, in-process, null, or the folder of a running network.")
    ] = site.EMBEDDED,
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the results go.")] = Path("bench-results"),
    rounds: Annotated[list[str] | None, typer.Option("--round", metavar="LABEL", help="Only these rounds.")] = None,
    repeat: Annotated[int, typer.Option(min=1, max=1000, help="Runs of every round, for the noise.")] = 1,
    seed: Annotated[int | None, typer.Option(help="Another seed than the file's.")] = None,
    module: Annotated[
        list[str] | None, typer.Option(metavar="NAME=OURS", help="Run this workload where the file says NAME.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what DIR has.")] = False,
    as_json: Json = False,
) -> None:
    """Run a benchmark file: results in DIR/result.json, and a report that stands alone in DIR/report.html.

    Example: zoneshare bench launch benchmarks/files/transfer.yaml --out results
    """
    test = _replaced(plan.load(file), seed, module or [])
    run = Run(test, plan.chosen(test, rounds), target, file.parent, repeat)
    check(run)
    book = Book.open(out, Header(test, target, repeat, machine()), resume)
    try:
        with _progress() as show:
            launch(run, book, show)
    finally:
        result = load(out)
        _report(result, out)
        typer.echo(json.dumps(msgspec.to_builtins(result), indent=2) if as_json else table(result.rounds))
        if not as_json:
            typer.echo(f"{out / RESULT}  {out / REPORT}")


def compare_(
    first: Annotated[Path, typer.Argument(metavar="A", help="A result, or its folder.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another.")],
    as_json: Json = False,
) -> None:
    """Two results side by side: B over A, and the noise of repeated runs.

    Example: zoneshare bench compare before after
    """
    lines = compare(load(first), load(second))
    if as_json:
        typer.echo(json.dumps([{**each._asdict(), "differs": each.differs} for each in lines], indent=2))
        return
    said = {True: "differs", False: "within noise", None: "-"}
    rows = [
        (
            each.label, each.quantity, f"{each.first:,.4g}", f"{each.second:,.4g}",
            "-" if each.ratio is None else f"{each.ratio:.3f}",
            "-" if each.noise is None else f"{each.noise:.1%}", said[each.differs],
        )
        for each in lines
    ]  # fmt: skip
    typer.echo(columns(("round", "quantity", "A", "B", "B/A", "noise", ""), rows))


def report_(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the report goes.")] = Path("bench-report"),
    network: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A running network, instead of an embedded one of its own.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option("--only", metavar="STEP", help="Only these steps.")] = None,
    *,
    full: Annotated[bool, typer.Option("--full", help="As large as the papers: takes two hours.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what DIR has.")] = False,
) -> None:
    """Every table and figure of the papers beside ours, growth, goals and peers, in one page that stands alone.

    Example: zoneshare bench report --out bench-report
    """
    from zoneshare_benchmarks.report import steps, whole

    known = {step.name: step for step in steps.steps(full)}
    for name in only or ():
        if name not in known:
            raise Misuse(f"no step is called {name!r}; there are {', '.join(known)}")
    chosen = [known[name] for name in only or known]
    mode = steps.Mode(full, network)
    whole.begin(out, mode, resume)
    console = Console(stderr=True)

    def show(at: whole.Progress) -> None:
        left = f"about {at.left / 60:.0f} min left" if at.left > 90 else f"about {at.left:.0f} s left"
        console.print(f"{at.done + 1} of {at.steps}: {at.step} ({left})", style="dim", highlight=False)

    failed = whole.make(out, mode, chosen, show)
    whole.write_page(out, list(known.values()))
    typer.echo(out / whole.PAGE)
    if failed:
        typer.echo(f"missing, and tried again with --resume: {', '.join(sorted(set(failed)))}", err=True)


def table(rounds: tuple[RoundResult, ...]) -> str:
    """One row a round."""
    heads = (
        "round", "run", "sent", "ok", "conflicts", "refused", "failed", "unsent", "asked/s", "sent/s", "ok/s",
        "p50 ms", "p99 ms", "runner CPU",
    )  # fmt: skip
    rows = [
        (
            each.label, each.run + 1, each.sent, each.succeeded, each.conflicts, each.refused, each.failed, each.unsent,
            "-" if each.asked is None else f"{each.asked:g}",
            f"{each.send_rate:.1f}{'' if each.kept in (True, None) else ' NOT KEPT'}", f"{each.throughput:.1f}",
            f"{each.latency.p50:.1f}", f"{each.latency.p99:.1f}", f"{each.runner_cpu:.1f} %",
        )
        for each in rounds
    ]  # fmt: skip
    return columns(heads, rows)


def _report(result: BenchmarkResult, out: Path) -> None:
    from zoneshare_benchmarks.report.rounds import page

    (out / REPORT).write_text(page(result))


def _replaced(test: plan.Benchmark, seed: int | None, modules: list[str]) -> plan.Benchmark:
    by_name = {}
    for text in modules:
        name, equals, ours = text.partition("=")
        if not (name and equals and ours):
            raise Misuse("a module is replaced as NAME=OURS", module=text)
        by_name[name] = ours
    rounds = tuple(
        msgspec.structs.replace(
            each,
            workload=msgspec.structs.replace(
                each.workload, module=by_name.get(each.workload.module, each.workload.module)
            ),
        )
        for each in test.rounds
    )
    return msgspec.structs.replace(test, rounds=rounds, seed=test.seed if seed is None else seed)


@contextmanager
def _progress() -> Iterator[Show]:
    """A bar on a terminal; nothing in a pipe."""
    bars = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*bars, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("preparing", total=1.0, left="")

        def show(step: Step) -> None:
            left = "" if step.left is None else f"{step.left:.0f} s left"
            words = f"{step.label} ({step.done + 1} of {step.rounds}): {step.transactions} over, {step.succeeded} ok"
            progress.update(task, description=words, completed=step.part, left=left)

        yield show
