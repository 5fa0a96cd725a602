"""``zoneshare demo``."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from zoneshare.cli.common import Json, emit


def register(root: typer.Typer) -> None:
    """Add the command to the root app."""
    root.command("demo")(demo)


def demo(
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="What is sold (default: a data set).")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Run in this new folder, and keep it.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only the honest trade: no frauds, miners or drones.")] = False,
    as_json: Json = False,
) -> None:
    """Watch a file being sold, four frauds fail, miners train (a liar is caught), and drones buy computing by auction.

    Everything runs on this machine.

    Example: zoneshare demo --file holiday.jpg
    """
    from zoneshare.demo.run import play
    from zoneshare.demo.show import Show

    show = Show(quiet=as_json)
    asyncio.run(play(show, file, keep, quick))
    if as_json:
        emit(show.report, as_json, "")
