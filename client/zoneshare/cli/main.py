"""``zoneshare``: imports a command's module when that command is asked for, so that starting stays quick."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points, version
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from zoneshare.cli.common import FAILED, INTERRUPTED, exit_code, one_line
from zoneshare_protocols.errors import Misuse

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # gRPC's own lines say again, and worse, what the error says

ENTRY_POINTS = "zoneshare.commands"
"""Other distributions add commands under this entry-point group: typer apps."""

INTRO = """Trading of data and computing between devices of different owners, on Hyperledger Fabric.

A trade of data by hand, in three terminals:

1: zoneshare network up --dir net

2: zoneshare zones init --network net

2: zoneshare device new bob --network net --at 37.80,-122.27

2: zoneshare seller serve bob FILE

3: zoneshare device new alice --network net --at 37.76,-122.43

3: zoneshare account issue alice 1000 --network net

3: zoneshare buy alice … (the line the seller printed) --out COPY

3: zoneshare zones audit --network net

Computing: coordinator, mine, multiply and train have matrix products computed, which win a zone's blocks
(docs/epow.md); enclave, auction and bid have a drone's tasks computed by vehicles (docs/seal.md).

Example: zoneshare demo
"""


@dataclass(frozen=True)
class Command:
    """A line of help, and what adds the command to the root app."""

    help: str
    add: Callable[[typer.Typer], None]


def _app(name: str, module: str) -> Callable[[typer.Typer], None]:
    def add(root: typer.Typer) -> None:
        root.add_typer(import_module(module).app, name=name)

    return add


def _trade(root: typer.Typer) -> None:
    import_module("zoneshare.cli.trade").register(root)


def _channel(root: typer.Typer) -> None:
    try:
        _trade(root)  # it brings commands of its own for channels
    except ModuleNotFoundError as cause:
        if cause.name != "zoneshare.cli.trade":
            raise
    _app("channel", "zoneshare.cli.channel")(root)


def _epow(root: typer.Typer) -> None:
    import_module("zoneshare.cli.epow").register(root)


def _demo(root: typer.Typer) -> None:
    import_module("zoneshare.cli.demo").register(root)


_OWN: Mapping[str, Command] = {
    "zones": Command("Set a network's zones up, list them, audit them.", _app("zones", "zoneshare.cli.zones")),
    "device": Command("Make a device, show it, move it.", _app("device", "zoneshare.cli.device")),
    "account": Command("Balances, issue, transfer, send across zones.", _app("account", "zoneshare.cli.account")),
    "macro": Command("Large trades, recorded in full.", _app("macro", "zoneshare.cli.macro")),
    "channel": Command("The channels of a device.", _channel),
    "seller": Command("Sell files.", _trade),
    "buy": Command("Buy a file, chunk by chunk.", _trade),
    "watchtower": Command("Answer old states for a device that sleeps.", _trade),
    "coordinator": Command("Divide matrix products among a zone's miners.", _epow),
    "mine": Command("Mine a zone's blocks by useful products.", _epow),
    "multiply": Command("Multiply matrices by a zone's miners.", _epow),
    "train": Command("Train on digits, every product by a zone's miners.", _epow),
    "enclave": Command("Decide sealed auctions, in a simulated enclave.", _app("enclave", "zoneshare.cli.enclave")),
    "auction": Command("Have a drone's tasks computed by vehicles.", _app("auction", "zoneshare.cli.auction")),
    "bid": Command("Compute for drones, for money.", _app("bid", "zoneshare.cli.bid")),
    "demo": Command("Watch a sale, frauds that fail, mining, and auctions.", _demo),
}
_HELP = {
    "network": "Run a Fabric network on this machine, for development.",
    "bench": "Measure zoneshare.",
}


def commands() -> Mapping[str, Command]:
    """All commands: our own, and what other distributions bring."""
    return {**{point.name: _brought(point) for point in entry_points(group=ENTRY_POINTS)}, **_OWN}


def _brought(point: EntryPoint) -> Command:
    def add(root: typer.Typer) -> None:
        root.add_typer(point.load(), name=point.name)

    return Command(_HELP.get(point.name, f"From {point.value.split('.', maxsplit=1)[0]}."), add)


def build(arguments: Sequence[str]) -> typer.Typer:
    """The root app for these arguments: the command that they name is real, the others are a line of help each."""
    root = typer.Typer(
        no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, help=INTRO
    )
    root.callback()(_root)
    known = commands()
    name = next((word for word in arguments if not word.startswith("-")), None)
    if name is not None and name in known:
        try:
            known[name].add(root)
        except ModuleNotFoundError as cause:
            raise Misuse(f"the command {name} is not installed: {cause}") from cause
        return root
    for other, command in known.items():
        root.command(other, help=command.help)(_root)
    return root


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"zoneshare {version('zoneshare')}")
        raise typer.Exit


def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,  # main looks
    show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit code: 0, 1 for a refusal or a failure, 2 for a misuse."""
    debug = bool(arguments) and arguments[0] == "--debug"
    try:
        result: Any = build(arguments)(args=list(arguments), prog_name="zoneshare", standalone_mode=False)
    except TyperException as refused:
        return _refused(refused)
    except typer.Abort:
        return INTERRUPTED
    except BrokenPipeError:
        # Who reads has gone; Python would complain again when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if debug:
            raise
        typer.echo(one_line(error), err=True)
        return exit_code(error)
    return result if isinstance(result, int) else 0


def _refused(refused: TyperException) -> int:
    context = getattr(refused, "ctx", None)
    text = getattr(refused, "format_message", lambda: str(refused))()
    if text and "\n" not in text:
        hint = f" (see {context.command_path} --help)" if context is not None else ""
        text = f"error: {text.rstrip('.')}{hint}"
    if text:
        typer.echo(text, err=True)
    return int(getattr(refused, "exit_code", FAILED))
