"""What the zoneshare command finds here as entry points (group ``zoneshare.enroll``), without importing this part."""

from pathlib import Path
from typing import NamedTuple

from zoneshare_network import host
from zoneshare_network.network import now_ms
from zoneshare_network.pki import Role
from zoneshare_network.real import material, members, profiles, site
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.fabric.msp import Msp
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
    if site.is_real(folder):
        real = site.load(folder)
        home = members.member(real, org)
        return Enrolment(home.mspid, members.certify(real, home, name, request, role), profiles.encoded(real, home))
    embedded = host.organisations(folder)
    org = org or next(iter(embedded))
    if org not in embedded:
        raise Misuse(f"no such organisation; there are {', '.join(embedded)}", org=org)
    made = embedded[org].enrol(name, Role(role), now_ms(), request)
    profile = host.encoded(host.profile(folder, org))
    return Enrolment(org, made.certificate, profile)


def describe(folder: Path) -> Description:
    """Raises Misuse when there is no network in ``folder``."""
    if site.is_real(folder):
        return _describe_real(site.load(folder))
    shape, msps = host.load(folder), [member.msp() for member in host.organisations(folder).values()]
    return _description(shape.organisations, shape.channels, shape.endorsement_policy(), msps)


def _describe_real(real: site.Site) -> Description:
    shape, known = real.topology, material.organisations(real)
    msps = [known[mspid].msp() for mspid in shape.mspids]
    return _description(shape.mspids, shape.zones, shape.endorsement_policy(), msps)


def _description(organisations: tuple[str, ...], channels: tuple[str, ...], text: str, msps: list[Msp]) -> Description:
    policy: bytes = parse_policy(text).SerializeToString(deterministic=True)
    return Description(
        organisations=organisations,
        channels=channels,
        policy=policy,
        roots=tuple((msp.mspid, msp.roots) for msp in msps),
        revoked=tuple(crl for msp in msps for crl in msp.crls),
    )
