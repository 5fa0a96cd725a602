"""Connection profiles: Fabric's common one, as our clients and the official SDKs read it (JSON and YAML)."""

import json

from zoneshare_network.durable import write_file
from zoneshare_network.real.material import organisations
from zoneshare_network.real.site import Site
from zoneshare_network.real.topology import Member, Node
from zoneshare_network.real.yaml import dump


def profile(site: Site, home: Member) -> dict[str, object]:
    """As ``home``'s clients on the host see the network: its own peers first, ports of loopback."""
    shape, members = site.topology, organisations(site)
    roots = {mspid: {"pem": member.tls_ca.pem.decode()} for mspid, member in members.items()}
    own_first = sorted(shape.organisations, key=lambda member: member is not home)
    peers = {node.name: node for member in own_first for node in shape.peers_of(member)}
    return {
        "name": "zoneshare",
        "version": "1.0.0",
        "client": {
            "organization": home.mspid,
            "connection": {"timeout": {"peer": {"endorser": "60"}, "orderer": "60"}},
        },
        "channels": {
            zone: {"orderers": [node.name for node in shape.orderer_nodes], "peers": {name: {} for name in peers}}
            for zone in shape.zones
        },
        "organizations": {
            member.mspid: {
                "mspid": member.mspid,
                "peers": [node.name for node in shape.peers_of(member)],
                "certificateAuthorities": [f"ca.{member.name}"],
            }
            for member in own_first
        },
        "orderers": {node.name: _server(site, node, roots[node.mspid]) for node in shape.orderer_nodes},
        "peers": {name: _server(site, node, roots[node.mspid]) for name, node in peers.items()},
        "certificateAuthorities": {
            node.name: {
                "url": f"https://{_outside(site, node)}",
                "caName": node.name,
                "tlsCACerts": {"pem": [roots[node.mspid]["pem"]]},
                "httpOptions": {"verify": True},
            }
            for node in shape.authorities
        },
    }


def encoded(site: Site, home: Member) -> bytes:
    """The profile as JSON."""
    return json.dumps(profile(site, home), indent=2).encode() + b"\n"


def write(site: Site) -> None:
    """profiles/ORGANISATION.json and .yaml in the network's folder."""
    for member in site.topology.organisations:
        at = site.folder / "profiles"
        write_file(at / f"{member.name}.json", encoded(site, member))
        write_file(at / f"{member.name}.yaml", dump(profile(site, member)).encode())


def _server(site: Site, node: Node, root: dict[str, str]) -> dict[str, object]:
    # SDKs that find peers by discovery match the name in the certificate, not the address they dial.
    options = {"ssl-target-name-override": node.name, "hostnameOverride": node.name}
    return {"url": f"grpcs://{_outside(site, node)}", "tlsCACerts": root, "grpcOptions": options}


def _outside(site: Site, node: Node) -> str:
    return Site(site.topology, site.mode, site.folder).reach(node)
