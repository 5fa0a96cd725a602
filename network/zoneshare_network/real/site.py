"""Where a network's nodes are: in containers, which find each other by name, or as plain processes on loopback."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from zoneshare_network.real import topology
from zoneshare_network.real.topology import Member, Node, RealTopology
from zoneshare_protocols.errors import Misuse

MODE = "mode"
LOOPBACK = "127.0.0.1"


class Mode(StrEnum):
    """How the nodes run."""

    COMPOSE = "compose"
    NATIVE = "native"


@dataclass(frozen=True)
class Site:
    """A topology, how it runs, and the folder of its certificates, keys and genesis block.

    ``inside``: this process is a container of the network.
    """

    topology: RealTopology
    mode: Mode
    folder: Path
    inside: bool = False

    def host(self, node: Node) -> str:
        """As other nodes call it."""
        return node.name if self.mode is Mode.COMPOSE else LOOPBACK

    def address(self, node: Node) -> str:
        """host:port, as other nodes call it."""
        return f"{self.host(node)}:{node.port}"

    def reach(self, node: Node) -> str:
        """host:port, as this process calls it."""
        return self.address(node) if self.inside else f"{LOOPBACK}:{node.port}"

    def health(self, node: Node) -> str:
        """host:port of its health page, as this process calls it."""
        return f"{self.host(node) if self.inside else LOOPBACK}:{node.health_port}"

    def node_folder(self, node: Node) -> Path:
        return self.folder / "nodes" / node.name

    @property
    def genesis(self) -> Path:
        return self.folder / "genesis.block"

    def gateway(self, member: Member) -> Node:
        """The peer that an organisation's clients call, and other organisations' peers: its first."""
        return self.topology.peers_of(member)[0]


def is_real(folder: Path) -> bool:
    """Whether a real network was prepared in ``folder``."""
    return (folder / MODE).is_file() and (folder / topology.FILE).is_file()


def load(folder: Path, *, inside: bool = False) -> Site:
    """The network that was prepared in ``folder``. Raises Misuse where there is none."""
    if not is_real(folder):
        raise Misuse(f"there is no real network in {folder}: start one with docker compose up, or network up --native")
    try:
        mode = Mode((folder / MODE).read_text().strip())
    except (OSError, ValueError) as cause:
        raise Misuse(f"{folder / MODE} cannot be read: {cause}") from cause
    return Site(topology.read(folder / topology.FILE), mode, folder, inside)
