"""What the zoneshare command finds here as entry points (group ``zoneshare.enroll``), without importing this part."""

from pathlib import Path
from typing import NamedTuple

from zoneshare_network import host
from zoneshare_network.identities import connection_profile
from zoneshare_network.network import now_ms
from zoneshare_network.pki import Role
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.fabric.policy import parse_policy


class Enrolment(NamedTuple):
    """A new certificate (PEM), the MSP it belongs to, and the connection profile."""

    mspid: str
    certificate: bytes
    profile: bytes


class Description(NamedTuple):
    """What other networks need to know of this one to believe its endorsements."""

    organisations: tuple[str, ...]
    channels: tuple[str, ...]
    policy: bytes
    """common.SignaturePolicyEnvelope of every chaincode."""
    roots: tuple[tuple[str, tuple[bytes, ...]], ...]
    """(MSP id, CA certificates as PEM)."""
    revoked: tuple[bytes, ...]
    """Revocation lists (PEM)."""


def enroll(folder: Path, name: str, request: bytes, org: str = "", role: str = Role.CLIENT) -> Enrolment:
    """Certify a signing request (PEM) by the CA of ``org`` (default: the first organisation). Raises Misuse."""
    members = host.organisations(folder)
    org = org or next(iter(members))
    if org not in members:
        raise Misuse(f"no such organisation; there are {', '.join(members)}", org=org)
    made = members[org].enrol(name, Role(role), now_ms(), request)
    profile = connection_profile(org, members.values(), host.load(folder).channels, host.address(folder))
    return Enrolment(org, made.certificate, profile)


def describe(folder: Path) -> Description:
    """Raises Misuse when there is no network in ``folder``."""
    shape, msps = host.load(folder), [member.msp() for member in host.organisations(folder).values()]
    policy: bytes = parse_policy(shape.endorsement_policy()).SerializeToString(deterministic=True)
    return Description(
        organisations=shape.organisations,
        channels=shape.channels,
        policy=policy,
        roots=tuple((msp.mspid, msp.roots) for msp in msps),
        revoked=tuple(crl for msp in msps for crl in msp.crls),
    )
