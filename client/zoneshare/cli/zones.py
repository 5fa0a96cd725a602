"""``zoneshare zones``: set them up, list them, audit them."""

from contextlib import ExitStack
from typing import Annotated

import typer

from zoneshare.cli.common import Json, Network, columns, emit, parse_position, working
from zoneshare_protocols.errors import Misuse

app = typer.Typer(
    no_args_is_help=True, help="The zones of a network.", epilog="Example: zoneshare zones list --network net"
)

BAY = ((37_770_000, -122_420_000), (37_800_000, -122_270_000), (37_340_000, -121_890_000), (37_870_000, -122_270_000))
"""Where zones are put that nobody places: San Francisco, Oakland, San José, Berkeley."""


@app.command()
def init(
    network: Network,
    zone: Annotated[
        list[str] | None, typer.Option("--zone", metavar="NAME=LAT,LON", help="Where a zone is (may be repeated).")
    ] = None,
    capacity: Annotated[
        int | None, typer.Option(min=1, help="Devices each zone is meant to serve. Default: as before, or 1000.")
    ] = None,
    tolerance: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="MS", help="How far a transaction's time may be from a peer's clock. Default: as before."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Have every organisation approve the zones, their trust in each other and who issues money. Safe to run again.

    Example: zoneshare zones init --network net
    """
    from zoneshare import enrolment
    from zoneshare.bootstrap import Operators, plan, set_up
    from zoneshare.gateway import CHAINCODE
    from zoneshare.registry import CHANNEL

    names = [channel for channel in enrolment.channels(network) if channel != CHANNEL]
    chosen = dict(_placed(text) for text in zone or ())
    if strangers := set(chosen) - set(names):
        raise Misuse(f"the network has no channel {', '.join(sorted(strangers))}; there are {', '.join(names)}")
    members = enrolment.organisations(network)
    with working("the organisations approve"), ExitStack() as opened:
        admins = {o: opened.enter_context(enrolment.operator(network, f"admin.{o}", o, "admin")) for o in members}
        operators = Operators(admins)
        places = plan(operators, names, dict(zip(names, BAY, strict=False)), chosen, capacity)
        issuer = opened.enter_context(enrolment.operator(network, enrolment.ISSUER)).identity.account
        done = set_up(operators, places, enrolment.trust_pattern(network, CHAINCODE), issuer, tolerance)
    text = "\n".join(done) if done else "nothing to do: all was approved before"
    emit({"approved": done, "zones": names, "issuer": issuer}, as_json, text)


@app.command("list")
def list_(network: Network, as_json: Json = False) -> None:
    """The zones in the registry, where they are, and their load.

    Example: zoneshare zones list --network net
    """
    from zoneshare import enrolment
    from zoneshare.registry import CHANNEL, Registry

    with enrolment.issuer(network) as connection:
        loads = Registry(connection.ledger(CHANNEL)).zones()
    rows = [
        (each.zone.id, each.zone.latitude_e6 / 1e6, each.zone.longitude_e6 / 1e6, each.load, each.zone.capacity)
        for each in loads
    ]
    heads = ("zone", "latitude", "longitude", "load", "capacity")
    emit([dict(zip(heads, row, strict=True)) for row in rows], as_json, columns(heads, rows))


@app.command()
def audit(network: Network, as_json: Json = False) -> None:
    """Read all zones whole, and prove that no money was made or lost.

    Balances: in accounts. Escrows: held for channels, trades, mining and auctions. Locked: on its way to another zone.
    Issued here; received from and sent to other zones: balances + escrows + locked = issued + received - sent.

    Example: zoneshare zones audit --network net
    """
    from zoneshare import enrolment
    from zoneshare.audit import audit_network
    from zoneshare.registry import CHANNEL, Registry

    with enrolment.issuer(network) as connection, working("reading the ledgers"):
        zones = [each.zone.trust.fabric_channel for each in Registry(connection.ledger(CHANNEL)).zones()]
        found = audit_network([connection.ledger(zone) for zone in zones])
    heads = ("zone", "balances", "escrows", "locked", "issued", "received", "sent")
    rows = [(z.zone, *(getattr(z.books, name) for name in heads[1:])) for z in found.zones]
    value = {"zones": [dict(zip(heads, row, strict=True)) for row in rows], "issued": found.issued, "held": found.held}
    emit(value, as_json, f"{columns(heads, rows)}\nin all zones: {found.held} held = {found.issued} issued")


def _placed(text: str) -> tuple[str, tuple[int, int]]:
    name, equals, position = text.partition("=")
    if not (name and equals):
        raise Misuse(f"not a zone's place: {text!r}; say for instance --zone zone-a=37.77,-122.42")
    return name, parse_position(position)
