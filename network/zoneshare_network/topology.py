"""What a network consists of: a small JSON file in its folder, which a person may edit between starts."""

import datetime
import re
from pathlib import Path
from typing import Annotated

import msgspec

from zoneshare_network.durable import Fault, no_fault, write_file
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.fabric.config import BatchLimits

FILE = "network.json"
CHANNEL_NAME = re.compile(r"^[a-z][a-z0-9.-]{0,248}$")
"""Fabric's own rule for channel names."""

_Organisation = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9.-]+$", max_length=64)]
_Channel = Annotated[str, msgspec.Meta(pattern=CHANNEL_NAME.pattern)]
_Positive = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the orderer cuts a block."""

    timeout_ms: _Positive = 50
    """From a block's first transaction on."""
    max_count: _Positive = 500
    preferred_max_bytes: _Positive = 2 * 1024 * 1024
    absolute_max_bytes: _Positive = 10 * 1024 * 1024

    def limits(self) -> BatchLimits:
        return BatchLimits(self.max_count, self.preferred_max_bytes, self.absolute_max_bytes, self.timeout_ms)


class Topology(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Organisations (MSP ids, one CA and one peer each), channels, endorsement policy, block cutting."""

    format: Annotated[int, msgspec.Meta(ge=1, le=1)] = 1
    organisations: Annotated[tuple[_Organisation, ...], msgspec.Meta(min_length=1)] = ("Org1MSP", "Org2MSP")
    orderer: _Organisation = "OrdererMSP"
    channels: tuple[_Channel, ...] = ("registry", "zone-a", "zone-b")
    policy: str = ""
    """Endorsement policy of every chaincode, as Fabric writes it; empty: a peer of every organisation."""
    version: str = "1.0"
    """Version under which chaincodes are deployed."""
    batch: Batch = Batch()
    client_auth: bool = False
    """Whether clients must show a certificate of an organisation's CA or TLS CA before they are heard."""
    chaincodes: dict[str, str] = {}
    """Chaincodes that are services, by name: HOST:PORT, or the connection.json of a ccaas package."""

    def endorsement_policy(self) -> str:
        return self.policy or "AND(" + ",".join(f"'{name}.peer'" for name in self.organisations) + ")"

    def __post_init__(self) -> None:
        names = (*self.organisations, self.orderer)
        for what, items in (("organisation", names), ("channel", self.channels)):
            if len(set(items)) != len(items):
                raise ValueError(f"the same {what} twice")
        if self.batch.preferred_max_bytes > self.batch.absolute_max_bytes:
            raise ValueError("preferred_max_bytes is above absolute_max_bytes")


def read(folder: Path) -> Topology | None:
    """The topology of the network in ``folder``, or None when there is none. Raises Misuse for a file it cannot be."""
    path = folder / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Topology)
    except FileNotFoundError:
        return None
    except NotADirectoryError as cause:
        raise Misuse(f"a network lives in a folder, and {folder} is none") from cause
    except (msgspec.MsgspecError, OSError) as cause:
        raise Misuse(f"{path} is not the file of a network: {cause}") from cause


def write(folder: Path, topology: Topology, fault: Fault = no_fault) -> None:
    write_file(folder / FILE, msgspec.json.format(msgspec.json.encode(topology), indent=2) + b"\n", fault=fault)


def with_channel(topology: Topology, name: str) -> Topology:
    """The topology with one channel more; the same one if it has it already. Raises Misuse for a bad name."""
    if CHANNEL_NAME.fullmatch(name) is None:
        raise Misuse("a channel's name is lower-case letters, digits, dots and dashes", name=name)
    if name in topology.channels:
        return topology
    return msgspec.structs.replace(topology, channels=(*topology.channels, name))


def utc(millis: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(millis / 1000, datetime.UTC)
