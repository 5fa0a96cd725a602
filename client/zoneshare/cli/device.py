"""``zoneshare device``: make one, show it, move it."""

import secrets
from typing import Annotated

import typer

from zoneshare.cli.common import Json, Network, device_folder, emit, parse_position, working
from zoneshare_protocols.errors import Misuse

app = typer.Typer(
    no_args_is_help=True,
    help="Devices: their keys, their place, their zone.",
    epilog="Example: zoneshare device new alice --network net --at 37.76,-122.43",
)

Name = Annotated[
    str, typer.Argument(metavar="DEVICE", help="A name (a folder under $ZONESHARE_HOME, default ./devices), or a path.")
]
At = Annotated[str, typer.Option("--at", metavar="LAT,LON", help="Where the device is, in degrees.")]


@app.command()
def new(
    name: Name,
    network: Network,
    at: At,
    org: Annotated[str, typer.Option(help="MSP id of the organisation that vouches for it (default: the first).")] = "",
    as_json: Json = False,
) -> None:
    """Make a device: keys, a certificate, its place in the registry, and an account in the zone it is given.

    May be run again when it was interrupted. The contract decides the zone, from the position and the zones' load.

    Example: zoneshare device new alice --network net --at 37.76,-122.43
    """
    from zoneshare import enrolment
    from zoneshare.device import Device, create_folder
    from zoneshare_protocols.errors import NotFound

    folder, (latitude, longitude) = device_folder(name), parse_position(at)
    with working("enrolling"):
        if folder.exists():
            with Device.open(folder) as device:
                try:
                    device.record()
                except NotFound:
                    pass
                else:
                    if not device.open_account(device.zone):
                        raise Misuse(f"{folder} is a device of zone {device.zone} already: nothing was changed")
        else:
            create_folder(folder, enrolment.enroller(network, org), secrets.token_bytes(32))
        with Device.open(folder) as device:
            placed = device.join(latitude, longitude)
            # So that the next device's zone is decided by a load that counts this one.
            device.registry.fold(placed.zone)
    value = {"name": folder.name, "folder": folder, "account": placed.id, "zone": placed.zone}
    emit(value, as_json, f"{folder.name} is in zone {placed.zone}, account {placed.id} ({folder})")


@app.command()
def show(name: Name, as_json: Json = False) -> None:
    """Where the registry has a device, and its public keys.

    Example: zoneshare device show alice
    """
    from zoneshare.device import Device

    with Device.open(device_folder(name)) as device:
        record = device.record()
        value = {
            "name": device.name,
            "organisation": device.identity.mspid,
            "account": record.id,
            "zone": record.zone,
            "latitude": record.latitude_e6 / 1e6,
            "longitude": record.longitude_e6 / 1e6,
            "moves": record.moves,
            "signing_key": device.keys.signing_key,
            "envelope_key": device.keys.envelope_key,
        }
    lines = (f"{key:<14}{item.hex() if isinstance(item, bytes) else item}" for key, item in value.items())
    emit(value, as_json, "\n".join(lines))


@app.command()
def move(name: Name, at: At, as_json: Json = False) -> None:
    """Tell the registry that a device is elsewhere; it gets an account in its new zone. Money stays where it is.

    Example: zoneshare device move alice --at 37.80,-122.27
    """
    from zoneshare.device import Device

    latitude, longitude = parse_position(at)
    with Device.open(device_folder(name)) as device:
        before = device.zone
        record = device.move(latitude, longitude)
    value = {"name": name, "from": before, "zone": record.zone, "moves": record.moves}
    text = (
        f"{name} stays in zone {record.zone}" if before == record.zone else f"{name} moved: {before} to {record.zone}"
    )
    emit(value, as_json, text)
