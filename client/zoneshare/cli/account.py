"""``zoneshare account``: balances, issue, transfer, money across zones."""

from typing import TYPE_CHECKING, Annotated

import typer

from zoneshare.cli.common import Json, Network, account_of, device_folder, emit, parse_amount, working
from zoneshare.cli.device import Name
from zoneshare_protocols.errors import Misuse, NotFound

if TYPE_CHECKING:
    from zoneshare.device import Device

app = typer.Typer(
    no_args_is_help=True,
    help="Accounts and their money, in the smallest unit.",
    epilog="Example: zoneshare account show alice",
)

NEGATIVE = {"ignore_unknown_options": True}
"""So that -1 is an amount, which the rules refuse, and no unknown option."""
Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help="A whole number of the smallest unit.")]
To = Annotated[str, typer.Argument(metavar="TO", help="A device's name or folder, or an account (40 hex digits).")]
Zone = Annotated[str, typer.Option("--zone", help="The zone. Default: the device's own.")]


@app.command()
def show(name: Name, zone: Zone = "", as_json: Json = False) -> None:
    """A device's balance, in its zone and in every other where it has an account.

    Example: zoneshare account show alice
    """
    from zoneshare.device import Device

    with Device.open(device_folder(name)) as device:
        home = device.zone
        balances = {}
        for each in [zone] if zone else [load.zone.id for load in device.registry.zones()]:
            try:
                balances[each] = device.accounts(each).balance(device.account)
            except NotFound:
                if zone or each == home:
                    raise
        value = {"name": device.name, "account": device.account, "zone": home, "balances": balances}
    lines = [f"{device.name}, account {value['account']}"]
    lines += [f"  {each}: {balance}{' (its zone)' if each == home else ''}" for each, balance in balances.items()]
    emit(value, as_json, "\n".join(lines))


@app.command(context_settings=NEGATIVE)
def issue(to: To, amount: Amount, network: Network, zone: Zone = "", as_json: Json = False) -> None:
    """Make new money for an account, as the network's issuer.

    Example: zoneshare account issue alice 1000 --network net
    """
    from zoneshare import enrolment
    from zoneshare.accounts import Accounts
    from zoneshare.registry import CHANNEL, Registry

    number, account = parse_amount(amount), account_of(to)
    with enrolment.issuer(network) as connection, working("issuing"):
        registry = Registry(connection.ledger(CHANNEL))
        zone = zone or registry.device(account).zone
        accounts = Accounts(connection.ledger(registry.zone(zone).trust.fabric_channel))
        committed = accounts.issue(account, number)
        balance = accounts.balance(account)
    value = {"account": account, "zone": zone, "issued": number, "balance": balance, "transaction": committed.tx_id}
    emit(value, as_json, f"issued {number} to {to} in {zone}: balance {balance}")


@app.command(context_settings=NEGATIVE)
def transfer(name: Name, to: To, amount: Amount, zone: Zone = "", as_json: Json = False) -> None:
    """Pay another account of the same zone.

    Example: zoneshare account transfer alice carol 25
    """
    from zoneshare.device import Device

    number, account = parse_amount(amount), account_of(to)
    with Device.open(device_folder(name)) as device, working("paying"):
        zone = zone or device.zone
        accounts = device.accounts(zone)
        committed = accounts.transfer(account, number)
        balance = accounts.balance(device.account)
    value = {"to": account, "zone": zone, "paid": number, "balance": balance, "transaction": committed.tx_id}
    emit(value, as_json, f"paid {number} to {to} in {zone}: {name} has {balance} left")


@app.command(context_settings=NEGATIVE)
def send(
    name: Name,
    to: To,
    amount: Amount,
    *,
    to_zone: Annotated[
        str, typer.Option("--to-zone", help="Default: the receiver's own, as the registry has it.")
    ] = "",
    zone: Zone = "",
    within: Annotated[
        int, typer.Option(min=0, metavar="SECONDS", help="The other zone must take it within; 0: no deadline.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Send money to an account of another zone: locked here, proven there, acknowledged here.

    Example: zoneshare account send alice bob 25
    """
    from zoneshare.crossing import send_across
    from zoneshare.device import Device
    from zoneshare.gateway import now_ms

    number, account = parse_amount(amount), account_of(to)
    with Device.open(device_folder(name)) as device, working("sending"):
        zone, to_zone = zone or device.zone, to_zone or device.registry.device(account).zone
        if zone == to_zone:
            raise Misuse(f"{to} is in {zone} too: pay it with zoneshare account transfer")
        source, dest = device.accounts(zone), device.accounts(to_zone)
        before = now_ms() + within * 1000 if within else 0
        outbound = send_across(source, dest, account, number, before)
        balance = source.balance(device.account)
    value = {"id": outbound.id, "status": outbound.status, "from": zone, "to": to_zone, "balance": balance}
    emit(value, as_json, f"{outbound.id}: {number} from {zone} to {to_zone}, {outbound.status}; {balance} left")


@app.command()
def finish(
    name: Name,
    outbound: Annotated[str, typer.Argument(metavar="ID", help="Of the money, as send printed it.")],
    zone: Zone = "",
    as_json: Json = False,
) -> None:
    """See money that left a zone through to its end: received in the other zone, or taken back.

    Example: zoneshare account finish alice transfer.5f0c…
    """
    from zoneshare.crossing import finish as see_through
    from zoneshare.device import Device

    with Device.open(device_folder(name)) as device, working("looking"):
        source = device.accounts(zone)
        dest = device.accounts(source.outbound(outbound).dest_zone)
        ended = see_through(source, dest, outbound)
    emit(ended, as_json, f"{ended.id}: {ended.amount} {ended.status}")


@app.command()
def collect(name: Name, as_json: Json = False) -> None:
    """Bring home all money that waits for a device in other zones: what was sent to it, rests, refunds.

    Example: zoneshare account collect alice
    """
    from zoneshare.crossing import collect as bring_in
    from zoneshare.device import Device

    with Device.open(device_folder(name)) as device, working("collecting"):
        zones = [load.zone.id for load in device.registry.zones()]
        got = [
            each
            for zone in zones
            if _has_account(device, zone)
            for each in bring_in(
                [device.accounts(z) for z in zones if z != zone], device.accounts(zone), device.account
            )
        ]
    text = "\n".join(f"{each.id}: {each.amount} from {each.source_zone}, {each.status}" for each in got)
    emit(got, as_json, text or "nothing waits")


def _has_account(device: "Device", zone: str) -> bool:
    try:
        device.accounts(zone).account(device.account)
    except NotFound:
        return False
    return True
