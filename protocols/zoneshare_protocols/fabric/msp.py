"""Membership service providers: which certificates belong to an organisation, and what role each has."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID
from fabric_protos.msp import msp_config_pb2, msp_principal_pb2

from zoneshare_protocols.errors import Malformed, NotAllowed
from zoneshare_protocols.fabric import chain, signatures, wire
from zoneshare_protocols.fabric.identity import certificate as load
from zoneshare_protocols.fabric.identity import parse
from zoneshare_protocols.stub import Creator

_Principal = msp_principal_pb2.MSPPrincipal


class Role(StrEnum):
    """msp.MSPRole.MSPRoleType, in lower case. Every valid identity is a member."""

    MEMBER = "member"
    ADMIN = "admin"
    CLIENT = "client"
    PEER = "peer"
    ORDERER = "orderer"


@dataclass(frozen=True)
class Identity:
    """A certificate that an MSP found valid."""

    creator: Creator
    certificate: x509.Certificate
    roles: frozenset[Role]
    units: frozenset[str]
    """The certificate's organisational units."""

    @property
    def mspid(self) -> str:
        return self.creator.mspid

    @cached_property
    def key(self) -> tuple[str, bytes]:
        """What tells two identities apart: not the whole certificate, whose signature anyone can turn to high S."""
        return self.creator.mspid, self.certificate.tbs_certificate_bytes

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises BadSignature."""
        signatures.verify(self.certificate, signature, message)

    def satisfies(self, principal: Any) -> bool:
        """Whether this identity is what an msp.MSPPrincipal asks for (role, organisational unit, or exact identity).

        Raises Malformed for a principal of another kind.
        """
        return _meaning(principal.principal_classification, principal.principal)(self)


@lru_cache(maxsize=1024)
def _meaning(classification: int, data: bytes) -> Callable[[Identity], bool]:
    if classification == _Principal.ROLE:
        wanted = wire.read(msp_principal_pb2.MSPRole, data)
        if wanted.role not in msp_principal_pb2.MSPRole.MSPRoleType.values():
            raise Malformed(f"principal of unknown role {wanted.role}")
        role = Role(msp_principal_pb2.MSPRole.MSPRoleType.Name(wanted.role).lower())
        mspid = wanted.msp_identifier
        return lambda identity: identity.mspid == mspid and role in identity.roles
    if classification == _Principal.ORGANIZATION_UNIT:
        unit = wire.read(msp_principal_pb2.OrganizationUnit, data)
        if unit.certifiers_identifier:
            raise Malformed("a principal that names an organisational unit's certifier is not supported")
        mspid, text = unit.msp_identifier, unit.organizational_unit_identifier
        return lambda identity: identity.mspid == mspid and text in identity.units
    if classification == _Principal.IDENTITY:
        exact = parse(data)
        key = exact.mspid, load(exact.certificate).tbs_certificate_bytes
        return lambda identity: identity.key == key
    raise Malformed(f"principal of unsupported classification {classification}")


@dataclass(frozen=True)
class NodeOus:
    """The organisational units that give roles; None where an MSP names none for a role."""

    client: str | None = "client"
    peer: str | None = "peer"
    admin: str | None = "admin"
    orderer: str | None = "orderer"
    certifier: bytes = b""
    """The CA (PEM) that must have issued a certificate for its unit to count; empty: any of the MSP's."""

    def roles(self) -> dict[str, Role]:
        named = {self.client: Role.CLIENT, self.peer: Role.PEER, self.admin: Role.ADMIN, self.orderer: Role.ORDERER}
        return {unit: role for unit, role in named.items() if unit is not None}


@dataclass(frozen=True)
class Msp:
    """One organisation's MSP. Certificates and revocation lists are PEM."""

    mspid: str
    roots: tuple[bytes, ...]
    intermediates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    admins: tuple[bytes, ...] = ()
    """Certificates that are administrators whatever their units say."""
    node_ous: NodeOus | None = NodeOus()
    """None: roles by unit are off, and every identity is a member only (or an administrator by ``admins``)."""
    tls_roots: tuple[bytes, ...] = ()
    tls_intermediates: tuple[bytes, ...] = ()

    @classmethod
    def from_fabric_config(cls, data: bytes) -> "Msp":
        """From the bytes of an msp.MSPConfig (type Fabric, X.509). Raises Malformed."""
        outer = wire.read(msp_config_pb2.MSPConfig, data)
        if outer.type != 0:
            raise Malformed(f"MSP of unsupported type {outer.type}")
        config = wire.read(msp_config_pb2.FabricMSPConfig, outer.config)
        if config.organizational_unit_identifiers:
            raise Malformed("an MSP restricted to organisational units is not supported")
        return cls(
            mspid=config.name,
            roots=tuple(config.root_certs),
            intermediates=tuple(config.intermediate_certs),
            crls=tuple(config.revocation_list),
            admins=tuple(config.admins),
            node_ous=_read_node_ous(config.fabric_node_ous),
            tls_roots=tuple(config.tls_root_certs),
            tls_intermediates=tuple(config.tls_intermediate_certs),
        )

    def to_fabric_config(self) -> bytes:
        """The msp.MSPConfig, as it stands as value ``MSP`` of an organisation's group in a config block."""
        config = msp_config_pb2.FabricMSPConfig(
            name=self.mspid,
            root_certs=self.roots,
            intermediate_certs=self.intermediates,
            admins=self.admins,
            revocation_list=self.crls,
            crypto_config=msp_config_pb2.FabricCryptoConfig(
                signature_hash_family="SHA2", identity_identifier_hash_function="SHA256"
            ),
            tls_root_certs=self.tls_roots,
            tls_intermediate_certs=self.tls_intermediates,
            fabric_node_ous=_write_node_ous(self.node_ous),
        )
        return wire.write(msp_config_pb2.MSPConfig(type=0, config=wire.write(config)))

    def validate(self, creator: Creator, at_ms: int | None = None) -> Identity:
        """The identity behind ``creator``; ``at_ms`` (milliseconds since 1970) also asks that it be not expired then.

        Results are cached. Raises NotAllowed with Fabric's words (another MSP, no chain to a root, revoked, expired,
        no or more than one role), Malformed for what is no certificate.
        """
        identity = _validated(self, creator)
        if at_ms is not None and at_ms >= _millis(identity.certificate.not_valid_after_utc):
            raise NotAllowed("the identity's certificate has expired", mspid=self.mspid)
        return identity


@lru_cache(maxsize=4096)
def _validated(msp: Msp, creator: Creator) -> Identity:
    if creator.mspid != msp.mspid:
        raise NotAllowed(f"expected MSP ID {msp.mspid}, received {creator.mspid}")
    certificate = load(creator.certificate)
    if chain.is_ca(certificate):
        raise NotAllowed("a CA's certificate cannot be used as an identity")
    links = chain.build(certificate, [load(c) for c in msp.roots], [load(c) for c in msp.intermediates])
    chain.check_not_revoked(links, [chain.revocation_list(c) for c in msp.crls])
    units = frozenset(
        str(a.value) for a in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    )
    roles = {Role.MEMBER}
    if msp.node_ous is not None:
        roles.add(_role(msp.node_ous, units, links[1], msp.mspid))
    if any(load(admin) == certificate for admin in msp.admins):
        roles.add(Role.ADMIN)
    return Identity(creator, certificate, frozenset(roles), units)


def _role(node_ous: NodeOus, units: frozenset[str], issuer: x509.Certificate, mspid: str) -> Role:
    known = node_ous.roles()
    found = [known[unit] for unit in units if unit in known]
    listed = f"OUs: {', '.join(sorted(units))}, MSP: [{mspid}]"
    if found and node_ous.certifier and load(node_ous.certifier) != issuer:
        raise NotAllowed(f"certifiersIdentifier does not match: {listed}")
    if not found:
        raise NotAllowed(
            f"the identity does not have an OU that resolves to client, peer, orderer, or admin role. {listed}"
        )
    if len(found) > 1:
        raise NotAllowed(
            "the identity must have a client, a peer, an orderer, or an admin OU role to be valid, "
            f"not a combination of them. {listed}"
        )
    return found[0]


def _read_node_ous(config: Any) -> NodeOus | None:
    if not config.enable:
        return None
    found: dict[str, str | None] = {}
    certifiers = set()
    for role in ("client", "peer", "admin", "orderer"):
        name = f"{role}_ou_identifier"
        found[role] = None
        if config.HasField(name):
            unit = getattr(config, name)
            found[role] = unit.organizational_unit_identifier
            certifiers.add(unit.certificate)
    if len(certifiers) > 1:
        raise Malformed("an MSP whose roles have different certifiers is not supported")
    return NodeOus(found["client"], found["peer"], found["admin"], found["orderer"], next(iter(certifiers), b""))


def _write_node_ous(node_ous: NodeOus | None) -> Any:
    if node_ous is None:
        return None
    units = {
        f"{role}_ou_identifier": msp_config_pb2.FabricOUIdentifier(
            organizational_unit_identifier=unit, certificate=node_ous.certifier
        )
        for unit, role in node_ous.roles().items()
    }
    return msp_config_pb2.FabricNodeOUs(enable=True, **units)


def _millis(moment: datetime) -> int:
    return (moment - datetime.fromisoformat("1970-01-01T00:00:00+00:00")) // timedelta(milliseconds=1)
