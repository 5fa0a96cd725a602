"""Ed25519 signatures over records, and the X25519 key that belongs to an Ed25519 key.

What is signed is always the SHA-256 of a record's canonical bytes; the type tag inside keeps the records apart, so a
signature over one can never be shown as a signature over another.
"""

import hashlib
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from zoneshare_protocols.codec import Record, digest
from zoneshare_protocols.errors import BadSignature, Malformed

_P = 2**255 - 19
_SMALL_ORDER = frozenset(
    {
        0,
        1,
        _P - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    }
)
"""u of the points of order 1, 2, 4 and 8 (RFC 7748, section 7): shared secrets with them are known to all."""


@lru_cache(maxsize=256)
def _public(raw: bytes) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(raw)
    except ValueError as cause:
        raise Malformed("not an Ed25519 public key") from cause


def sign(private: Ed25519PrivateKey, record: Record) -> bytes:
    """64 bytes: the signature over the record's digest."""
    return private.sign(digest(record))


def check_signature(public: bytes, record: Record, signature: bytes | None, who: str) -> None:
    """Raises BadSignature (naming ``who``) unless ``signature`` over ``record`` verifies under the raw Ed25519 key."""
    check_digest_signature(public, digest(record), signature, who)


def check_digest_signature(public: bytes, record_digest: bytes, signature: bytes | None, who: str) -> None:
    """:func:`check_signature` for who has the record's digest at hand."""
    if signature is None:
        raise BadSignature(f"the {who} has not signed")
    try:
        _public(public).verify(signature, record_digest)
    except InvalidSignature as cause:
        raise BadSignature(f"the signature is not the {who}'s") from cause


def envelope_key_of(signing_key: bytes) -> bytes:
    """The X25519 public key of an Ed25519 public key: u = (1 + y) / (1 - y), RFC 7748 section 4.1.

    Raises Malformed for anything but 32 bytes, a y that is not reduced, and points of small order.
    """
    if len(signing_key) != 32:
        raise Malformed("not an Ed25519 public key")
    y = int.from_bytes(signing_key, "little") & ((1 << 255) - 1)
    if y >= _P or (1 - y) % _P == 0:
        raise Malformed("not an Ed25519 public key")
    u = (1 + y) * pow(1 - y, -1, _P) % _P
    if u in _SMALL_ORDER:
        raise Malformed("not a point an Ed25519 key can be")
    return u.to_bytes(32, "little")


def envelope_private_of(private: Ed25519PrivateKey) -> X25519PrivateKey:
    """The X25519 private key whose public key :func:`envelope_key_of` gives (RFC 8032 section 5.1.5, steps 1 and 2)."""
    return X25519PrivateKey.from_private_bytes(hashlib.sha512(private.private_bytes_raw()).digest()[:32])
