"""Certificates, keys and the system channel's block 0, in the layout Fabric's programs read. Safe to run again."""

import secrets
from pathlib import Path

from zoneshare_network import pki
from zoneshare_network.durable import write_file
from zoneshare_network.members import Organisation
from zoneshare_network.network import now_ms
from zoneshare_network.real import topology
from zoneshare_network.real.authority import write_server
from zoneshare_network.real.nodes import write_configurations
from zoneshare_network.real.site import MODE, Mode, Site, is_real, load
from zoneshare_network.real.topology import CONSORTIUM, Kind, Node, RealTopology
from zoneshare_network.topology import utc
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.fabric import wire
from zoneshare_protocols.fabric.consortium import system_genesis

SYSTEM_CHANNEL = "system"
ADMIN = "admin"
"""Name of the identity by which an organisation administers its nodes."""
_ROLES = {Kind.ORDERER: pki.Role.ORDERER, Kind.PEER: pki.Role.PEER}
_NODE_OUS = "NodeOUs:\n  Enable: true\n" + "".join(
    f"  {role.capitalize()}OUIdentifier:\n    OrganizationalUnitIdentifier: {role}\n" for role in pki.Role
)


def organisations(site: Site) -> dict[str, Organisation]:
    """All of them, the orderers' too, by MSP id."""
    mspids = (*site.topology.mspids, site.topology.orderers.mspid)
    return {mspid: Organisation(mspid, site.folder / "orgs" / mspid) for mspid in mspids}


def prepare(text: str, mode: Mode, folder: Path) -> Site:
    """Make what is missing in ``folder`` for the topology that ``text`` spells, and keep a copy of it there.

    Raises Misuse where the folder is another network's: one that runs another way, or has other organisations.
    """
    shape = topology.parse(text)
    _check(shape, mode, folder)
    site = Site(shape, mode, folder)
    moment = now_ms()
    members = organisations(site)
    for mspid, member in members.items():
        nodes = [node for node in site.topology.nodes if node.mspid == mspid and node.kind in _ROLES]
        member.prepare({ADMIN: pki.Role.ADMIN, **{node.name: _ROLES[node.kind] for node in nodes}}, moment)
        _write_msp(folder / "orgs" / mspid / "msp", member)
        _write_msp(folder / "orgs" / mspid / "admin" / "msp", member, ADMIN)
        for node in nodes:
            _write_msp(site.node_folder(node) / "msp", member, node.name)
            _write_tls(site.node_folder(node) / "tls", member, node, moment)
    for node in site.topology.authorities:
        _write_tls(site.node_folder(node) / "tls", members[node.mspid], node, moment)
        write_server(site, node, members[node.mspid])
    write_configurations(site)
    if not site.genesis.exists():
        write_file(site.genesis, _genesis(site, members, moment))
    write_file(folder / topology.FILE, text.encode())
    write_file(folder / MODE, f"{mode}\n".encode())
    return site


def _check(shape: RealTopology, mode: Mode, folder: Path) -> None:
    if (folder / "network.json").exists():
        raise Misuse(f"{folder} holds an embedded network")
    if not is_real(folder):
        return
    before = load(folder)
    if before.mode is not mode:
        raise Misuse(f"the network in {folder} runs by {before.mode}, not by {mode}")
    if (before.topology.mspids, before.topology.orderers) != (shape.mspids, shape.orderers):
        raise Misuse("the organisations and orderers of a running network are changed by its channels' configuration")
    if missing := [zone for zone in before.topology.zones if zone not in shape.zones]:
        raise Misuse(f"a zone cannot be taken away: {', '.join(missing)}")


def _genesis(site: Site, members: dict[str, Organisation], moment: int) -> bytes:
    orderer = members[site.topology.orderers.mspid]
    block = system_genesis(
        SYSTEM_CHANNEL,
        CONSORTIUM,
        [members[mspid].msp() for mspid in site.topology.mspids],
        [orderer.msp()],
        orderer_addresses=[site.address(node) for node in site.topology.orderer_nodes],
        brokers=[site.address(node) for node in site.topology.brokers],
        creator=orderer.signer(ADMIN).serialized,
        nonce=secrets.token_bytes(24),
        timestamp_ms=moment,
        limits=site.topology.batch.limits(),
    )
    return wire.write(block)


def _write_msp(folder: Path, member: Organisation, name: str | None = None) -> None:
    """An MSP folder: the organisation's, or with ``name`` an identity's of it."""
    files = {
        "cacerts/ca.pem": member.ca.pem,
        "tlscacerts/tlsca.pem": member.tls_ca.pem,
        "config.yaml": _NODE_OUS.encode(),
    }
    for path, data in files.items():
        _once(folder / path, data)
    if name is not None:
        identity = member.folder / "identities" / name
        _once(folder / "keystore" / "priv_sk", (identity / "key.pem").read_bytes(), private=True)
        _once(folder / "signcerts" / "cert.pem", (identity / "cert.pem").read_bytes())


def _write_tls(folder: Path, member: Organisation, node: Node, moment: int) -> None:
    if (folder / "server.crt").exists():
        return
    key = pki.new_key()
    _once(folder / "ca.crt", member.tls_ca.pem)
    write_file(folder / "server.key", pki.key_pem(key), private=True)
    write_file(folder / "server.crt", member.tls_ca.serve(key.public_key(), node.name, utc(moment), node.name))


def _once(path: Path, data: bytes, *, private: bool = False) -> None:
    if not path.exists():
        write_file(path, data, private=private)
