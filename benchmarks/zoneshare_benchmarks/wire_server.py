"""``python -m zoneshare_benchmarks.wire_server DIR``: an embedded Fabric on the wire, an identity in DIR/client."""

import signal
import sys
from pathlib import Path

import msgspec

from zoneshare.gateway import CHAINCODE
from zoneshare.identity import Identity, write_identity
from zoneshare_benchmarks.submits import CHANNEL, Put
from zoneshare_network.identities import connection_profile
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.pki import Role, load_key
from zoneshare_network.server import FabricServer
from zoneshare_network.topology import Topology

CLIENT = "client"


def main(folder: Path) -> None:
    """Until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with EmbeddedNetwork(folder / "net", Topology(channels=(CHANNEL,)), {CHAINCODE: Put()}) as network:
        server = FabricServer(network)
        members = network.organisations
        enrolled = members["Org1MSP"].enrol("bench", Role.CLIENT, network.clock_ms())
        tls = {name: member.tls_ca.pem.decode() for name, member in members.items()}
        roots = {name: member.ca.pem for name, member in members.items()}
        peers = [node for node in server.nodes if node.mspid in members]
        profile = connection_profile("Org1MSP", (CHANNEL,), peers, tls, {n: pem.decode() for n, pem in roots.items()})
        identity = Identity("Org1MSP", enrolled.certificate, load_key(enrolled.key or b""))
        encoded = msgspec.json.encode(profile)
        write_identity(folder / CLIENT, identity, encoded, {name: (pem,) for name, pem in roots.items()})
        sys.stdout.write(f"ready {server.address}\n")
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
