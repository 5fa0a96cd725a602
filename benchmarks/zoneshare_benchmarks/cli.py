"""``zoneshare bench``: list the figures, measure them."""

import json
import os
import platform
import sys
from dataclasses import asdict
from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from zoneshare.cli.common import columns
from zoneshare_benchmarks import seal_cli
from zoneshare_benchmarks.catalogue import figures
from zoneshare_benchmarks.cli_words import goal_text
from zoneshare_benchmarks.figure import Result, run, select
from zoneshare_benchmarks.runner import cli as runner
from zoneshare_protocols.errors import Misuse

app = typer.Typer(
    no_args_is_help=True,
    help="Measure zoneshare: every figure is a ratio taken in one run, or says why not.\n\n"
    "Example: zoneshare bench run channel.updates.memory",
)

runner.register(app)
seal_cli.register(app)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command("list", epilog="Example: zoneshare bench list")
def list_(as_json: Json = False) -> None:
    """The figures that can be measured, with their goals."""
    if as_json:
        rows = [
            {"name": f.name, "what": f.what, "unit": f.unit, "goal": f.goal, "better": f.better}
            for f in figures().values()
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    listed = [(f.name, goal_text(f.goal, f.better, f.unit), f.what) for f in figures().values()]
    typer.echo(columns(("figure", "goal", "what is measured"), listed))


@app.command("run", epilog="Example: zoneshare bench run channel. chunk.encryption --runs 9 --json")
def run_(
    names: Annotated[list[str] | None, typer.Argument(help="Figures; 'channel.' means all that begin so.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Measure every figure.")] = False,
    runs: Annotated[int | None, typer.Option(min=1, max=1000, help="Runs a figure (default: its own).")] = None,
    as_json: Json = False,
) -> None:
    """Measure figures and print them beside their goals."""
    known = figures()
    if every == bool(names):
        raise Misuse("name the figures to run, or say --all")
    chosen = list(known.values()) if every else list(select(known, names or []))
    results: list[Result] = []
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        for figure in chosen:
            task = progress.add_task(figure.name, total=None)
            results.append(run(figure, runs))
            progress.remove_task(task)
    if as_json:
        typer.echo(json.dumps([asdict(result) for result in results], indent=2))
        return
    typer.echo(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, cryptography "
        f"{version('cryptography')}"
    )
    typer.echo(result_table(results))
    for result in results:
        if result.parts:
            typer.echo(f"  {result.name}: " + ", ".join(f"{k} {v:,.4g}" for k, v in result.parts.items()))


def result_table(results: list[Result]) -> str:
    """One row a result, with whether its goal was reached."""
    rows = []
    for r in results:
        reached = {True: "yes", False: "NO", None: "-"}[r.met]
        measured = f"{r.value:,.3g} {r.unit}" if r.value < 100 else f"{r.value:,.0f} {r.unit}"
        rows.append((r.name, measured, goal_text(r.goal, r.better, r.unit), reached, r.runs, f"{r.spread:.1%}"))
    return columns(("figure", "measured", "goal", "reached", "runs", "spread"), rows)
