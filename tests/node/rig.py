"""An embedded network on the wire, and the folders that foreign clients read."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fidelity.replay import RecordedAsset
from tests.support.embedded import FAST
from zoneshare_network import host
from zoneshare_network.identities import write_identity
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.pki import Role
from zoneshare_network.server import FabricServer


@contextmanager
def served(folder: Path) -> Iterator[tuple[EmbeddedNetwork, FabricServer]]:
    with EmbeddedNetwork(folder, FAST, {"asset": RecordedAsset()}) as network:
        server = FabricServer(network)
        host.announce(network, server.nodes, "")
        yield network, server
        server.stop(0)


def identity(network: EmbeddedNetwork, folder: Path, name: str, mspid: str = "Org1MSP") -> Path:
    """A new identity's folder."""
    made = network.organisation(mspid).enrol(name, Role.CLIENT, network.clock_ms())
    write_identity(folder / name, made, host.encoded(host.profile(network.folder, mspid)))
    return folder / name
