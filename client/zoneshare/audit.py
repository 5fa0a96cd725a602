"""Audit: read all records of the zones, page by page, and prove that no money was made or lost."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from zoneshare.accounts import Accounts
from zoneshare.epow.ledger import Mining
from zoneshare.escrows import Escrows
from zoneshare.ledger import Ledger
from zoneshare.macros import Macros, held
from zoneshare.seal.claims import Claims
from zoneshare.seal.ledger import Auctions
from zoneshare_protocols.errors import NotConserved
from zoneshare_protocols.sharing.escrow import escrowed
from zoneshare_protocols.sharing.money import Books, check_conserved
from zoneshare_protocols.sharing.records import Inbound, InboundStatus, Outbound, OutboundStatus

T = TypeVar("T")

ATTEMPTS = 4
"""Pages are read one after another: a transaction between two of them looks like a breach, and is gone next time."""


@dataclass(frozen=True)
class ZoneAudit:
    """One zone: its books, and all that went out of it and came in."""

    zone: str
    books: Books
    outbounds: Mapping[str, Outbound]
    inbounds: Mapping[tuple[str, str], Inbound]
    """By (source zone, id)."""


@dataclass(frozen=True)
class NetworkAudit:
    """All zones together."""

    zones: tuple[ZoneAudit, ...]
    issued: int
    held: int
    """In all zones: balances, escrows, locked; what was taken and not acknowledged yet counted once."""


def audit_zone(ledger: Ledger) -> ZoneAudit:
    """Read a zone whole. Raises NotConserved unless balances + escrows + locked = issued + received - sent."""
    return _settled(lambda: _read_zone(ledger))


def audit_network(ledgers: Iterable[Ledger]) -> NetworkAudit:
    """Audit all zones, and that what left each one is what arrived in the others. Raises NotConserved."""
    zones = tuple(ledgers)
    return _settled(lambda: check_network(tuple(_read_zone(ledger) for ledger in zones)))


def check_network(zones: tuple[ZoneAudit, ...]) -> NetworkAudit:
    """Raises NotConserved when money arrived that never left, or left and came to an end the other zone denies."""
    by_name = {zone.zone: zone for zone in zones}
    twice = 0
    for zone in zones:
        for (source, id), inbound in zone.inbounds.items():
            if source not in by_name or inbound.status is not InboundStatus.RECEIVED:
                continue
            left = by_name[source].outbounds.get(id)
            if left is None or left.amount != inbound.amount or left.status is OutboundStatus.RECLAIMED:
                amount = 0 if left is None or left.status is OutboundStatus.RECLAIMED else left.amount
                raise NotConserved("money arrived that did not leave", id=id, expected=amount, actual=inbound.amount)
            twice += inbound.amount if left.status is OutboundStatus.LOCKED else 0
        for outbound in zone.outbounds.values():
            _check_end(outbound, by_name)
    issued = sum(zone.books.issued for zone in zones)
    held_ = sum(zone.books.held for zone in zones) - twice
    if held_ != issued:
        raise NotConserved("money was made or lost between zones", expected=issued, actual=held_)
    return NetworkAudit(zones, issued, held_)


def _check_end(outbound: Outbound, zones: Mapping[str, ZoneAudit]) -> None:
    if outbound.dest_zone not in zones or outbound.status is OutboundStatus.LOCKED:
        return
    answer = zones[outbound.dest_zone].inbounds.get((outbound.source_zone, outbound.id))
    wanted = InboundStatus.RECEIVED if outbound.status is OutboundStatus.RECEIVED else InboundStatus.TOMBSTONE
    if answer is None or answer.status is not wanted:
        there = 0 if answer is None else answer.amount
        raise NotConserved("the other zone denies it", id=outbound.id, expected=outbound.amount, actual=there)


def _read_zone(ledger: Ledger) -> ZoneAudit:
    accounts = Accounts(ledger)
    zone = accounts.parameters.zone
    outbounds = {outbound.id: outbound for outbound in accounts.outbounds()}
    inbounds = {(inbound.source_zone, inbound.id): inbound for inbound in accounts.inbounds()}
    books = Books(
        balances=sum(amount for _, amount in accounts.balances()),
        escrows=sum(map(escrowed, Escrows(ledger).channels()))
        + sum(map(held, Macros(ledger).macros()))
        + Mining(ledger).holds()
        + Auctions(ledger).holds()
        + Claims(ledger).holds(),
        locked=sum(o.amount for o in outbounds.values() if o.status is OutboundStatus.LOCKED),
        issued=sum(issue.amount for issue in accounts.issues()),
        received=sum(i.amount for i in inbounds.values() if i.status is InboundStatus.RECEIVED),
        sent=sum(o.amount for o in outbounds.values() if o.status is OutboundStatus.RECEIVED),
    )
    check_conserved(zone, books)
    return ZoneAudit(zone, books, outbounds, inbounds)


def _settled(read: Callable[[], T]) -> T:
    again = Retrying(
        retry=retry_if_exception_type(NotConserved),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.05, max=1),
        reraise=True,
    )
    return again(read)
