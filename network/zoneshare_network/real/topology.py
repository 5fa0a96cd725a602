"""The one file that says what a real network consists of (TOML); everything else is made from it."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec

from zoneshare_network.topology import CHANNEL_NAME, Batch
from zoneshare_protocols.errors import Malformed, Misuse
from zoneshare_protocols.fabric.policy_text import parse_policy

FILE = "topology.toml"
CONSORTIUM = "Zoneshare"
STEP = 10
"""Ports from one node of a group to the next."""

_Mspid = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9.-]+$", max_length=64)]
_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9]*$", max_length=32)]
_Zone = Annotated[str, msgspec.Meta(pattern=CHANNEL_NAME.pattern)]
_Label = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$", max_length=64)]
_Port = Annotated[int, msgspec.Meta(ge=1024, le=65535)]
_Few = Annotated[int, msgspec.Meta(ge=1, le=9)]
_Image = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9./-]+:v?\d+\.\d+\.\d+$")]
"""With a full version: a tag that moves is refused."""


class Images(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Container images, each with its tag."""

    peer: _Image
    orderer: _Image
    ca: _Image
    kafka: _Image
    ipfs: _Image


class Kafka(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The brokers, which are also their own KRaft controllers."""

    brokers: _Few = 3
    port: _Port = 9092
    min_insync: _Few = 2
    heap_mb: Annotated[int, msgspec.Meta(ge=128, le=65536)] = 256


class Orderers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ordering organisation and its nodes."""

    mspid: _Mspid = "OrdererMSP"
    count: _Few = 3
    port: _Port = 7010


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An organisation with peers and a CA."""

    mspid: _Mspid
    name: _Name
    peers: _Few
    port: _Port
    ca_port: _Port


class Chaincode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The one chaincode, as a service that all peers call."""

    name: _Label = "zoneshare"
    version: _Label = "1.0"
    port: _Port = 9999
    policy: str = ""


class Ipfs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """kubo's RPC."""

    port: _Port = 5001


class Kind(StrEnum):
    """What a node is."""

    BROKER = "kafka"
    ORDERER = "orderer"
    PEER = "peer"
    CA = "ca"
    CHAINCODE = "chaincode"
    IPFS = "ipfs"


@dataclass(frozen=True)
class Node:
    """One program of the network; its name is its host name in compose and its folder's name everywhere."""

    kind: Kind
    name: str
    port: int
    mspid: str = ""

    @property
    def second_port(self) -> int:
        """A broker's controller, an orderer's admin page, the port a peer keeps for chaincodes that call it."""
        return self.port + 1

    @property
    def health_port(self) -> int:
        """Operations page of peers and orderers (/healthz), of a CA one above its port."""
        return self.port + (1 if self.kind is Kind.CA else 2)

    @property
    def ports(self) -> tuple[int, ...]:
        """All it listens on."""
        if self.kind in (Kind.PEER, Kind.ORDERER):
            return (self.port, self.second_port, self.health_port)
        return (self.port, self.port + 1) if self.kind in (Kind.BROKER, Kind.CA) else (self.port,)


class RealTopology(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """See network/compose/topology.toml for what each part means."""

    format: Annotated[int, msgspec.Meta(ge=1, le=1)]
    zones: Annotated[tuple[_Zone, ...], msgspec.Meta(min_length=1)]
    images: Images
    organisations: Annotated[tuple[Member, ...], msgspec.Meta(min_length=1)]
    batch: Batch = Batch(timeout_ms=200)
    kafka: Kafka = Kafka()
    orderers: Orderers = Orderers()
    chaincode: Chaincode = Chaincode()
    ipfs: Ipfs = Ipfs()

    @property
    def brokers(self) -> tuple[Node, ...]:
        return tuple(Node(Kind.BROKER, f"kafka{n}", self.kafka.port + STEP * n) for n in range(self.kafka.brokers))

    @property
    def orderer_nodes(self) -> tuple[Node, ...]:
        base, mspid = self.orderers.port, self.orderers.mspid
        return tuple(Node(Kind.ORDERER, f"orderer{n}", base + STEP * n, mspid) for n in range(self.orderers.count))

    def peers_of(self, member: Member) -> tuple[Node, ...]:
        return tuple(
            Node(Kind.PEER, f"peer{n}.{member.name}", member.port + STEP * n, member.mspid) for n in range(member.peers)
        )

    @property
    def peers(self) -> tuple[Node, ...]:
        return tuple(peer for member in self.organisations for peer in self.peers_of(member))

    @property
    def authorities(self) -> tuple[Node, ...]:
        return tuple(Node(Kind.CA, f"ca.{one.name}", one.ca_port, one.mspid) for one in self.organisations)

    @property
    def chaincode_node(self) -> Node:
        return Node(Kind.CHAINCODE, "chaincode", self.chaincode.port)

    @property
    def ipfs_node(self) -> Node:
        return Node(Kind.IPFS, "ipfs", self.ipfs.port)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All, in the order in which they start."""
        fabric = (*self.brokers, *self.orderer_nodes, *self.peers, *self.authorities)
        return (*fabric, self.chaincode_node, self.ipfs_node)

    @property
    def mspids(self) -> tuple[str, ...]:
        """Of the organisations with peers."""
        return tuple(member.mspid for member in self.organisations)

    def endorsement_policy(self) -> str:
        """As Fabric writes it."""
        return self.chaincode.policy or "AND(" + ",".join(f"'{mspid}.peer'" for mspid in self.mspids) + ")"

    def __post_init__(self) -> None:
        _distinct("zone", self.zones)
        _distinct("MSP id", (*self.mspids, self.orderers.mspid))
        _distinct("organisation", tuple(member.name for member in self.organisations))
        _distinct("port", tuple(port for node in self.nodes for port in node.ports))
        if self.kafka.min_insync > self.kafka.brokers:
            raise ValueError("kafka.min_insync is above the number of brokers")
        if self.batch.preferred_max_bytes > self.batch.absolute_max_bytes:
            raise ValueError("batch.preferred_max_bytes is above absolute_max_bytes")
        parse_policy(self.endorsement_policy())


def parse(text: str, where: str = FILE) -> RealTopology:
    """Raises Misuse for what no network can be made of."""
    try:
        return msgspec.toml.decode(text, type=RealTopology)
    except (msgspec.MsgspecError, ValueError, Malformed) as cause:
        raise Misuse(f"{where} is not a network's topology: {cause}") from cause


def read(path: Path) -> RealTopology:
    """Raises Misuse when the file is not there, or not a topology."""
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as cause:
        raise Misuse(f"{path} cannot be read: {cause}") from cause


def with_zone(text: str, name: str) -> str:
    """The file's text with one zone more, all else as its author wrote it. Raises Misuse."""
    if CHANNEL_NAME.fullmatch(name) is None:
        raise Misuse("a zone's name is lower-case letters, digits, dots and dashes", name=name)
    before = parse(text)
    if name in before.zones:
        return text
    return _edited(text, r"(?m)^(zones\s*=\s*\[[^\]]*?),?\s*\]", rf'\g<1>, "{name}"]', (*before.zones, name), "zones")


def with_peer(text: str, mspid: str) -> str:
    """The file's text with one peer more for an organisation. Raises Misuse."""
    before = parse(text)
    member = next((one for one in before.organisations if one.mspid == mspid), None)
    if member is None:
        raise Misuse(f"no such organisation; there are {', '.join(before.mspids)}", org=mspid)
    expected = tuple(
        msgspec.structs.replace(one, peers=one.peers + 1) if one is member else one for one in before.organisations
    )
    pattern = rf'(?ms)(^mspid\s*=\s*"{re.escape(mspid)}"(?:(?!^\[).)*?^peers\s*=\s*){member.peers}\b'
    return _edited(text, pattern, rf"\g<1>{member.peers + 1}", expected, "organisations")


def _edited(text: str, pattern: str, replacement: str, expected: object, field: str) -> str:
    changed = re.sub(pattern, replacement, text, count=1)
    if getattr(parse(changed), field) != expected:
        raise Misuse(f"{FILE} is written in a way that cannot be edited here: change its {field} by hand")
    return changed


def _distinct(what: str, items: tuple[object, ...]) -> None:
    seen: set[object] = set()
    for item in items:
        if item in seen:
            raise ValueError(f"the same {what} twice: {item}")
        seen.add(item)
