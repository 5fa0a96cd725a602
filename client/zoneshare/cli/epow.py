"""``zoneshare coordinator``, ``zoneshare mine``, ``zoneshare multiply``, ``zoneshare train``."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from zoneshare.cli import epow_roles as roles
from zoneshare.cli.common import Json, Network, account_of, columns, device_folder, emit, when, working
from zoneshare.cli.device import Name
from zoneshare.cli.epow_show import zone_rows
from zoneshare.cli.trade_roles import parse_address
from zoneshare_protocols.epow.ledger import TaskRecord
from zoneshare_protocols.epow.records import Mode
from zoneshare_protocols.errors import Misuse

coordinators = typer.Typer(
    no_args_is_help=True,
    help="Divide products among a zone's miners, and look at its blocks.",
    epilog="Example: zoneshare coordinator serve cora --port 7500",
)

At = Annotated[str, typer.Option("--coordinator", metavar="HOST:PORT", help="Where the coordinator listens.")]
By = Annotated[str, typer.Option("--device", metavar="DEVICE", help="Who pays: a device in the coordinator's zone.")]
Fee = Annotated[
    int | None, typer.Option("--fee", min=1, metavar="AMOUNT", help="For an nsub-task. Default: the zone's going rate.")
]
HERE = "127.0.0.1:7500"


def register(root: typer.Typer) -> None:
    """Add the commands to the root app."""
    root.add_typer(coordinators, name="coordinator")
    root.command("mine")(mine)
    root.command("multiply")(multiply)
    root.command("train")(train)


@coordinators.command("init")
def init(
    name: Name,
    network: Network,
    *,
    basic: Annotated[int, typer.Option("--basic-size", min=2, max=1024, help="b: nsub-tasks are b x b.")] = 500,
    block_time: Annotated[float, typer.Option("--block-time", min=0.1, metavar="SECONDS", help="Target.")] = 300,
    draws: Annotated[int, typer.Option(min=1, help="Draws expected for the first blocks.")] = 400,
    max_claim: Annotated[int, typer.Option(min=1, help="nsub-tasks a miner may claim each block time.")] = 600,
    block_reward: Annotated[int, typer.Option(min=0, help="As far as the treasury reaches.")] = 0,
    levy: Annotated[float, typer.Option(min=0, max=100, metavar="PERCENT", help="Of fees, to the treasury.")] = 5,
    margin: Annotated[float, typer.Option(min=0, max=100, metavar="PERCENT", help="Of fees, the coordinator's.")] = 5,
    penalty: Annotated[int, typer.Option(min=0, help="For a fake result, from the miner's deposit.")] = 0,
    dispute: Annotated[int, typer.Option(min=1, metavar="SECONDS", help="A source's time for a dispute.")] = 3600,
    mode: Annotated[Mode, typer.Option(help="How a loop's scale factor is set.")] = Mode.COST,
    as_json: Json = False,
) -> None:
    """Have every organisation approve how the device's zone mines, with the device as its coordinator.

    Example: zoneshare coordinator init cora --network net --block-time 30
    """
    account = account_of(name)
    options = roles.Rules(
        basic, block_time, draws, max_claim, block_reward, levy=levy, margin=margin, penalty=penalty, mode=mode
    )
    with working("the organisations approve"):
        zone = roles.set_up(network, device_folder(name), account, options, dispute)
    value = {"zone": zone.zone, "coordinator": zone.coordinator, "rules": zone.rules}
    emit(value, as_json, f"{zone.zone} mines with rules of version {zone.rules.version}; {name} coordinates")


@coordinators.command("serve")
def serve(
    name: Name,
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0: a free port.")] = 7500,
    deposit: Annotated[int, typer.Option(min=0, help="Fined when a dispute is upheld; added at first start.")] = 0,
    patience: Annotated[float, typer.Option(min=1, metavar="SECONDS", help="A slower miner loses its run.")] = 60,
    sample: Annotated[
        float,
        typer.Option(min=0, max=100, metavar="PERCENT", help="Of runs, a single result of which is checked, too."),
    ] = 1,
    spare: Annotated[
        int,
        typer.Option(min=0, metavar="MB", help="Files of tasks that are over, kept to be written over by the next."),
    ] = 4096,
    as_json: Json = False,
) -> None:
    """Take tasks, have miners do them, check, merge, pay. Until Ctrl-C; killed, it goes on where it stopped.

    Shows what it does: a table on a terminal, elsewhere a line for each miner and task; with --json only its port.

    Example: zoneshare coordinator serve cora --port 7500
    """

    def ready(listening: int) -> None:
        text = f"{name} coordinates on {host}:{listening} (Ctrl-C ends it)"
        emit({"host": host, "port": listening}, as_json, text)

    options = roles.Serving(host, port, deposit, patience, sample, spare << 20)
    asyncio.run(roles.serve(device_folder(name), options, ready, quiet=as_json))


@coordinators.command("show")
def show(
    name: Name,
    what: Annotated[str, typer.Argument(metavar="WHAT", help="zone, blocks, tasks or miners")] = "blocks",
    as_json: Json = False,
) -> None:
    """What the ledger has of a zone's mining, as any device of it sees.

    Example: zoneshare coordinator show alice blocks
    """
    with working("reading the ledger"):
        heads, rows = roles.look(device_folder(name), what)
    shown = list(zone_rows(dict(rows))) if what == "zone" else rows
    text = columns(heads, shown) if rows else f"no {what} in the zone of {name}"
    emit([dict(zip(heads, row, strict=True)) for row in rows], as_json, text)


@coordinators.command()
def withdraw(name: Name, as_json: Json = False) -> None:
    """Take back the fees that are held for a device's tasks, where their time is over and they are not done.

    Example: zoneshare coordinator withdraw sue
    """
    with working("asking the ledger"):
        rows = roles.withdraw(device_folder(name))
    heads = ("task", "held", "until", "withdrawn")
    shown = [(task, held, when(until), "yes" if taken else "not yet") for task, held, until, taken in rows]
    text = columns(heads, shown) if rows else f"nothing is held for tasks of {name}"
    emit([dict(zip(heads, row, strict=True)) for row in rows], as_json, text)


def mine(
    name: Name,
    *,
    coordinator: At = HERE,
    claim: Annotated[
        int | None, typer.Option(min=0, help="nsub-tasks to claim each block time. Default: the zone's most.")
    ] = None,
    deposit: Annotated[int | None, typer.Option(min=0, help="Added at the start. Default: what is missing.")] = None,
    memory: Annotated[int, typer.Option(min=16, metavar="MB", help="For blocks of matrices.")] = 512,
    tasks_only: Annotated[bool, typer.Option("--tasks-only", help="No task-free loops: rest without work.")] = False,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Stop by itself after so long.")] = None,
    as_json: Json = False,
) -> None:
    """Mine: products for sources, and blocks. On one core, until Ctrl-C, which ends it after the loop at work.

    Example: zoneshare mine alice --coordinator 127.0.0.1:7500
    """
    options = roles.Mining(parse_address(coordinator), claim, deposit, memory << 20, not tasks_only, seconds)
    value = asyncio.run(roles.mine(device_folder(name), options, quiet=as_json))
    text = "{verified} nsub-tasks verified, {blocks} blocks, useful share {useful:.2f}, {rate:.1f} loops a second"
    emit(value, as_json, text.format(**value))


def multiply(
    files: Annotated[list[Path], typer.Argument(metavar="A.npy B.npy … RESULT.npy", help="Factors, then the result.")],
    device: By,
    coordinator: At = HERE,
    fee: Fee = None,
    as_json: Json = False,
) -> None:
    """Multiply integer matrices by the zone's miners; the result is checked, accepted and saved.

    Example: zoneshare multiply A.npy B.npy C.npy --device alice
    """
    if len(files) < 3:
        raise Misuse("name two factors or more, and the file for the result")
    *factors, out = files
    with working("the miners work"):
        work = roles.multiply(
            device_folder(device), parse_address(coordinator), factors, out, fee, left_open=left_open(device)
        )
        value = asyncio.run(work)
    text = "{out}: {rows} x {columns}, checked; {nsubs} nsub-tasks at {fee}, {seconds:.1f} s"
    emit(value, as_json, text.format(**value))


def left_open(device: str) -> roles.LeftOpen:
    """Say what a source that breaks off leaves behind."""

    def tell(record: TaskRecord) -> None:
        held = f"the task stays open, with up to {record.escrow + record.margin} held"
        typer.echo(f"{held}; a little after {when(record.until)}: zoneshare coordinator withdraw {device}", err=True)

    return tell


def train(
    device: By,
    coordinator: At = HERE,
    steps: Annotated[int, typer.Option(min=1, help="Of gradient descent, on all pictures at once.")] = 60,
    fee: Fee = None,
    as_json: Json = False,
) -> None:
    """Train a perceptron on scikit-learn's digits, every product by the zone's miners, and compare with local training.

    Example: zoneshare train --device alice --steps 60
    """
    value = asyncio.run(
        roles.train(device_folder(device), parse_address(coordinator), steps, fee, left_open=left_open(device))
    )
    text = (
        "accuracy {mined:.4f} by the miners, {local:.4f} quantized locally (the same bits: {same}), "
        "{real:.4f} in float; {products} products, {seconds:.1f} s"
    )
    emit(value, as_json, text.format(**value))
