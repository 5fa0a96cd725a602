"""ledger: money to and from other zones; what the other contracts need of it."""

from zoneshare_chaincode import governance, vault
from zoneshare_chaincode.base import Context, Contract, query, transaction
from zoneshare_protocols.codec import Millis, Name, decode
from zoneshare_protocols.errors import AlreadyExists, BadProof, NotFound
from zoneshare_protocols.fabric import endorsed_query
from zoneshare_protocols.sharing import crosszone as rules
from zoneshare_protocols.sharing.crosszone import INBOUND, OUTBOUND, PROOFS
from zoneshare_protocols.sharing.records import (
    ChannelTerms,
    Destination,
    EndorsedQuery,
    Inbound,
    Outbound,
    Trust,
)
from zoneshare_protocols.stub import composite_key

OUT = "outbound"
IN = "inbound"


def verify_outbound(context: Context, zone: str, proof: EndorsedQuery) -> Outbound:
    """The money that ``proof`` shows locked in ``zone`` for this one. Raises BadProof, NotFound (no trust)."""
    outbound = decode(Outbound, _verified(context, zone, proof, OUTBOUND))
    rules.check_outbound(outbound, zone, context.zone)
    return outbound


def take(context: Context, outbound: Outbound) -> Inbound:
    """Write the Inbound of money that :func:`verify_outbound` showed; the caller credits it.

    Raises AlreadyExists (taken, or a tombstone), TooLate.
    """
    key = inbound_key(outbound.source_zone, outbound.id)
    inbound = rules.take(outbound, context.get(Inbound, key), context.now)
    context.put(key, inbound)
    return inbound


def lock(context: Context, outbound: Outbound) -> None:
    """Write an Outbound; the caller has taken its amount out of a balance or an escrow.

    Raises AlreadyExists, NotFound where this zone trusts nobody of the other one, and so could never hear back.
    """
    governance.trust(context, outbound.dest_zone)
    key = composite_key(OUT, outbound.id)
    if context.get(Outbound, key) is not None:
        raise AlreadyExists("the money left already", id=outbound.id)
    context.put(key, outbound)


def send_home(context: Context, id: str, *, source: str, zone: str, account: str, amount: int) -> Outbound:
    """An Outbound with no deadline, from an escrow to an account of another zone: ``rest.…``, ``macro.…``.

    The caller has taken the amount out of the escrow. Raises as :func:`lock`.
    """
    home = rules.outbound(
        id,
        zone=context.zone,
        source=source,
        dest_zone=zone,
        kind=Destination.ACCOUNT,
        dest=account,
        amount=amount,
        before=0,
        now=context.now,
    )
    lock(context, home)
    return home


def inbound_key(source_zone: str, id: str) -> str:
    return composite_key(IN, source_zone, id)


class CrossZone(Contract):
    name = "ledger"

    @transaction
    def lock_outbound(self, context: Context, terms: ChannelTerms) -> Outbound:
        """tx3^A: the caller's deposit for a channel of another zone; event ``outbound`` (Outbound)."""
        outbound = rules.channel_outbound(terms, context.zone, context.account, context.now)
        return self._lock(context, outbound)

    @transaction
    def send(self, context: Context, zone: Name, account: Name, amount: int, before: Millis) -> Outbound:
        """The caller's money to an account of another zone; ``before`` in ms, 0 for none; event ``outbound``."""
        outbound = rules.outbound(
            f"transfer.{context.tx_id}",
            zone=context.zone,
            source=context.account,
            dest_zone=zone,
            kind=Destination.ACCOUNT,
            dest=account,
            amount=amount,
            before=before,
            now=context.now,
        )
        return self._lock(context, outbound)

    @query
    def outbound(self, context: Context, id: Name) -> Outbound:
        """Its endorsed answer is the proof that the money is locked."""
        return _outbound(context, id)

    @transaction
    def receive(self, context: Context, zone: Name, proof: EndorsedQuery) -> Inbound:
        """Credit the account the proof names; anyone may submit it; event ``inbound`` (Inbound)."""
        outbound = verify_outbound(context, zone, proof)
        if outbound.kind is not Destination.ACCOUNT:
            raise BadProof("this money is not for an account", id=outbound.id, destination=outbound.kind.value)
        inbound = take(context, outbound)
        vault.credit(context, outbound.dest, outbound.amount)
        context.event("inbound", inbound)
        return inbound

    @transaction
    def tombstone(self, context: Context, zone: Name, proof: EndorsedQuery) -> Inbound:
        """Shut out money that was not taken in time, whatever it was for; anyone may; event ``inbound``."""
        outbound = verify_outbound(context, zone, proof)
        key = inbound_key(outbound.source_zone, outbound.id)
        inbound = rules.bury(outbound, context.get(Inbound, key), context.now, context.margin)
        context.put(key, inbound)
        context.event("inbound", inbound)
        return inbound

    @query
    def inbound(self, context: Context, zone: Name, id: Name) -> Inbound:
        """Its endorsed answer is the proof home."""
        found = context.get(Inbound, inbound_key(zone, id))
        if found is None:
            raise NotFound("nothing of that outbound here", zone=zone, id=id)
        return found

    @transaction
    def acknowledge(self, context: Context, id: Name, proof: EndorsedQuery) -> Outbound:
        """tx3^B: the other zone took the money; anyone may show it; event ``outbound``."""
        outbound = _outbound(context, id)
        outbound = rules.acknowledge(outbound, self._shown(context, outbound, proof), outbound.dest_zone)
        return self._put(context, outbound)

    @transaction
    def reclaim(self, context: Context, id: Name, proof: EndorsedQuery) -> Outbound:
        """The other zone has a tombstone: the money goes back to its source; anyone may show it; event ``outbound``."""
        outbound = _outbound(context, id)
        outbound = rules.reclaim(outbound, self._shown(context, outbound, proof), outbound.dest_zone)
        vault.credit(context, outbound.source, outbound.amount)
        return self._put(context, outbound)

    @query
    def outbounds(self, context: Context, size: int = 100, bookmark: str = "") -> tuple[tuple[Outbound, ...], str]:
        """A page of all outbounds ever, and the next page's bookmark."""
        rows, following = context.page(Outbound, OUT, size, bookmark)
        return tuple(outbound for _, outbound in rows), following

    @query
    def inbounds(self, context: Context, size: int = 100, bookmark: str = "") -> tuple[tuple[Inbound, ...], str]:
        """A page of all inbounds and tombstones, and the next page's bookmark."""
        rows, following = context.page(Inbound, IN, size, bookmark)
        return tuple(inbound for _, inbound in rows), following

    def _lock(self, context: Context, outbound: Outbound) -> Outbound:
        vault.debit(context, context.account, outbound.amount)
        lock(context, outbound)
        context.event("outbound", outbound)
        return outbound

    def _put(self, context: Context, outbound: Outbound) -> Outbound:
        context.put(composite_key(OUT, outbound.id), outbound)
        context.event("outbound", outbound)
        return outbound

    def _shown(self, context: Context, outbound: Outbound, proof: EndorsedQuery) -> Inbound:
        return decode(Inbound, _verified(context, outbound.dest_zone, proof, INBOUND))


def _outbound(context: Context, id: str) -> Outbound:
    found = context.get(Outbound, composite_key(OUT, id))
    if found is None:
        raise NotFound("no such outbound", id=id)
    return found


def _verified(context: Context, zone: str, proof: EndorsedQuery, function: str) -> bytes:
    trust: Trust = governance.trust(context, zone)
    verified = endorsed_query.verify(proof, trust, PROOFS, context.now)
    if verified.function != function:
        raise BadProof("another query's answer", function=verified.function, wanted=function)
    return verified.result
