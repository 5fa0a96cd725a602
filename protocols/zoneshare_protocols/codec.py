"""Canonical bytes for everything that is hashed, signed, stored or sent.

A :class:`Record` is encoded as a MessagePack array whose first element is the record's type tag, so that no bytes of
one type can ever be read, or signed, as another's. MessagePack as msgspec writes it is deterministic; :func:`decode`
refuses any other spelling of the same value.
"""

import hashlib
import threading
from collections.abc import Hashable
from typing import Annotated, Any, TypeVar, cast

import msgspec

from zoneshare_protocols.errors import Malformed

MAX_AMOUNT = 2**63 - 1

Amount = Annotated[int, msgspec.Meta(ge=0, le=MAX_AMOUNT)]
"""Money, in the smallest unit."""
Millis = Annotated[int, msgspec.Meta(ge=0, le=MAX_AMOUNT)]
"""A moment (milliseconds since 1970, UTC) or a span, in milliseconds."""
Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_AMOUNT)]
Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
"""SHA-256."""
Key32 = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
"""An Ed25519 or X25519 public key, or an AES-256 key: raw bytes."""
Signature = Annotated[bytes, msgspec.Meta(min_length=64, max_length=64)]
"""An Ed25519 signature."""
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]*$")]
"""A zone, an account, a channel or a device, as it stands in a ledger key."""


class Record(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Base of all records. Subclasses give a tag: ``class Transfer(Record, tag="zoneshare/transfer/1")``."""


R = TypeVar("R")

_encoder = msgspec.msgpack.Encoder()
_LARGE = 1 << 16
"""Bytes from which on a field is encoded apart; from there on MessagePack's lengths take four bytes."""

_decoders: dict[Hashable, msgspec.msgpack.Decoder[Any]] = {}
_making = threading.Lock()


def _decoder(kind: Hashable) -> msgspec.msgpack.Decoder[Any]:
    """msgspec looks at a record's fields when its first decoder is made, and ends the process where two threads do that
    at once, even for two records of which one holds the other."""
    found = _decoders.get(kind)
    if found is None:
        with _making:
            found = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    return found


def encode(value: Any) -> bytes:
    """Canonical bytes of a record, or of plain values (integers, text, bytes, lists of them)."""
    return _encoder.encode(value)


def encode_parts(record: Record) -> tuple[bytes, memoryview]:
    """As :func:`encode`, in two parts: a large memoryview in the last field is the second, not copied."""
    last = record.__struct_fields__[-1] if record.__struct_fields__ else ""
    large = getattr(record, last, None)
    if not isinstance(large, memoryview) or not _LARGE <= large.nbytes < 1 << 32:
        return encode(record), memoryview(b"")
    head = encode(msgspec.structs.replace(record, **{last: b""}))
    # MessagePack's "bin 32" and the length, instead of the "bin 8" of the empty field.
    return head[:-2] + b"\xc6" + large.nbytes.to_bytes(4, "big"), large.cast("B")


def decode(kind: type[R], data: bytes) -> R:
    """The value of type ``kind`` that ``data`` spells.

    Raises :class:`Malformed` when the data are not a ``kind``, break one of its limits, or are not canonical.
    """
    value = decode_loosely(kind, data)
    if _encoder.encode(value) != data:
        raise Malformed(f"not the canonical bytes of a {_title(kind)}")
    return value


def decode_loosely(kind: type[R], data: bytes | memoryview) -> R:
    """As :func:`decode`, in any spelling: for large messages of which nothing is hashed, signed or kept as it came.

    Raises :class:`Malformed`.
    """
    try:
        value: R = _decoder(cast(Hashable, kind)).decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as cause:
        raise Malformed(f"not a {_title(kind)}: {cause}") from cause
    return value


def digest(record: Record) -> bytes:
    """SHA-256 of the record's canonical bytes (32 bytes); the tag inside keeps the types apart."""
    return hashlib.sha256(_encoder.encode(record)).digest()


def _title(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind))
