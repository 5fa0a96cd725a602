"""``zoneshare auction``: a drone has its tasks computed by vehicles, for money."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from zoneshare.cli import auction_roles as roles
from zoneshare.cli import auction_show
from zoneshare.cli.common import INTERRUPTED, Json, Network, columns, device_folder, emit, plain, when, working
from zoneshare.cli.device import Name
from zoneshare.cli.trade_roles import parse_address
from zoneshare.seal.journey import Visit
from zoneshare.seal.party import counted
from zoneshare_protocols.errors import Misuse

app = typer.Typer(
    no_args_is_help=True,
    help="Have a drone's tasks computed by vehicles: sealed bids, an enclave's auction, results for paywords.",
    epilog="Example: zoneshare auction run dora --enclave 127.0.0.1:7600 --rounds 2",
)

At = Annotated[str, typer.Option("--enclave", metavar="HOST:PORT", help="Where the enclave listens.")]
Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Where vehicles find the drone; 0: a free port.")]
Id = Annotated[str, typer.Argument(metavar="AUCTION", help="Its id, or how it begins.")]
HERE = "127.0.0.1:7600"
LONGEST_S = 24 * 3600


@app.command("init")
def init(
    name: Name,
    network: Network,
    keys: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Proving keys of a ceremony. Default: the UNSAFE development keys."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Have every organisation allow the keys that results are proven with, after zoneshare enclave init.

    Example: zoneshare auction init dora --network net
    """
    with working("the organisations approve"):
        zone = roles.set_up(network, device_folder(name), keys)
    unsafe = sum(key.unsafe for key in zone.proof_keys)
    text = f"{zone.zone} takes results proven with {len(zone.proof_keys)} keys, {unsafe} UNSAFE; version {zone.version}"
    emit({"zone": zone.zone, "version": zone.version, "keys": [key.hash for key in zone.proof_keys]}, as_json, text)


@app.command("run")
def run(
    name: Name,
    *,
    enclave: At = HERE,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Port = 7700,
    tasks: Annotated[str, typer.Option(metavar="WHAT", help="What is computed: digits (pictures of them).")] = "digits",
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="Stops of the route, an auction at each.")] = 1,
    per_stop: Annotated[int, typer.Option(min=1, max=256, help="Tasks that come up at each stop.")] = 3,
    pictures: Annotated[int, typer.Option(min=1, max=1797, help="Pictures in a task.")] = 40,
    route: Annotated[
        str,
        typer.Option(
            metavar="synthetic|PATH", help="Generated traffic, or GPS traces: a file, or a folder of new_*.txt."
        ),
    ] = roles.SYNTHETIC,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, help="Of tasks and traffic. Default: a new one.")
    ] = None,
    bidding: Annotated[float, typer.Option(min=1, max=LONGEST_S, metavar="SECONDS", help="For sealed bids.")] = 5,
    deposits: Annotated[float, typer.Option(min=1, max=LONGEST_S, metavar="SECONDS", help="For deposits.")] = 5,
    deadline: Annotated[float, typer.Option(min=1, max=LONGEST_S, metavar="SECONDS", help="Of each task.")] = 8,
    slack: Annotated[
        float, typer.Option(min=0, max=LONGEST_S, metavar="SECONDS", help="Added to the time that a winner promised.")
    ] = 4,
    grace: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="For a key that is called for. Default: the margin and 2."),
    ] = None,
    claiming: Annotated[
        float, typer.Option(min=1, max=LONGEST_S, metavar="SECONDS", help="For claims, after all is decided.")
    ] = 10,
    sample: Annotated[
        float, typer.Option(min=0, max=100, metavar="PERCENT", help="Of the results, computed again.")
    ] = 25,
    reserve: Annotated[
        float,
        typer.Option(min=0, max=100, metavar="PERCENT", help="Of what cloud or drone would cost: no vehicle above."),
    ] = 100,
    disputable: Annotated[
        bool,
        typer.Option("--disputable/--final", help="Wrong results can be charged; deposits then stay until claims end."),
    ] = True,
    as_json: Json = False,
) -> None:
    """Fly a route: auctions at its stops, paywords for results. Killed, it goes on when it is run again.

    Example: zoneshare auction run dora --enclave 127.0.0.1:7600 --rounds 2
    """
    if tasks != "digits":
        raise Misuse(f"no such tasks: {tasks[:40]!r}; there are digits")
    options = roles.Flying(
        enclave=parse_address(enclave),
        address=(host, port),
        rounds=rounds,
        tasks=per_stop,
        pictures=pictures,
        route=route,
        seed=roles.new_seed() if seed is None else seed,
        bidding=bidding,
        deposits=deposits,
        deadline=deadline,
        slack=slack,
        grace=grace,
        claiming=claiming,
        sample=sample,
        reserve=reserve,
        disputable=disputable,
    )

    def ready(listening: int) -> None:
        told(f"{name} takes bids on {host}:{listening}: zoneshare bid serve DEVICE --drone {host}:{listening}")

    def told(line: str) -> None:
        typer.echo(line, err=as_json)

    try:
        visits, settled = asyncio.run(roles.fly(device_folder(name), options, ready, told))
    except asyncio.CancelledError:
        told("stopped; zoneshare auction run goes on, zoneshare auction finish ends what is open")
        raise typer.Exit(INTERRUPTED) from None
    rows = [row for visit in visits for row in result_rows(visit)]
    heads = ("stop", "task", "by", "payment", "right", "checked")
    paid = sum(one.paid for one in settled)
    text = f"{columns(heads, rows)}\n{counted(len(settled), 'auction')} closed, {paid} paid to vehicles"
    value = {
        "tasks": [dict(zip(heads, row, strict=True)) for row in rows],
        "auctions": [one.auction.id for one in settled],
        "paid": paid,
    }
    emit(value, as_json, text)


@app.command("finish")
def finish(name: Name, enclave: At = HERE, port: Port = 7700, as_json: Json = False) -> None:
    """See the auctions of an interrupted route to their ends, without new ones.

    Example: zoneshare auction finish dora
    """

    def told(line: str) -> None:
        typer.echo(line, err=as_json)

    try:
        work = roles.finish(device_folder(name), parse_address(enclave), ("127.0.0.1", port), told)
        settled = asyncio.run(work)
    except asyncio.CancelledError:
        raise typer.Exit(INTERRUPTED) from None
    text = "\n".join(f"{one.auction.id.hex()}: closed, {one.paid} paid" for one in settled) or "nothing is open"
    emit([{"auction": one.auction.id, "paid": one.paid} for one in settled], as_json, text)


@app.command("list")
def list_(name: Name, as_json: Json = False) -> None:
    """All auctions of the device's zone.

    Example: zoneshare auction list dora
    """
    with working("reading the ledger"):
        found = auction_show.look(device_folder(name))
    heads = ("auction", "phase", "drone", "tasks", "bidders", "deposit", "opened", "enclave")
    rows = [
        (one["auction"].hex(), one["phase"], one["drone"], one["tasks"], one["bidders"], one["deposit"],
         when(one["opened"]), "SIMULATED" if one["simulated"] else "hardware")
        for one in found
    ]  # fmt: skip
    emit(plain(found), as_json, columns(heads, rows) if rows else "no auctions in this zone")


@app.command("show")
def show(name: Name, auction: Id, as_json: Json = False) -> None:
    """One auction: who computes what for how much, and where it is.

    Example: zoneshare auction show dora 5f0c…
    """
    with working("reading the ledger"):
        found = auction_show.show(device_folder(name), auction)
    heads = ("task", "urgency", "by", "payment", "state")
    rows = [tuple(one[head] for head in heads) for one in found["tasks"]]
    facts = [
        ("auction", found["auction"].hex()),
        ("phase", found["phase"]),
        ("drone", found["drone"]),
        ("enclave", found["enclave"]),
        ("claims end", when(found["claims_end"])),
        (
            "deposits",
            f"{found['deposit']} of the drone, {found['bidder_deposit']} of each of {found['bidders']} bidders",
        ),
        *((f"claim of {who}", "not yet" if paid is None else paid) for who, paid in found["claims"].items()),
    ]
    emit(plain(found), as_json, columns(("what", "value"), facts) + "\n\n" + columns(heads, rows))


@app.command("refund")
def refund(name: Name, auction: Id, as_json: Json = False) -> None:
    """Close an auction that is over: rests, deposits and penalties go where they belong. Anyone may.

    Example: zoneshare auction refund ann 5f0c…
    """
    with working("closing"):
        value = auction_show.refund(device_folder(name), auction)
    emit(value, as_json, f"{value['auction'].hex()}: {value['phase']}")


def result_rows(visit: Visit) -> list[tuple[Any, ...]]:
    """What became of each task of a stop."""
    if visit.decided is None:
        return []
    out, there = visit.decided.outcome, {done.task: done for done in visit.decided.results}
    paid = {} if out is None else {award.task: award.payment for award in out.awards}
    rows = []
    for work in visit.decided.work:
        done = there.get(work.task.id)
        if done is None:
            rows.append((visit.number + 1, work.task.id, "nobody", 0, "-", "goes on" if paid else "-"))
            continue
        right = f"{work.right(done.result)}/{len(work.answers)}" if len(done.result) == len(work.answers) else "garbage"
        where = "cloud (simulated)" if done.where == "cloud" else done.where
        checked = "wrong" if done.wrong else "the same again" if done.sampled else "-"
        rows.append((visit.number + 1, work.task.id, where, paid.get(work.task.id, 0), right, checked))
    return rows
