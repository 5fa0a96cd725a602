"""Real X.509 identities for tests: one CA an organisation, roles by node OU, made once a process."""

import datetime
from dataclasses import dataclass, field
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from zoneshare_protocols.sharing.accounts import account_of
from zoneshare_protocols.stub import Creator

FROM = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
UNTIL = datetime.datetime(2040, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Identity:
    """Who signs: its MSP, certificate (PEM), key, and an Ed25519 key for what is signed off the ledger."""

    mspid: str
    certificate: bytes
    key: ec.EllipticCurvePrivateKey
    signing: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def creator(self) -> Creator:
        return Creator(self.mspid, self.certificate)

    @property
    def account(self) -> str:
        return account_of(self.mspid, self.certificate)

    @property
    def signing_key(self) -> bytes:
        return self.signing.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


@dataclass(frozen=True)
class Authority:
    """An organisation's CA."""

    mspid: str
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(
        self,
        name: str,
        role: str = "client",
        until: datetime.datetime = UNTIL,
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> Identity:
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = _name(f"{name}.{self.mspid}", role)
        usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
        certificate = (
            _builder(subject, self.certificate.subject, key.public_key(), until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return Identity(self.mspid, certificate.public_bytes(Encoding.PEM), key)

    def revoke(self, identity: Identity) -> bytes:
        """A certificate revocation list (PEM) with this identity on it."""
        serial = x509.load_pem_x509_certificate(identity.certificate).serial_number
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(FROM).build()
        crl = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(FROM)
            .next_update(UNTIL)
            .add_revoked_certificate(entry)
            .sign(self.key, hashes.SHA256())
        )
        return crl.public_bytes(Encoding.PEM)


@cache
def authority(mspid: str, copy: int = 0) -> Authority:
    """The CA of an organisation; another ``copy`` is another CA that claims the same MSP id."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"ca.{mspid}", None)
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    certificate = (
        _builder(subject, subject, key.public_key(), UNTIL)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(mspid, certificate, key)


@cache
def identity(mspid: str, name: str, role: str = "client") -> Identity:
    """The same identity for the same name, for as long as the process lives."""
    return authority(mspid).issue(name, role)


def _name(common: str, role: str | None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if role is not None:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, role))
    return x509.Name(parts)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, until: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(FROM)
        .not_valid_after(until)
    )
