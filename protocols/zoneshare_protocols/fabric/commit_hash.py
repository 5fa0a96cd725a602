"""The hash that committers chain over flags and state, so that two peers can compare their state by one number."""

import hashlib
from collections.abc import Iterable, Sequence
from itertools import groupby

from zoneshare_protocols.fabric.mvcc import Update
from zoneshare_protocols.fabric.rwset import Version

_NAMESPACE, _KEY, _IS_DELETE, _VALUE, _VERSION = 1, 3, 4, 5, 6
"""Fields of txmgr.KVWrite, which no published package carries."""
_BYTES = 2


def commit_hash(previous: bytes, flags: Sequence[int], updates: Iterable[Update]) -> bytes:
    """Of a block whose transactions got ``flags`` and made ``updates`` (in the order of commit).

    ``previous`` is the hash of the block before, empty for a chain's first.
    """
    codes = bytes(flags)
    return hashlib.sha256(_varint(len(codes)) + codes + _updates(updates) + previous).digest()


def _updates(updates: Iterable[Update]) -> bytes:
    """txmgr.Updates: the last write of every key, namespaces and keys in order, a namespace named once."""
    last = {(one.namespace, one.key): one for one in updates}
    ordered = [last[place] for place in sorted(last)]
    data = b""
    for namespace, group in groupby(ordered, key=lambda one: one.namespace):
        name = _field(_NAMESPACE, namespace.encode())
        for one in group:
            deleted = _varint(_IS_DELETE << 3) + b"\x01" if one.value is None else b""
            body = name + _field(_KEY, one.key.encode()) + deleted + _field(_VALUE, one.value or b"")
            data += _field(1, body + _field(_VERSION, _height(one.version)))
            name = b""
    return data


def _height(version: Version) -> bytes:
    """Both numbers, each as its length and its bytes, so that byte order is the order of heights."""
    return b"".join(
        bytes((len(raw),)) + raw
        for raw in (number.to_bytes((number.bit_length() + 7) // 8, "big") for number in version)
    )


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(data)) + data if data else b""


def _varint(number: int) -> bytes:
    groups = []
    while number >= 0x80:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*groups, number))
