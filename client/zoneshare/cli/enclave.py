"""``zoneshare enclave``: the process that decides sealed auctions, on a simulated platform."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from zoneshare.cli import enclave_roles as roles
from zoneshare.cli.common import Json, Network, account_of, columns, device_folder, emit, plain, working
from zoneshare.cli.device import Name

app = typer.Typer(
    no_args_is_help=True,
    help="Decide sealed auctions in a process of its own. SIMULATED: who runs the machine can read the bids.",
    epilog="Example: zoneshare enclave serve dora --port 7600",
)

QuoteAge = Annotated[int, typer.Option("--quote-age", min=1, metavar="SECONDS", help="How old a quote may be.")]


@app.command("init")
def init(
    name: Name,
    network: Network,
    *,
    quote_age: QuoteAge = 3600,
    as_json: Json = False,
) -> None:
    """Make a simulated platform for the device, and have every organisation allow it and the program on it.

    Example: zoneshare enclave init dora --network net
    """
    with working("the organisations approve"):
        zone, measurement = roles.set_up(network, device_folder(name), quote_age)
    text = f"{zone.zone} allows the program {measurement.hex()} on {name}'s SIMULATED platform, version {zone.version}"
    emit({"zone": zone.zone, "version": zone.version, "measurement": measurement}, as_json, text)


@app.command("allow")
def allow(
    name: Name,
    network: Network,
    program: Annotated[str, typer.Option(metavar="HEX", help="The measurement to allow, and no other from now on.")],
    root: Annotated[Path, typer.Option(metavar="FILE", help="The root certificate (PEM) of the hardware's maker.")],
    *,
    development: Annotated[
        bool, typer.Option("--development", help="Unsafe proving keys stay allowed. Default: production.")
    ] = False,
    quote_age: QuoteAge = 3600,
    as_json: Json = False,
) -> None:
    """Have every organisation allow one program, on one maker's hardware only; simulated platforms no more.

    Example: zoneshare enclave allow dora --network net --program 3f… --root maker.pem
    """
    with working("the organisations approve"):
        zone = roles.allow(
            network, device_folder(name), roles.parse_digest(program), root, quote_age, production=not development
        )
    text = f"{zone.zone} takes {'development' if development else 'production'} enclaves only, version {zone.version}"
    emit({"zone": zone.zone, "version": zone.version, "production": zone.production}, as_json, text)


@app.command("measure")
def measure(name: Name, as_json: Json = False) -> None:
    """The measurement of the program as it is installed here, for the device's zone: compare it before you bid.

    Example: zoneshare enclave measure ann
    """
    with working("reading the ledger"):
        found = roles.measured(device_folder(name))
    emit({"measurement": found}, as_json, found.hex())


@app.command("show")
def show(name: Name, as_json: Json = False) -> None:
    """What the device's zone allows its auctions.

    Example: zoneshare enclave show ann
    """
    with working("reading the ledger"):
        zone = roles.rules(device_folder(name))
    rows = [
        ("zone", zone.zone),
        ("version", zone.version),
        ("profile", "production" if zone.production else "development"),
        *(("program", one.hex()) for one in zone.measurements),
        *(("platform", "SIMULATED" if one.simulated else "hardware") for one in zone.platforms),
        *((f"proving key {one.circuit}", f"{one.hash.hex()}{' UNSAFE' * one.unsafe}") for one in zone.proof_keys),
    ]
    emit(plain(zone), as_json, columns(("what", "value"), rows))


@app.command("serve")
def serve(
    name: Name,
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0: a free port.")] = 7600,
    drones: Annotated[
        list[str] | None,
        typer.Option("--for", metavar="DEVICE", help="A drone that may have auctions here. Default: itself."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the enclave's program. Until Ctrl-C; killed, it goes on where it stopped.

    Example: zoneshare enclave serve dora --port 7600
    """

    def ready(listening: int, measurement: bytes) -> None:
        text = (
            f"SIMULATED enclave on {host}:{listening}: who runs this machine can read the bids (Ctrl-C ends it)\n"
            f"program {measurement.hex()}"
        )
        value = {"host": host, "port": listening, "simulated": True, "measurement": measurement}
        emit(value, as_json, text)

    accounts = {account_of(drone) for drone in drones or [name]}
    asyncio.run(roles.serve(device_folder(name), (host, port), accounts, ready))
