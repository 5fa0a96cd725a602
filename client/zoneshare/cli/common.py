"""What all commands share: options, output, progress, and how a refusal is shown."""

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from zoneshare_protocols.errors import Misuse, ZoneshareError

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Network = Annotated[Path, typer.Option("--network", metavar="DIR", help="The network's folder.")]

FAILED = 1
MISUSED = 2
INTERRUPTED = 130
ACCOUNT_DIGITS = 40


def exit_code(error: BaseException) -> int:
    """2 for a misuse, 1 for every other refusal."""
    return MISUSED if isinstance(error, Misuse) else FAILED


def one_line(error: BaseException) -> str:
    """An error as one clear line."""
    if isinstance(error, ZoneshareError):
        text = str(error)
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        text = f"internal error: {type(error).__name__}: {error} (zoneshare --debug … shows where)"
    return "error: " + " ".join(text.split())


def emit(value: Any, as_json: bool, text: str) -> None:
    """Print ``value`` as JSON, or ``text``; bytes in the value become hexadecimal."""
    if as_json:
        typer.echo(json.dumps(plain(value), indent=2))
    else:
        typer.echo(text)


def plain(value: Any) -> Any:
    """Records, paths and bytes as what JSON has: objects, text, hexadecimal text."""
    if isinstance(value, bytes):
        return value.hex()
    if hasattr(value, "__struct_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


def columns(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A plain table, which also reads well in a pipe."""
    texts = [[str(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(len(row[n]) for row in texts) for n in range(len(heads))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in texts)
    return "\n".join(lines)


def when(at_ms: int | None) -> str:
    """A moment as a person reads it, in this machine's time zone; ``at_ms`` since 1970."""
    if at_ms is None:
        return "-"
    return datetime.fromtimestamp(at_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner on stderr (a terminal's only) while something takes its time."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def device_folder(name: str) -> Path:
    """Where the device ``name`` lives: a path as it is, a bare name under $ZONESHARE_HOME (default: ./devices)."""
    if os.sep in name:
        return Path(name)
    return Path(os.environ.get("ZONESHARE_HOME", "devices")) / name


def parse_position(text: str) -> tuple[int, int]:
    """``37.76,-122.43`` as latitude and longitude in millionths of a degree. Raises Misuse for anything else."""
    try:
        latitude, longitude = (round(float(part) * 1_000_000) for part in text.split(","))
    except (ValueError, OverflowError) as cause:
        raise Misuse(f"not a position: {text!r}; say for instance --at 37.76,-122.43") from cause
    if not (-90_000_000 <= latitude <= 90_000_000 and -180_000_000 <= longitude <= 180_000_000):
        raise Misuse(f"no such place: {text!r}; latitude is -90 to 90, longitude -180 to 180")
    return latitude, longitude


def parse_amount(text: str) -> int:
    """A whole number. Raises Misuse for anything else; whether the amount is allowed the rules say."""
    if re.fullmatch(r"-?[0-9]{1,40}", text) is None:
        raise Misuse(f"not an amount: {text[:80]!r}; money is a whole number of the smallest unit")
    return int(text)


def account_of(who: str) -> str:
    """The account of a device by its name or folder, or an account as it is (40 hex digits). Raises Misuse."""
    if len(who) == ACCOUNT_DIGITS and set(who) <= set("0123456789abcdef"):
        return who
    from zoneshare.identity import load_identity

    folder = device_folder(who)
    if not folder.is_dir():
        raise Misuse(f"no folder {folder}: zoneshare device new makes a device")
    return load_identity(folder).account
