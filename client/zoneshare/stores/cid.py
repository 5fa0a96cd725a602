"""Content identifiers as IPFS writes them: CIDv1, raw codec, SHA-256, base32 lower case with the multibase prefix b."""

import base64
import hashlib

from zoneshare_protocols.errors import DataCorrupt, Malformed

_PREFIX = bytes((0x01, 0x55, 0x12, 0x20))
"""Version 1, raw, sha2-256, 32 bytes of digest: each a one-byte varint."""
_LENGTH = 59


def from_digest(digest: bytes) -> str:
    """The CID of the block whose SHA-256 is ``digest`` (32 bytes). Raises Malformed for another length."""
    if len(digest) != 32:
        raise Malformed("a SHA-256 digest has 32 bytes", length=len(digest))
    return "b" + base64.b32encode(_PREFIX + digest).decode().rstrip("=").lower()


def of(data: bytes) -> str:
    """The CID of a block of bytes."""
    return from_digest(hashlib.sha256(data).digest())


def to_digest(cid: str) -> bytes:
    """The SHA-256 inside a CID. Raises Malformed for every spelling but the one :func:`from_digest` gives."""
    if len(cid) == _LENGTH and cid.startswith("b") and cid.isascii():
        try:
            raw = base64.b32decode(cid[1:].upper() + "======")
        except ValueError as cause:
            raise Malformed("not base32") from cause
        if raw.startswith(_PREFIX) and from_digest(raw[4:]) == cid:
            return raw[4:]
    raise Malformed("not the CID of a raw block (CIDv1, raw, sha2-256, base32)", cid=cid[:80])


def check(cid: str, data: bytes) -> bytes:
    """``data`` again, if they are the block that ``cid`` names. Raises DataCorrupt otherwise."""
    if of(data) != cid:
        raise DataCorrupt("a block is not what its CID names", expected=cid, actual=of(data))
    return data
