"""Membership service providers: which certificates belong to an organisation, and what role each has."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cryptography import x509

from zoneshare_protocols.stub import Creator


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

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises BadSignature."""
        raise NotImplementedError

    def satisfies(self, principal: Any) -> bool:
        """Whether this identity is what an msp.MSPPrincipal asks for (role, organisational unit, or exact identity)."""
        raise NotImplementedError


@dataclass(frozen=True)
class NodeOus:
    """The organisational units that give roles; None where an MSP names none for a role."""

    client: str | None = "client"
    peer: str | None = "peer"
    admin: str | None = "admin"
    orderer: str | None = "orderer"


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
        """From the bytes of a msp.FabricMSPConfig, or of the msp.MSPConfig around it. Raises Malformed."""
        raise NotImplementedError

    def to_fabric_config(self) -> bytes:
        """The msp.MSPConfig, as it stands as value ``MSP`` of an organisation's group in a config block."""
        raise NotImplementedError

    def validate(self, creator: Creator, at_ms: int | None = None) -> Identity:
        """The identity behind ``creator``; ``at_ms`` (milliseconds since 1970) also asks that it be not expired then.

        Results are cached. Raises NotAllowed with Fabric's words (another MSP, no chain to a root, revoked, expired,
        no or more than one role), Malformed for what is no certificate.
        """
        raise NotImplementedError
