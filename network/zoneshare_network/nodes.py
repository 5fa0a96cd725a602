"""The nodes of an embedded network: a peer of each organisation and one orderer, each on a port of its own."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from zoneshare_network.topology import Topology

FIRST_PORT = 7051
"""Of the first peer, unless told otherwise; the orderer is one below, the other peers follow in steps of ten."""
_STEP = 10
_HOST = "127.0.0.1"


class Kind(StrEnum):
    """What a node is."""

    PEER = "peer"
    ORDERER = "orderer"


class Node(msgspec.Struct, frozen=True):
    """A node and where it listens (HOST:PORT)."""

    name: str
    kind: Kind
    mspid: str
    address: str

    @property
    def host(self) -> str:
        return self.address.rpartition(":")[0]

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])


def layout(topology: Topology, known: Mapping[str, int], port: int | None) -> tuple[Node, ...]:
    """The network's nodes, the first organisation's peer first; a port of 0 is one to be chosen by the system.

    ``port`` is the first peer's where it is said; then, and where a node of that name has none in ``known``, the
    others have their usual ports only if nothing was said at all.
    """
    usual = {peer_name(mspid): FIRST_PORT + place * _STEP for place, mspid in enumerate(topology.organisations)}
    usual[orderer_name(topology.orderer)] = FIRST_PORT - 1
    ports = {name: known.get(name, 0 if known or port is not None else number) for name, number in usual.items()}
    if port is not None:
        ports[peer_name(topology.organisations[0])] = port
    peers = [Node(peer_name(m), Kind.PEER, m, _at(ports[peer_name(m)])) for m in topology.organisations]
    orderer = orderer_name(topology.orderer)
    return (*peers, Node(orderer, Kind.ORDERER, topology.orderer, _at(ports[orderer])))


def peer_name(mspid: str) -> str:
    return f"peer0.{mspid}"


def orderer_name(mspid: str) -> str:
    return f"orderer0.{mspid}"


def _at(port: int) -> str:
    return f"{_HOST}:{port}"
