"""Governed records: what all organisations of a channel must approve together, over the same bytes."""

from collections.abc import Sequence
from enum import StrEnum

from zoneshare_protocols.codec import Digest, Name, Record, decode
from zoneshare_protocols.errors import LimitExceeded, Malformed, NotAllowed, NotNewer
from zoneshare_protocols.sharing.accounts import ADMIN, node_units
from zoneshare_protocols.sharing.records import Trust, ZoneInfo, ZoneParameters

MAX_TOLERANCE_MS = 24 * 3600 * 1000

Governed = ZoneParameters | Trust | ZoneInfo


class Kind(StrEnum):
    """Of a governed record."""

    PARAMETERS = "parameters"
    TRUST = "trust"
    ZONE = "zone"
    """A zone in the registry."""


def kind(name: str) -> Kind:
    """Raises Malformed."""
    try:
        return Kind(name)
    except ValueError as cause:
        raise Malformed("no such governed record", kind=name, allowed=", ".join(Kind)) from cause


class Approval(Record, frozen=True, tag="zoneshare/approval/1"):
    """One organisation's word for one record; a later one replaces it, until the record takes effect."""

    kind: Kind
    subject: Name
    mspid: str
    digest: Digest
    """SHA-256 of the record's bytes."""
    record: bytes


def check_admin(organisations: Sequence[str], mspid: str, certificate: bytes) -> None:
    """Raises NotAllowed unless the certificate is an administrator's (node OU) of one of the organisations."""
    if mspid not in organisations:
        raise NotAllowed("the organisation does not govern this channel", mspid=mspid)
    if ADMIN not in node_units(certificate):
        raise NotAllowed("only an administrator approves", mspid=mspid)


def read(kind: Kind, data: bytes) -> Governed:
    """The record of this kind. Raises Malformed, LimitExceeded (a clock tolerance of 0 or over a day)."""
    if kind is Kind.PARAMETERS:
        parameters = decode(ZoneParameters, data)
        if not 1 <= parameters.clock_tolerance <= MAX_TOLERANCE_MS:
            raise LimitExceeded(
                "the clock tolerance is 1 ms to a day", value=parameters.clock_tolerance, limit=MAX_TOLERANCE_MS
            )
        return parameters
    if kind is Kind.TRUST:
        trust = decode(Trust, data)
        _check_complete(trust)
        return trust
    info = decode(ZoneInfo, data)
    if info.trust.zone != info.id:
        raise Malformed("a zone's trust is for another zone", zone=info.id, trust=info.trust.zone)
    _check_complete(info.trust)
    return info


def subject(record: Governed) -> str:
    """Which record of its kind it is: the parameters, or a zone's name."""
    match record:
        case ZoneParameters():
            return "zone"
        case Trust():
            return record.zone
        case ZoneInfo():
            return record.id


def version(record: Governed) -> int:
    """A zone's version in the registry is its trust's."""
    return record.trust.version if isinstance(record, ZoneInfo) else record.version


def check_successor(present: Governed | None, new: Governed) -> None:
    """Raises NotNewer unless the version is the next one (1 at first), NotAllowed for a zone that changes its name."""
    before = 0 if present is None else version(present)
    if version(new) != before + 1:
        raise NotNewer("the version must be the next one", version=version(new), present=before)
    if isinstance(present, ZoneParameters) and isinstance(new, ZoneParameters) and present.zone != new.zone:
        raise NotAllowed("a zone keeps its name", zone=present.zone, new=new.zone)


def unanimous(organisations: Sequence[str], approvals: Sequence[Approval | None]) -> bool:
    """Whether each organisation approved, and all the same bytes. ``approvals`` in the organisations' order."""
    digests = {approval.digest for approval in approvals if approval is not None}
    return len(approvals) == len(organisations) and None not in approvals and len(digests) == 1


def _check_complete(trust: Trust) -> None:
    if not trust.policy or not trust.roots or not all(certificates for _, certificates in trust.roots):
        raise Malformed("a trust needs a policy, and roots for every MSP", zone=trust.zone)
