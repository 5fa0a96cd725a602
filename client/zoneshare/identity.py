"""Who submits: an X.509 identity of a zone's CA, in a folder of its own.

The folder holds ``cert.pem``, ``key.pem`` (mode 0600), ``mspid`` and ``connection.json``, as ``zoneshare network
enroll`` writes it, and may hold the CA certificates of the network's organisations, ``msps/MSPID.pem``.
"""

import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.fabric.identity import serialize
from zoneshare_protocols.fabric.msp import Msp
from zoneshare_protocols.fabric.signatures import sign
from zoneshare_protocols.sharing.accounts import account_of
from zoneshare_protocols.stub import Creator

CERTIFICATE = "cert.pem"
KEY = "key.pem"
MSPID = "mspid"
CONNECTION = "connection.json"
MSPS = "msps"


@dataclass(frozen=True)
class ClientTls:
    """Key and certificate (PEM) that a client shows to servers that ask for them."""

    key: bytes = field(repr=False)
    certificate: bytes

    @property
    def hash(self) -> bytes:
        """SHA-256 of the certificate, by which Fabric ties a request for blocks to its connection."""
        return x509.load_pem_x509_certificate(self.certificate).fingerprint(SHA256())


@dataclass(frozen=True)
class Identity:
    """A certificate (PEM), its private key, and the MSP that stands for it."""

    mspid: str
    certificate: bytes
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @cached_property
    def serialized(self) -> bytes:
        """An msp.SerializedIdentity: the creator of proposals."""
        return serialize(Creator(self.mspid, self.certificate))

    @cached_property
    def account(self) -> str:
        """The account this identity owns in every zone that knows its CA: 40 hex digits."""
        return account_of(self.mspid, self.certificate)

    @cached_property
    def tls(self) -> ClientTls:
        """The identity itself, as a client of TLS."""
        pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return ClientTls(pem, self.certificate)

    def sign(self, message: bytes) -> bytes:
        """ECDSA over SHA-256, DER, low-S as Fabric wants it."""
        return sign(self.key, message)


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh key on P-256, the curve of Fabric's identities."""
    return ec.generate_private_key(ec.SECP256R1())


def signing_request(key: ec.EllipticCurvePrivateKey, name: str) -> bytes:
    """A PKCS #10 request (PEM) for a certificate over ``key``. Raises Misuse for a name no certificate can have."""
    try:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    except ValueError as cause:
        raise Misuse(f"not a name for an identity: {cause}", name=name) from cause
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, SHA256())
    return request.public_bytes(Encoding.PEM)


def load_identity(folder: Path, mspid: str = "") -> Identity:
    """The identity in ``folder``. Raises Misuse, in one line, for what is missing or does not fit together.

    ``mspid`` stands for the folder's file of that name, where there is none.
    """
    certificate = read_part(folder, CERTIFICATE)
    key = _key(folder)
    mspid = mspid or read_part(folder, MSPID).decode(errors="replace").strip()
    if not mspid:
        raise Misuse(f"{folder / MSPID} is empty: it names the identity's MSP, for instance Org1MSP")
    try:
        public = x509.load_pem_x509_certificate(certificate).public_key()
    except ValueError as cause:
        raise Misuse(f"{folder / CERTIFICATE} is not an X.509 certificate in PEM") from cause
    ours = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != ours:
        raise Misuse(f"in {folder}, {KEY} is not the key of {CERTIFICATE}")
    return Identity(mspid, certificate, key)


def write_identity(
    folder: Path, identity: Identity, connection: bytes, roots: Mapping[str, Sequence[bytes]] | None = None
) -> None:
    """Put an identity into ``folder`` (made when missing), the private key readable by its owner only.

    ``roots`` are the CA certificates (PEM) of the network's organisations by MSP id, for :func:`load_msps`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_secret(folder / KEY, identity.tls.key)
    (folder / CERTIFICATE).write_bytes(identity.certificate)
    (folder / MSPID).write_text(identity.mspid + "\n")
    (folder / CONNECTION).write_bytes(connection)
    for mspid, certificates in (roots or {}).items():
        (folder / MSPS).mkdir(exist_ok=True)
        (folder / MSPS / f"{mspid}.pem").write_bytes(b"".join(certificates))


def check_absent(folder: Path) -> None:
    """Raises Misuse when ``folder`` is there already."""
    if folder.exists():
        raise Misuse(f"{folder} is there already: nothing was changed")


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, which becomes ``folder`` when it is full: it appears whole or not at all.

    Raises Misuse when ``folder`` is there already.
    """
    check_absent(folder)
    half = folder.with_name(f".{folder.name}.{os.getpid()}")
    half.mkdir(parents=True)
    try:
        yield half
        half.rename(folder)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise


def load_msps(folder: Path) -> dict[str, Msp] | None:
    """The organisations whose endorsers this identity believes, from ``msps/MSPID.pem``; None where there are none.

    Raises Misuse for a file that is no certificates.
    """
    found = {}
    for file in sorted((folder / MSPS).glob("*.pem")):
        try:
            certificates = x509.load_pem_x509_certificates(file.read_bytes())
        except (ValueError, OSError) as cause:
            raise Misuse(f"{file} is not CA certificates in PEM") from cause
        found[file.stem] = Msp(file.stem, tuple(each.public_bytes(Encoding.PEM) for each in certificates))
    return found or None


def read_part(folder: Path, name: str) -> bytes:
    """A file of an identity or device folder. Raises Misuse when it cannot be read."""
    if not folder.is_dir():
        raise Misuse(f"no folder {folder}")
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError as cause:
        raise Misuse(f"{folder} has no {name}") from cause
    except OSError as cause:
        raise Misuse(f"cannot read {folder / name}: {cause.strerror}") from cause


def write_secret(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read. Raises Misuse when it is there already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    except FileExistsError as cause:
        raise Misuse(f"{path} is there already: nothing was changed") from cause
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def check_private(path: Path) -> None:
    """Raise Misuse when others than its owner can read ``path``."""
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Misuse(f"{path} can be read by others: run chmod 600 {path}")


def _key(folder: Path) -> ec.EllipticCurvePrivateKey:
    data = read_part(folder, KEY)
    check_private(folder / KEY)
    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError) as cause:
        raise Misuse(f"{folder / KEY} is not a private key in PEM without a password") from cause
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Misuse(f"{folder / KEY} is not an elliptic-curve key on P-256")
    return key
