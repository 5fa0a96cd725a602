"""A device's keys: the X25519 key that follows from its Ed25519 key."""

from zoneshare_protocols.errors import Malformed

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


def montgomery(ed25519_public: bytes) -> bytes:
    """The X25519 public key (32 bytes) of an Ed25519 one: u = (1 + y) / (1 - y) mod 2^255 - 19 (RFC 7748, 4.1).

    Raises Malformed for anything but 32 bytes, a y that is not reduced, and points of small order.
    """
    if len(ed25519_public) != 32:
        raise Malformed("an Ed25519 public key has 32 bytes", size=len(ed25519_public))
    y = int.from_bytes(ed25519_public, "little") & (2**255 - 1)
    if y >= _P or y == 1:
        raise Malformed("not a point an Ed25519 key can be")
    u = (1 + y) * pow(1 - y, -1, _P) % _P
    if u in _SMALL_ORDER:
        raise Malformed("not a point an Ed25519 key can be")
    return u.to_bytes(32, "little")
