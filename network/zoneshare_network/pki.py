"""Certificate authorities of the organisations, and what they issue (ECDSA P-256, X.509, node OUs)."""

import datetime
import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from zoneshare_protocols.errors import Misuse

_HALF_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551 // 2
_BACKDATED = datetime.timedelta(minutes=5)
LIFETIME = datetime.timedelta(days=3650)
"""How long a CA, and what it issues unless told otherwise, is valid."""


class Role(StrEnum):
    """Node organisational units of Fabric."""

    CLIENT = "client"
    PEER = "peer"
    ADMIN = "admin"
    ORDERER = "orderer"


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@lru_cache(maxsize=64)
def load_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Raises Misuse when the PEM is no ECDSA P-256 private key."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as cause:
        raise Misuse(f"not a private key: {cause}") from cause
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Misuse("not an ECDSA P-256 private key")
    return key


def request_key(pem: bytes) -> ec.EllipticCurvePublicKey:
    """The public key of a certificate signing request whose signature shows that its maker has the private key.

    Raises Misuse for anything else.
    """
    try:
        request = x509.load_pem_x509_csr(pem)
        key = request.public_key()
    except ValueError as cause:
        raise Misuse(f"not a certificate signing request: {cause}") from cause
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Misuse("the request's key is not ECDSA P-256")
    if not request.is_signature_valid:
        raise Misuse("the request is not signed by its own key")
    return key


def signing_request(key: ec.EllipticCurvePrivateKey, name: str) -> bytes:
    """A PEM request for a certificate over ``key``; the authority decides organisation, role and validity."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True)
class Authority:
    """An organisation's CA (or its TLS CA)."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @classmethod
    def create(cls, name: str, organisation: str, now: datetime.datetime) -> "Authority":
        key = new_key()
        subject = _subject(name, organisation)
        builder = (
            _builder(subject, subject, key.public_key(), key.public_key(), (now, now + LIFETIME))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(authority=True), critical=True)
        )
        return cls(_sign(builder, key), key)

    @classmethod
    def load(cls, certificate_pem: bytes, private_key_pem: bytes) -> "Authority":
        return cls(x509.load_pem_x509_certificate(certificate_pem), load_key(private_key_pem))

    def enrol(
        self,
        public_key: ec.EllipticCurvePublicKey,
        name: str,
        role: Role,
        now: datetime.datetime,
        lifetime: datetime.timedelta = LIFETIME,
    ) -> bytes:
        """A certificate (PEM) for an identity ``name`` with the node OU ``role``; never valid longer than the CA."""
        builder = self._leaf(_subject(name, self.organisation, role), public_key, now, lifetime)
        return _pem(_sign(builder.add_extension(_usage(authority=False), critical=True), self.key))

    def serve(
        self, public_key: ec.EllipticCurvePublicKey, name: str, now: datetime.datetime, host: str | None = None
    ) -> bytes:
        """A TLS certificate (PEM) for localhost, 127.0.0.1 and ``host``, of a server; with ``host``, of a client too.

        Fabric's nodes show each other the certificate they serve with.
        """
        loopback = ipaddress.ip_address("127.0.0.1")
        hosts = [x509.DNSName(one) for one in ("localhost", host) if one is not None]
        names = x509.SubjectAlternativeName([*hosts, x509.IPAddress(loopback)])
        uses = [ExtendedKeyUsageOID.SERVER_AUTH, *([] if host is None else [ExtendedKeyUsageOID.CLIENT_AUTH])]
        builder = (
            self._leaf(_subject(name, self.organisation), public_key, now, LIFETIME)
            .add_extension(_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(names, critical=False)
        )
        return _pem(_sign(builder, self.key))

    def revocation_list(self, serials: tuple[int, ...], now: datetime.datetime) -> bytes:
        """A CRL (PEM) that names all of ``serials``."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - _BACKDATED)
            .next_update(self.certificate.not_valid_after_utc)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.CRLNumber(len(serials)), critical=False)
        )
        for serial in serials:
            revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - _BACKDATED).build()
            builder = builder.add_revoked_certificate(revoked)
        while not _low_s((crl := builder.sign(self.key, hashes.SHA256())).signature):
            pass
        return crl.public_bytes(serialization.Encoding.PEM)

    @property
    def organisation(self) -> str:
        return str(self.certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value)

    def _leaf(
        self,
        subject: x509.Name,
        public_key: ec.EllipticCurvePublicKey,
        now: datetime.datetime,
        lifetime: datetime.timedelta,
    ) -> x509.CertificateBuilder:
        until = min(now + lifetime, self.certificate.not_valid_after_utc)
        issuer = self.certificate.subject
        builder = _builder(subject, issuer, public_key, self.key.public_key(), (now, until))
        return builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)


def _subject(name: str, organisation: str, unit: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)]
    if unit is not None:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit))
    try:
        return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, name)])
    except ValueError as cause:
        raise Misuse(f"not a name for a certificate: {cause}", name=name) from cause


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    validity: tuple[datetime.datetime, datetime.datetime],
) -> x509.CertificateBuilder:
    start, until = validity
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(start, until) - _BACKDATED)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _sign(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    # Fabric rewrites a certificate whose signature has a high S, and then its bytes are no longer the ones we gave out.
    while not _low_s((certificate := builder.sign(key, hashes.SHA256())).signature):
        pass
    return certificate


def _low_s(signature: bytes) -> bool:
    return decode_dss_signature(signature)[1] <= _HALF_ORDER


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
