"""The recordings of a real Fabric 2.5: its blocks, and what it answered to every call."""

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fabric_protos.common import common_pb2

from zoneshare_protocols.fabric import config


def folder() -> Path:
    """Beside the checkout, or where ZONESHARE_RECORDINGS says; without them the tests fail, they do not skip."""
    beside = Path(__file__).parents[2].parent / "shared" / "data" / "fabric-recordings"
    return Path(os.environ.get("ZONESHARE_RECORDINGS", beside))


@cache
def _raw_blocks() -> tuple[bytes, ...]:
    paths = sorted((folder() / "blocks").glob("*.block"))
    assert paths, f"no recordings in {folder()}"
    return tuple(path.read_bytes() for path in paths)


def blocks() -> list[common_pb2.Block]:
    """Fresh messages, so that a test may change them."""
    return [common_pb2.Block.FromString(raw) for raw in _raw_blocks()]


@cache
def channel_config() -> config.ChannelConfig:
    """The newest before the application's transactions: blocks 1 and 2 add anchor peers."""
    return config.read(blocks()[2])


@dataclass(frozen=True)
class Exchange:
    case: str
    service: str
    method: str
    request: bytes
    responses: tuple[bytes, ...]
    error: dict[str, Any]
    validation: str


@cache
def exchanges() -> dict[str, Exchange]:
    return {one.case: one for one in _read()}


def _read() -> Iterator[Exchange]:
    for line in (folder() / "exchanges.jsonl").read_text().splitlines():
        found = json.loads(line)
        yield Exchange(
            case=found["case"],
            service=found["service"],
            method=found["method"],
            request=base64.b64decode(found["request"]),
            responses=tuple(base64.b64decode(one) for one in found.get("responses", ())),
            error=found.get("error") or {},
            validation=found.get("validation", ""),
        )
