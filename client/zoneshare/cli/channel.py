"""``zoneshare channel``: channels as the ledgers have them."""

from typing import Annotated, Any

import typer

from zoneshare.cli.common import Json, columns, device_folder, emit, when
from zoneshare.cli.device import Name
from zoneshare_protocols.errors import NotFound

app = typer.Typer(
    no_args_is_help=True,
    help="A device's channels, as the ledgers of the payees' zones have them.",
    epilog="Example: zoneshare channel list alice",
)


@app.command("list")
def list_(name: Name, as_json: Json = False) -> None:
    """The channels in which a device pays or is paid, in all zones.

    Example: zoneshare channel list alice
    """
    from zoneshare.device import Device
    from zoneshare.escrows import Escrows

    rows = []
    with Device.open(device_folder(name)) as device:
        for load in device.registry.zones():
            ledger = device.ledger(load.zone.id)
            for channel in Escrows(ledger).channels():
                terms = channel.terms
                if device.account in (terms.payer, terms.payee):
                    role = "payer" if device.account == terms.payer else "payee"
                    rows.append((terms.channel, load.zone.id, role, channel.phase.value, terms.deposit, channel.paid))
    heads = ("channel", "zone", "role", "phase", "deposit", "paid")
    text = columns(heads, rows) if rows else f"{name} has no channels"
    emit([dict(zip(heads, row, strict=True)) for row in rows], as_json, text)


@app.command()
def show(
    name: Name, channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="Its id.")], as_json: Json = False
) -> None:
    """One channel, as the ledger has it.

    Example: zoneshare channel show alice 5f0c…
    """
    from zoneshare.device import Device
    from zoneshare.escrows import Escrows

    with Device.open(device_folder(name)) as device:
        for load in device.registry.zones():
            try:
                found = Escrows(device.ledger(load.zone.id)).channel(channel)
                break
            except NotFound:
                continue
        else:
            raise NotFound("no such channel in any zone", channel=channel)
    terms, posted = found.terms, found.posted
    value: dict[str, Any] = {
        "channel": channel,
        "phase": found.phase.value,
        "payer": f"{terms.payer} ({terms.payer_zone})",
        "payee": f"{terms.payee} ({terms.payee_zone})",
        "deposit": terms.deposit,
        "bond": found.bond,
        "refund_from": terms.refund_from,
        "posted_version": None if posted is None else posted.state.version,
        "challenge_from": found.challenge_from,
        "complaints": len(found.complaints),
        "paid": found.paid,
        "returned": found.returned,
    }
    shown = value | {"refund_from": when(terms.refund_from), "challenge_from": when(found.challenge_from or None)}
    emit(value, as_json, "\n".join(f"{key:<16}{'-' if item is None else item}" for key, item in shown.items()))
