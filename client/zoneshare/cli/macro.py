"""``zoneshare macro``: large trades, recorded in full on the seller's zone's ledger."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoneshare.cli.common import Json, account_of, columns, device_folder, emit, parse_amount, working
from zoneshare.cli.device import Name
from zoneshare_protocols.errors import Misuse, NotFound

if TYPE_CHECKING:
    from zoneshare.device import Device
    from zoneshare.macros import Macros
    from zoneshare_protocols.sharing.records import Macro

app = typer.Typer(
    no_args_is_help=True,
    help="Large trades: offered, paid, delivered, completed; or disputed.",
    epilog="Example: zoneshare macro list alice",
)

Id = Annotated[str, typer.Argument(metavar="TRADE", help="The trade's id.")]
HOUR_MS = 3_600_000


@app.command()
def offer(
    name: Name,
    buyer: Annotated[str, typer.Argument(metavar="BUYER", help="A device, or an account.")],
    amount: Annotated[str, typer.Argument(metavar="AMOUNT")],
    goods: Annotated[str, typer.Argument(metavar="GOODS", help="What is sold, in words.")],
    *,
    arbiter: Annotated[str, typer.Option(help="Who decides a dispute: a device, or an account.")],
    file: Annotated[
        Path | None, typer.Option(help="The goods, or the contract about them: its SHA-256 is recorded.")
    ] = None,
    hours: Annotated[int, typer.Option(min=1, help="Time for each step: pay, deliver, dispute, decide.")] = 24,
    as_json: Json = False,
) -> None:
    """Offer a large trade to a buyer, as the seller.

    Example: zoneshare macro offer bob alice 5000 "a year of maps" --arbiter carol
    """
    from zoneshare.device import Device
    from zoneshare.gateway import now_ms
    from zoneshare.macros import Macros
    from zoneshare_protocols.sharing.money import check_amount
    from zoneshare_protocols.sharing.records import MacroTerms

    check_amount(number := parse_amount(amount))
    buyer_account, arbiter_account = account_of(buyer), account_of(arbiter)
    with Device.open(device_folder(name)) as device, working("offering"):
        zone, now, step = device.zone, now_ms(), hours * HOUR_MS
        terms = MacroTerms(
            seller_zone=zone,
            seller=device.account,
            buyer_zone=device.registry.device(buyer_account).zone,
            buyer=buyer_account,
            arbiter=arbiter_account,
            goods=goods,
            goods_hash=b"" if file is None else _sha256(file),
            amount=number,
            pay_before=now + step,
            deliver_before=now + 2 * step,
            dispute_before=now + 3 * step,
            decide_before=now + 4 * step,
            nonce=secrets.token_bytes(16),
        )
        id = Macros(device.ledger(zone)).offer(terms)
    emit({"id": id, "zone": zone}, as_json, f"offered in {zone}: {id}")


@app.command()
def pay(name: Name, trade: Id, as_json: Json = False) -> None:
    """Pay, as the buyer; from another zone the money is locked at home and proven. Safe to run again.

    Example: zoneshare macro pay alice 5f0c…
    """
    from zoneshare.macros import Macros, pay_across

    with _trade(name, trade) as (device, macros, macro), working("paying"):
        terms = macro.terms
        if terms.buyer_zone == terms.seller_zone:
            paid = macros.pay(trade)
        else:
            paid = pay_across(Macros(device.ledger(terms.buyer_zone)), macros, terms)
    _emit(trade, paid, as_json)


@app.command()
def deliver(name: Name, trade: Id, as_json: Json = False) -> None:
    """Say, as the seller, that you delivered.

    Example: zoneshare macro deliver bob 5f0c…
    """
    _step(name, trade, lambda macros: macros.deliver(trade), as_json)


@app.command()
def complete(name: Name, trade: Id, as_json: Json = False) -> None:
    """Let the seller have the money: by the buyer, the arbiter, or the seller once nobody can dispute.

    Example: zoneshare macro complete alice 5f0c…
    """
    _step(name, trade, lambda macros: macros.complete(trade), as_json)


@app.command()
def dispute(name: Name, trade: Id, as_json: Json = False) -> None:
    """Say, as the buyer, that you got nothing, or something else.

    Example: zoneshare macro dispute alice 5f0c…
    """
    _step(name, trade, lambda macros: macros.dispute(trade), as_json)


@app.command()
def refund(name: Name, trade: Id, as_json: Json = False) -> None:
    """Give the buyer its money back: by the seller, the arbiter, or the buyer when they are late.

    Example: zoneshare macro refund bob 5f0c…
    """
    _step(name, trade, lambda macros: macros.refund(trade), as_json)


@app.command()
def cancel(name: Name, trade: Id, as_json: Json = False) -> None:
    """Take an offer back, as the seller, before it is paid.

    Example: zoneshare macro cancel bob 5f0c…
    """
    _step(name, trade, lambda macros: macros.cancel(trade), as_json)


@app.command()
def show(name: Name, trade: Id, as_json: Json = False) -> None:
    """A trade and its history.

    Example: zoneshare macro show alice 5f0c…
    """
    with _trade(name, trade) as (_, macros, macro):
        history = macros.history(trade)
    value = {"id": trade, "status": macro.status, "terms": macro.terms, "history": history}
    terms = macro.terms
    lines = [f"{terms.goods}: {terms.amount}, {macro.status}", f"  seller {terms.seller} ({terms.seller_zone})"]
    lines.append(f"  buyer  {terms.buyer} ({terms.buyer_zone})")
    lines += [f"  {status:<10} at {time} ms, transaction {tx_id}" for tx_id, time, status in history]
    emit(value, as_json, "\n".join(lines))


@app.command("list")
def list_(name: Name, as_json: Json = False) -> None:
    """The trades in which a device sells, buys or decides, in all zones.

    Example: zoneshare macro list alice
    """
    from zoneshare.device import Device
    from zoneshare.macros import Macros

    rows = []
    with Device.open(device_folder(name)) as device:
        for load in device.registry.zones():
            for macro in Macros(device.ledger(load.zone.id)).macros():
                terms = macro.terms
                if device.account in (terms.seller, terms.buyer, terms.arbiter):
                    rows.append((terms.id, terms.seller_zone, terms.amount, macro.status.value, terms.goods))
    heads = ("id", "zone", "amount", "status", "goods")
    text = columns(heads, rows) if rows else f"{name} has no large trades"
    emit([dict(zip(heads, row, strict=True)) for row in rows], as_json, text)


@contextmanager
def _trade(name: str, id: str) -> Iterator[tuple["Device", "Macros", "Macro"]]:
    """The device, the contract of the zone that has the trade, and the trade. Raises NotFound."""
    from zoneshare.device import Device
    from zoneshare.macros import Macros

    with Device.open(device_folder(name)) as device:
        for load in device.registry.zones():
            macros = Macros(device.ledger(load.zone.id))
            try:
                macro = macros.macro(id)
            except NotFound:
                continue
            yield device, macros, macro
            return
        raise NotFound("no such trade in any zone", id=id)


def _step(name: str, id: str, act: "Callable[[Macros], Macro]", as_json: bool) -> None:
    with _trade(name, id) as (_, macros, _macro), working("asking the ledger"):
        changed = act(macros)
    _emit(id, changed, as_json)


def _emit(id: str, macro: "Macro", as_json: bool) -> None:
    emit({"id": id, "status": macro.status}, as_json, f"{id}: {macro.status}")


def _sha256(file: Path) -> bytes:
    import hashlib

    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").digest()
    except OSError as cause:
        raise Misuse(f"{file} cannot be read: {cause.strerror}") from cause
