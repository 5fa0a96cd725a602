"""Identities on the wire: msp.SerializedIdentity, an MSP's id and a certificate in PEM."""

from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from fabric_protos.msp import identities_pb2

from zoneshare_protocols.errors import Malformed
from zoneshare_protocols.fabric import wire
from zoneshare_protocols.stub import Creator

_UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


def serialize(creator: Creator) -> bytes:
    """The bytes that stand in headers and endorsements."""
    return wire.write(identities_pb2.SerializedIdentity(mspid=creator.mspid, id_bytes=creator.certificate))


@lru_cache(maxsize=4096)
def parse(data: bytes) -> Creator:
    """The identity that ``data`` spells; its certificate is not looked at. Raises Malformed."""
    message = wire.read(identities_pb2.SerializedIdentity, data)
    return Creator(message.mspid, message.id_bytes)


@lru_cache(maxsize=4096)
def certificate(pem: bytes) -> x509.Certificate:
    """The X.509 certificate in ``pem``. Raises Malformed."""
    try:
        found = x509.load_pem_x509_certificate(pem)
        # The library reads these when they are asked for; Fabric refuses at once what cannot be read.
        _ = (found.subject, found.issuer, found.extensions, found.not_valid_before_utc, found.not_valid_after_utc)
        _ = (found.public_key(), found.signature_hash_algorithm)
    except _UNREADABLE as cause:
        raise Malformed("the identity is not an X.509 certificate in PEM") from cause
    return found
