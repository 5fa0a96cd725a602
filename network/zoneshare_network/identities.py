"""Identity folders, as a device gets them: certificate, private key, MSP id, and the way to the network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoneshare_network.durable import write_file
from zoneshare_network.members import Enrolled
from zoneshare_network.nodes import Kind, Node
from zoneshare_protocols.errors import Misuse

_ROLES = dict.fromkeys(("endorsingPeer", "chaincodeQuery", "ledgerQuery", "eventSource"), True)


def connection_profile(
    home: str, channels: Sequence[str], nodes: Sequence[Node], tls_roots: Mapping[str, str], ca_roots: Mapping[str, str]
) -> dict[str, Any]:
    """Fabric's common connection profile, as clients of ``home`` see the network; roots are PEM, by MSP id."""
    peers = {node.name: node for node in nodes if node.kind is Kind.PEER}
    orderers = {node.name: node for node in nodes if node.kind is Kind.ORDERER}
    own_first = sorted(peers, key=lambda name: peers[name].mspid != home)

    def server(node: Node) -> dict[str, Any]:
        return {"url": f"grpcs://{node.address}", "tlsCACerts": {"pem": tls_roots[node.mspid]}}

    return {
        "name": "zoneshare embedded network",
        "version": "1.0.0",
        "client": {
            "organization": home,
            "connection": {"timeout": {"peer": {"endorser": "60"}, "orderer": "60"}},
        },
        "channels": {
            channel: {"orderers": list(orderers), "peers": {name: dict(_ROLES) for name in own_first}}
            for channel in channels
        },
        "organizations": {
            peers[name].mspid: {
                "mspid": peers[name].mspid,
                "peers": [name],
                "certificateAuthorities": [f"ca.{peers[name].mspid}"],
            }
            for name in own_first
        },
        "orderers": {name: server(node) for name, node in orderers.items()},
        "peers": {name: server(peers[name]) for name in own_first},
        "certificateAuthorities": {
            f"ca.{mspid}": {"caName": f"ca.{mspid}", "tlsCACerts": {"pem": pem}} for mspid, pem in ca_roots.items()
        },
    }


def check_free(folder: Path) -> None:
    """Raises Misuse when there is an identity in ``folder`` already."""
    for name in ("cert.pem", "key.pem"):
        if (folder / name).exists():
            raise Misuse(f"{folder / name} is there already: nothing was changed")


def write_identity(folder: Path, enrolled: Enrolled, connection: bytes) -> None:
    """The certificate last, so that an identity folder with one is whole. Raises Misuse when it cannot be written."""
    try:
        write_file(folder / "connection.json", connection)
        write_file(folder / "mspid", enrolled.mspid.encode() + b"\n")
        if enrolled.key is not None:
            write_file(folder / "key.pem", enrolled.key, private=True)
        write_file(folder / "cert.pem", enrolled.certificate)
    except OSError as cause:
        raise Misuse(f"an identity cannot be written to {folder}: {cause.strerror}") from cause
