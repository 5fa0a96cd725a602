"""A device's own keys: Ed25519 signs off the ledger, X25519 (the same secret) opens envelopes."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from zoneshare.identity import check_private, read_part, write_secret
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.sharing.accounts import Registration
from zoneshare_protocols.sharing.keys import envelope_private_of, sign

KEY_FILE = "device.key"
"""The Ed25519 seed: 32 raw bytes."""
SEED_SIZE = 32


@dataclass(frozen=True)
class DeviceKeys:
    """Both key pairs follow from the Ed25519 seed (RFC 8032's secret scalar is the X25519 private key)."""

    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.seed) != SEED_SIZE:
            raise Misuse("a device's key is 32 bytes", size=len(self.seed))

    @cached_property
    def signing(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @cached_property
    def envelope(self) -> X25519PrivateKey:
        return envelope_private_of(self.signing)

    @cached_property
    def signing_key(self) -> bytes:
        """The Ed25519 public key, raw."""
        return self.signing.public_key().public_bytes_raw()

    @cached_property
    def envelope_key(self) -> bytes:
        """The X25519 public key, raw: the Montgomery form of :attr:`signing_key`."""
        return self.envelope.public_key().public_bytes_raw()

    def possession(self, zone: str, account: str) -> tuple[Registration, bytes]:
        """What registers these keys for an account of a zone, and the signature that proves possession of both."""
        claim = Registration(zone, account, self.signing_key, self.envelope_key)
        return claim, sign(self.signing, claim)


def load_keys(folder: Path) -> DeviceKeys:
    """The keys of the device in ``folder``. Raises Misuse when they are missing, damaged or readable by others."""
    seed = read_part(folder, KEY_FILE)
    check_private(folder / KEY_FILE)
    return DeviceKeys(seed)


def create_keys(folder: Path, seed: bytes) -> DeviceKeys:
    """Write new keys from ``seed`` (32 random bytes) into ``folder``. Raises Misuse when it has keys already."""
    keys = DeviceKeys(seed)
    folder.mkdir(parents=True, exist_ok=True)
    write_secret(folder / KEY_FILE, seed)
    return keys
