"""A simulated platform for :class:`.enclave.Enclave`: what a real one's driver takes the place of (docs/decisions)."""

import datetime
import os
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from zoneshare.identity import check_private, write_secret
from zoneshare.seal.measurement import measure
from zoneshare_protocols.errors import DataCorrupt, Misuse
from zoneshare_protocols.seal.bids import Quote, SignedQuote
from zoneshare_protocols.seal.ledger import PlatformRoot
from zoneshare_protocols.sharing.keys import sign
from zoneshare_protocols.sharing.records import Trust

YEAR = datetime.timedelta(days=365)
ROOT_FILE, CHAIN_FILE, KEY_FILE = "root.pem", "attestation.pem", "attestation-key.pem"


class SimulatedPlatform:
    """A platform without hardware: a key in a folder. Whoever runs the machine can read what the enclave has."""

    simulated = True

    def __init__(self, folder: Path, trust: Trust) -> None:
        """What :func:`make_simulated_platform` has made, for the program as it is installed here. Raises Misuse."""
        self.measurement = measure(trust)
        try:
            self.chain: tuple[bytes, ...] = ((folder / CHAIN_FILE).read_bytes(),)
            key = load_pem_private_key((folder / KEY_FILE).read_bytes(), None)
        except (OSError, ValueError) as cause:
            raise _none_in(folder) from cause
        check_private(folder / KEY_FILE)
        if not isinstance(key, Ed25519PrivateKey):
            raise Misuse(f"the key in {folder} is no attestation key")
        self._key = key
        info = b"zoneshare/seal-storage/1" + self.measurement
        self._storage = AESGCM(HKDF(SHA256(), 32, None, info).derive(key.private_bytes_raw()))

    def quote(self, auction: bytes, signing_key: bytes, sealing_key: bytes, now: int) -> SignedQuote:
        made = Quote(self.measurement, auction, signing_key, sealing_key, now, simulated=True)
        return SignedQuote(made, sign(self._key, made))

    def seal(self, secret: bytes, label: bytes) -> bytes:
        nonce = os.urandom(12)
        return nonce + self._storage.encrypt(nonce, secret, label)

    def unseal(self, sealed: bytes, label: bytes) -> bytes:
        try:
            return self._storage.decrypt(sealed[:12], sealed[12:], label)
        except (InvalidTag, ValueError) as cause:
            raise DataCorrupt("not sealed by this program on this platform") from cause


def make_simulated_platform(folder: Path, now: datetime.datetime, valid: datetime.timedelta = YEAR) -> PlatformRoot:
    """A root, an attestation key and its certificate in a new folder; what a zone has to approve is returned.

    The root's key is thrown away. Raises Misuse when there is one already.
    """
    if (folder / KEY_FILE).exists():
        raise Misuse(f"there is a simulated platform in {folder} already")
    root_key, key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    name, leaf_name = _name("Simulated Platform, no hardware: root"), _name("Simulated Platform, no hardware")
    root = _certificate(name, name, root_key, root_key, (now, valid), ca=True)
    leaf = _certificate(leaf_name, name, key, root_key, (now, valid), ca=False)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / ROOT_FILE).write_bytes(root)
    (folder / CHAIN_FILE).write_bytes(leaf)
    write_secret(folder / KEY_FILE, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return PlatformRoot(root, simulated=True)


def simulated_root(folder: Path) -> PlatformRoot:
    """What a zone approves. Raises Misuse."""
    try:
        return PlatformRoot((folder / ROOT_FILE).read_bytes(), simulated=True)
    except OSError as cause:
        raise _none_in(folder) from cause


def _none_in(folder: Path) -> Misuse:
    return Misuse(f"there is no simulated platform in {folder}: run zoneshare enclave init first")


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: Ed25519PrivateKey,
    signer: Ed25519PrivateKey,
    validity: tuple[datetime.datetime, datetime.timedelta],
    *,
    ca: bool,
) -> bytes:
    begins, valid = validity
    usage = x509.KeyUsage(not ca, False, False, False, False, ca, ca, False, False)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins - datetime.timedelta(minutes=5))
        .not_valid_after(begins + valid)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
        .add_extension(usage, critical=True)
        .sign(signer, None)
    )
    return made.public_bytes(Encoding.PEM)
