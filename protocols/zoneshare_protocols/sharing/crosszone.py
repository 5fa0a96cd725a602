"""Money between zones with no trusted relayer (docs/sharing.md: Money between zones). tx3^A locks, tx3^B acknowledges.

Every function is one step: it gets what the ledger has and what a proof showed, and gives the record to write.
"""

from zoneshare_protocols.errors import AlreadyExists, BadProof, NotAllowed, RuleBroken, TooEarly, TooLate, WrongPhase
from zoneshare_protocols.sharing.money import check_amount
from zoneshare_protocols.sharing.records import (
    ChannelTerms,
    Destination,
    Inbound,
    InboundStatus,
    Outbound,
    OutboundStatus,
)

OUTBOUND = "ledger:outbound"
INBOUND = "ledger:inbound"
PROOFS = (OUTBOUND, INBOUND)
"""The queries whose endorsed answers are proofs."""


def channel_outbound(terms: ChannelTerms, zone: str, caller: str, now: int) -> Outbound:
    """tx3^A: the deposit of a channel, which only its payer can lock, so that nobody can take its id first.

    Raises NotAllowed, and what :func:`outbound` raises.
    """
    if terms.payer_zone != zone or terms.payer != caller:
        raise NotAllowed("only the payer, in its own zone, funds a channel", caller=caller, payer=terms.payer)
    channel = terms.channel
    return outbound(
        f"channel.{channel}",
        zone=zone,
        source=caller,
        dest_zone=terms.payee_zone,
        kind=Destination.CHANNEL,
        dest=channel,
        amount=terms.deposit,
        before=terms.fund_before,
        now=now,
    )


def outbound(
    id: str,
    *,
    zone: str,
    source: str,
    dest_zone: str,
    kind: Destination,
    dest: str,
    amount: int,
    before: int,
    now: int,
) -> Outbound:
    """Money locked for another zone; ``before`` is in ms of that zone's time, 0 for no deadline.

    Raises BadAmount, TooLate for a deadline that is past, RuleBroken for a destination in the same zone.
    """
    check_amount(amount)
    if dest_zone == zone:
        raise RuleBroken("the destination is in the same zone", zone=zone)
    if before and before <= now:
        raise TooLate("the deadline is past", now=now, until=before)
    return Outbound(
        id=id,
        source_zone=zone,
        source=source,
        dest_zone=dest_zone,
        kind=kind,
        dest=dest,
        amount=amount,
        before=before,
        status=OutboundStatus.LOCKED,
    )


def check_outbound(shown: Outbound, trusted_zone: str, here: str) -> None:
    """Raises BadProof unless ``shown``, by the signatures of ``trusted_zone``, is money locked there for ``here``."""
    if shown.source_zone != trusted_zone:
        raise BadProof("another zone's signatures", zone=trusted_zone, source_zone=shown.source_zone)
    if shown.dest_zone != here:
        raise BadProof("the money is for another zone", zone=here, dest_zone=shown.dest_zone)
    if shown.status is not OutboundStatus.LOCKED:
        raise BadProof("the money is not locked any more", id=shown.id, status=shown.status.value)


def take(shown: Outbound, present: Inbound | None, now: int) -> Inbound:
    """The inbound of money that is taken now. Raises AlreadyExists (taken, or a tombstone), TooLate."""
    _check_absent(shown, present)
    if shown.before and now >= shown.before:
        raise TooLate("the deadline is past", now=now, until=shown.before)
    return _inbound(shown, InboundStatus.RECEIVED)


def bury(shown: Outbound, present: Inbound | None, now: int, margin: int) -> Inbound:
    """The tombstone of money that was not taken in time. Raises AlreadyExists, TooEarly, RuleBroken (no deadline)."""
    _check_absent(shown, present)
    if not shown.before:
        raise RuleBroken("this money has no deadline: it can be taken for ever", id=shown.id)
    if now < shown.before + margin:
        raise TooEarly("the deadline and its margin are not past", now=now, from_=shown.before + margin)
    return _inbound(shown, InboundStatus.TOMBSTONE)


def acknowledge(present: Outbound, shown: Inbound, trusted_zone: str) -> Outbound:
    """tx3^B: the outbound after the other zone showed that it took the money. Raises BadProof, WrongPhase."""
    return _answer(present, shown, trusted_zone, InboundStatus.RECEIVED, OutboundStatus.RECEIVED)


def reclaim(present: Outbound, shown: Inbound, trusted_zone: str) -> Outbound:
    """The outbound after the other zone showed a tombstone: its amount goes back. Raises BadProof, WrongPhase."""
    return _answer(present, shown, trusted_zone, InboundStatus.TOMBSTONE, OutboundStatus.RECLAIMED)


def _answer(
    present: Outbound, shown: Inbound, trusted_zone: str, wanted: InboundStatus, becomes: OutboundStatus
) -> Outbound:
    if shown.zone != trusted_zone:
        raise BadProof("another zone's signatures", zone=trusted_zone, shown=shown.zone)
    if shown != Inbound(present.id, present.source_zone, present.dest_zone, present.dest, present.amount, shown.status):
        raise BadProof("the inbound is not this outbound's", outbound=present.id, inbound=shown.id)
    if shown.status is not wanted:
        raise BadProof("the other zone showed something else", shown=shown.status.value, wanted=wanted.value)
    if present.status is not OutboundStatus.LOCKED:
        raise WrongPhase("the outbound is settled", phase=present.status.value, event=becomes.value, allowed="")
    return Outbound(
        id=present.id,
        source_zone=present.source_zone,
        source=present.source,
        dest_zone=present.dest_zone,
        kind=present.kind,
        dest=present.dest,
        amount=present.amount,
        before=present.before,
        status=becomes,
    )


def _check_absent(shown: Outbound, present: Inbound | None) -> None:
    if present is not None:
        raise AlreadyExists("answered already", id=shown.id, status=present.status.value)


def _inbound(shown: Outbound, status: InboundStatus) -> Inbound:
    return Inbound(
        id=shown.id,
        source_zone=shown.source_zone,
        zone=shown.dest_zone,
        dest=shown.dest,
        amount=shown.amount,
        status=status,
    )
