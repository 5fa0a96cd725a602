"""``zoneshare bid``: a vehicle computes for drones, for money."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from zoneshare.cli import auction_roles as roles
from zoneshare.cli import auction_show
from zoneshare.cli.common import Json, columns, device_folder, emit, plain, working
from zoneshare.cli.device import Name
from zoneshare.cli.trade_roles import parse_address
from zoneshare.seal.bidder import Policy

app = typer.Typer(
    no_args_is_help=True,
    help="Bid in drones' auctions, compute what is won, and be paid.",
    epilog="Example: zoneshare bid serve ann --drone 127.0.0.1:7700",
)

Keys = Annotated[
    Path | None, typer.Option("--keys", metavar="DIR", help="Proving keys. Default: the UNSAFE development keys.")
]
GIGA = 10**9


@app.command("serve")
def serve(
    name: Name,
    *,
    drone: Annotated[
        list[str], typer.Option("--drone", metavar="HOST:PORT", help="Where a drone takes bids; several may be said.")
    ],
    free: Annotated[
        float, typer.Option(min=0.1, max=1000, metavar="GIGA", help="Computing resource, 1e9 cycles/s.")
    ] = 4,
    unit_cost: Annotated[
        int, typer.Option(min=0, max=10**9, metavar="MONEY", help="What 1e9 cycles/s for a task cost.")
    ] = 60,
    fixed_cost: Annotated[int, typer.Option(min=0, max=10**9, metavar="MONEY", help="What a task costs beside.")] = 20,
    batch: Annotated[int, typer.Option(min=1, max=1000, help="Results under one proof; fairness is by batch.")] = 32,
    keys: Keys = None,
    as_json: Json = False,
) -> None:
    """Bid the truth, compute, prove, deliver, claim. Until Ctrl-C; killed, it goes on where it stopped.

    Example: zoneshare bid serve ann --drone 127.0.0.1:7700
    """
    highest = int(free * GIGA)
    policy = Policy(highest, (min(GIGA, highest), highest), unit_cost, fixed_cost, batch)
    drones = [parse_address(one) for one in drone]

    def ready() -> None:
        text = f"{name} bids at {', '.join(drone)} (Ctrl-C ends it)"
        emit({"drones": drone}, as_json, text)

    _run(name, roles.Driving(drones, policy, keys), ready, as_json)


@app.command("finish")
def finish(name: Name, keys: Keys = None, as_json: Json = False) -> None:
    """See what is under way to its end: results, claims, deposits; without new bids.

    Example: zoneshare bid finish ann
    """
    _run(name, roles.Driving([], Policy(), keys), lambda: None, as_json)
    emit({"open": 0}, as_json, "nothing is under way")


@app.command("list")
def list_(name: Name, as_json: Json = False) -> None:
    """The auctions in which the device has bid.

    Example: zoneshare bid list ann
    """
    with working("reading the ledger"):
        found = auction_show.bids(device_folder(name))
    heads = ("auction", "phase", "deposit", "word", "won", "claimed")
    rows = [tuple("-" if one[head] is None else plain(one[head]) for head in heads) for one in found]
    emit(plain(found), as_json, columns(heads, rows) if rows else f"{name} has not bid yet")


def _run(name: str, options: roles.Driving, ready: roles.Ready, as_json: bool) -> None:
    def told(line: str) -> None:
        typer.echo(line, err=as_json)

    asyncio.run(roles.bid(device_folder(name), options, ready, told))
