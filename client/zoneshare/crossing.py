"""Money from one zone to another: locked here, taken there, acknowledged here; or tombstone there, reclaimed here.

Whoever submits decides nothing: every step rests on the other zone's endorsers. :func:`finish` goes on from wherever
the ledgers are, so that it may be called again after any failure.
"""

from collections.abc import Callable, Iterable

from zoneshare.accounts import Accounts
from zoneshare_protocols.errors import AlreadyExists, NotFound, TooLate, WrongPhase
from zoneshare_protocols.sharing.records import (
    Destination,
    EndorsedQuery,
    Inbound,
    InboundStatus,
    Outbound,
    OutboundStatus,
)

Take = Callable[[EndorsedQuery], object]


def send_across(source: Accounts, dest: Accounts, account: str, amount: int, before: int = 0) -> Outbound:
    """Send ``amount`` from the caller's account to ``account`` of the other zone, and see it through.

    The receiver is asked for first, since money to nobody could not come home without a deadline. Raises NotFound,
    and what Accounts.send and :func:`finish` raise. After a CommitUnknown of the first step the money's id is
    ``transfer.`` and the transaction's id.
    """
    dest.account(account)
    outbound = source.send(dest.parameters.zone, account, amount, before)
    return finish(source, dest, outbound.id)


def finish(source: Accounts, dest: Accounts, id: str, take: Take | None = None) -> Outbound:
    """See an outbound through to its end: received, or reclaimed when it was not taken before its deadline.

    ``take`` shows the proof to the contract it is for; by default the money is an account's. Raises TooEarly while the
    deadline is past and its margin is not, and what the ledgers raise.
    """
    outbound = source.outbound(id)
    if outbound.status is not OutboundStatus.LOCKED:
        return outbound
    zone = outbound.source_zone
    answer = _answer(source, dest, outbound, take or (lambda proof: dest.receive(zone, proof)))
    proof = dest.prove_inbound(zone, id)
    try:
        if answer.status is InboundStatus.TOMBSTONE:
            return source.reclaim(id, proof)
        return source.acknowledge(id, proof)
    except WrongPhase:
        # Anyone may show the proof: somebody was faster.
        return source.outbound(id)


def collect(sources: Iterable[Accounts], dest: Accounts, account: str) -> list[Outbound]:
    """Bring in all money that waits in other zones for ``account`` of ``dest``'s zone: transfers, rests, refunds."""
    zone = dest.parameters.zone
    return [
        finish(source, dest, outbound.id)
        for source in sources
        for outbound in source.outbounds()
        if (outbound.dest_zone, outbound.dest, outbound.kind) == (zone, account, Destination.ACCOUNT)
        and outbound.status is OutboundStatus.LOCKED
    ]


def _answer(source: Accounts, dest: Accounts, outbound: Outbound, take: Take) -> Inbound:
    zone, id = outbound.source_zone, outbound.id
    try:
        return dest.inbound(zone, id)
    except NotFound:
        proof = source.prove_outbound(id)
    try:
        try:
            take(proof)
        except (TooLate, WrongPhase):
            return dest.tombstone(zone, proof)
    except AlreadyExists:
        pass
    return dest.inbound(zone, id)
