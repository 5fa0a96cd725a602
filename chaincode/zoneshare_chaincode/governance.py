"""ledger: records that change only when every organisation of the channel approved the same bytes."""

import hashlib
from typing import Any

from zoneshare_chaincode.base import PARAMETERS, Context, Contract, query, transaction
from zoneshare_protocols.codec import Name
from zoneshare_protocols.errors import Misuse, NotFound
from zoneshare_protocols.fabric.chain import revocation_list
from zoneshare_protocols.fabric.identity import certificate
from zoneshare_protocols.fabric.policy import SignaturePolicy
from zoneshare_protocols.sharing import governance as rules
from zoneshare_protocols.sharing.governance import Approval, Kind
from zoneshare_protocols.sharing.records import Trust, ZoneInfo, ZoneParameters
from zoneshare_protocols.stub import composite_key

APPROVAL = "approval"
TRUST = "trust"
ZONE = "zone"

_RECORDS: dict[Kind, type[Any]] = {Kind.PARAMETERS: ZoneParameters, Kind.TRUST: Trust, Kind.ZONE: ZoneInfo}


def trust(context: Context, zone: str) -> Trust:
    """What this ledger believes of another zone. Raises NotFound."""
    found = context.get(Trust, composite_key(TRUST, zone))
    if found is None:
        raise NotFound("no trust in that zone", zone=zone)
    return found


class Governance(Contract):
    name = "ledger"

    def __init__(self, organisations: tuple[str, ...]) -> None:
        """``organisations``: the MSP ids that govern together, given when the chaincode is deployed."""
        if not organisations or len(set(organisations)) != len(organisations):
            raise Misuse("a chaincode is deployed with the MSP ids of its organisations, each once")
        self._organisations = organisations

    @transaction
    def approve(self, context: Context, kind: Name, record: bytes) -> bool:
        """One organisation's approval; True when it was the last and the record took effect (event ``governed``)."""
        creator = context.stub.creator
        rules.check_admin(self._organisations, creator.mspid, creator.certificate)
        kind = rules.kind(kind)
        new = rules.read(kind, record)
        _check_trust(new)
        subject, key = rules.subject(new), _key(kind, rules.subject(new))
        rules.check_successor(context.get(_RECORDS[kind], key), new)
        approval = Approval(
            kind=kind, subject=subject, mspid=creator.mspid, digest=hashlib.sha256(record).digest(), record=record
        )
        keys = {mspid: composite_key(APPROVAL, kind, subject, mspid) for mspid in self._organisations}
        context.put(keys[creator.mspid], approval)
        done = rules.unanimous(self._organisations, [context.get(Approval, k) for k in keys.values()])
        if done:
            context.put(key, new)
            for each in keys.values():
                context.delete(each)
            context.event("governed", approval)
        return done

    @query
    def approvals(self, context: Context, size: int = 100, bookmark: str = "") -> tuple[tuple[Approval, ...], str]:
        """A page of approvals that wait for the other organisations', and the next page's bookmark."""
        rows, following = context.page(Approval, APPROVAL, size, bookmark)
        return tuple(approval for _, approval in rows), following

    @query
    def parameters(self, context: Context) -> ZoneParameters:
        return context.parameters

    @query
    def trust(self, context: Context, zone: Name) -> Trust:
        return trust(context, zone)

    @query
    def trusts(self, context: Context) -> tuple[Trust, ...]:
        return tuple(found for _, found in context.scan(Trust, TRUST))


def _check_trust(record: rules.Governed) -> None:
    """Raises Malformed where a trust's policy, roots or revocations cannot be read: nothing could be proven to it."""
    match record:
        case (Trust() as found) | ZoneInfo(trust=found):
            SignaturePolicy(found.policy).satisfied_by(())
            for _, certificates in found.roots:
                for pem in certificates:
                    certificate(pem)
            for pem in found.revoked:
                revocation_list(pem)


def _key(kind: Kind, subject: str) -> str:
    return PARAMETERS if kind is Kind.PARAMETERS else composite_key(kind.value, subject)
