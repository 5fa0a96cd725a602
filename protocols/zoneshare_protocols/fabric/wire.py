"""Reading and writing Fabric's protobuf messages; times on the wire."""

from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from zoneshare_protocols.errors import Malformed


def read(kind: Any, data: bytes) -> Any:
    """The message of class ``kind`` that ``data`` spells. Raises Malformed."""
    try:
        return kind.FromString(data)
    except DecodeError as cause:
        raise Malformed(f"error unmarshalling {kind.DESCRIPTOR.name}") from cause


def write(message: Any) -> bytes:
    """Deterministic bytes: maps in the order of their keys."""
    data: bytes = message.SerializeToString(deterministic=True)
    return data


def timestamp(ms: int) -> Timestamp:
    """From milliseconds since 1970."""
    return Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


def millis(moment: Any) -> int:
    """Milliseconds since 1970 of a protobuf timestamp, rounded down."""
    return int(moment.seconds) * 1000 + int(moment.nanos) // 1_000_000
