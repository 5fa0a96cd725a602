"""Certification chains: from a certificate up to one of an MSP's roots, and whether anything on the way is revoked."""

from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtensionOID

from zoneshare_protocols.errors import Malformed, NotAllowed

_UNDERSTOOD = {ExtensionOID.BASIC_CONSTRAINTS, ExtensionOID.KEY_USAGE, ExtensionOID.EXTENDED_KEY_USAGE}
_LONGEST = 8


class UnknownAuthority(NotAllowed):
    """No chain to a root: to Fabric such an identity is not even well formed."""


@lru_cache(maxsize=256)
def revocation_list(pem: bytes) -> x509.CertificateRevocationList:
    """Raises Malformed."""
    try:
        return x509.load_pem_x509_crl(pem)
    except ValueError as cause:
        raise Malformed("not a certificate revocation list in PEM") from cause


def is_ca(certificate: x509.Certificate) -> bool:
    return _constraints(certificate) is not None


def build(
    leaf: x509.Certificate, roots: Sequence[x509.Certificate], intermediates: Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    """The chain, leaf first and root last.

    As in Fabric, CAs are asked for their validity at the moment the leaf's begins, not today. Raises UnknownAuthority.
    """
    chain = [leaf]
    _refuse_unknown_extensions(leaf)
    while len(chain) <= _LONGEST:
        issuer = next((ca for ca in roots if _issued(ca, chain[-1])), None)
        if issuer is not None:
            _check_ca(issuer, leaf, len(chain) - 1)
            return [*chain, issuer]
        issuer = next((ca for ca in intermediates if ca not in chain and _issued(ca, chain[-1])), None)
        if issuer is None:
            break
        _check_ca(issuer, leaf, len(chain) - 1)
        chain.append(issuer)
    raise UnknownAuthority("the supplied identity is not valid: certificate signed by unknown authority")


def check_not_revoked(chain: Sequence[x509.Certificate], crls: Sequence[x509.CertificateRevocationList]) -> None:
    """Raises NotAllowed where a link of the chain stands on a list that its own issuer signed."""
    for certificate, issuer in pairwise(chain):
        for crl in crls:
            if crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is None:
                continue
            if crl.issuer == issuer.subject and crl.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]  # a CA's key signs
                raise NotAllowed("the certificate has been revoked")


def _issued(ca: x509.Certificate, certificate: x509.Certificate) -> bool:
    if ca.subject != certificate.issuer:
        return False
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _constraints(certificate: x509.Certificate) -> x509.BasicConstraints | None:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        return None
    return constraints if constraints.ca else None


def _check_ca(ca: x509.Certificate, leaf: x509.Certificate, below: int) -> None:
    """``below``: how many CAs stand between this one and the leaf."""
    constraints = _constraints(ca)
    if constraints is None:
        raise UnknownAuthority("the supplied identity is not valid: its issuer is not a CA")
    if constraints.path_length is not None and below > constraints.path_length:
        raise UnknownAuthority(
            "the supplied identity is not valid: too many intermediates for the path length constraint"
        )
    try:
        if not ca.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign:
            raise UnknownAuthority("the supplied identity is not valid: its issuer may not sign certificates")
    except x509.ExtensionNotFound:
        pass
    _refuse_unknown_extensions(ca)
    begins = leaf.not_valid_before_utc + timedelta(seconds=1)
    if not ca.not_valid_before_utc <= begins <= ca.not_valid_after_utc:
        raise UnknownAuthority("the supplied identity is not valid: its issuer has expired or is not yet valid")


def _refuse_unknown_extensions(certificate: x509.Certificate) -> None:
    try:
        unknown = [e for e in certificate.extensions if e.critical and e.oid not in _UNDERSTOOD]
    except ValueError as cause:
        raise UnknownAuthority("the supplied identity is not valid: its extensions cannot be read") from cause
    if unknown:
        raise UnknownAuthority("the supplied identity is not valid: unhandled critical extension")
