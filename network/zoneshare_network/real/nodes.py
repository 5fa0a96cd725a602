"""Each node's configuration file, and the builder by which a peer takes a chaincode that runs as a service."""

from pathlib import Path, PurePath

from zoneshare_network.durable import write_file
from zoneshare_network.real import settings
from zoneshare_network.real.site import Mode, Site
from zoneshare_network.real.topology import Node
from zoneshare_network.real.yaml import dump

HOME, STATE = PurePath("/node"), PurePath("/var/hyperledger/production")
"""Where a container has its node's folder and its volume."""
GENESIS = PurePath("/genesis.block")
_IMAGE_BUILDER = PurePath("/opt/hyperledger/ccaas_builder")
_BUILDER = {
    "detect": 'grep -q \'"type": *"ccaas"\' "$2/metadata.json"',
    "build": 'cp "$1/connection.json" "$3/"',
    "release": 'mkdir -p "$2/chaincode/server" && cp "$1/connection.json" "$2/chaincode/server/"',
}
"""What Fabric's own builder does, for peers that stand alone; its arguments are folders."""


def write_configurations(site: Site) -> None:
    """core.yaml and orderer.yaml for every peer and orderer, anew each time; natively server.properties too."""
    builder: PurePath = _IMAGE_BUILDER
    if site.mode is Mode.NATIVE:
        builder = (site.folder / "builder").resolve()
        _write_builder(Path(builder))
    for member in site.topology.organisations:
        for node in site.topology.peers_of(member):
            at = _places(site, node)
            content = settings.peer(site, member, node, at, builder)
            _write(site.node_folder(node) / "core.yaml", content)
    genesis = GENESIS if site.mode is Mode.COMPOSE else PurePath(site.genesis.resolve())
    for node in site.topology.orderer_nodes:
        at = _places(site, node)
        _write(site.node_folder(node) / "orderer.yaml", settings.orderer(site, node, at, genesis))
    if site.mode is Mode.NATIVE:
        for node in site.topology.brokers:
            content = settings.broker(site, node, _places(site, node).state)
            write_file(site.node_folder(node) / "server.properties", settings.properties(content).encode())


def _places(site: Site, node: Node) -> settings.Places:
    if site.mode is Mode.COMPOSE:
        return settings.Places(HOME, STATE)
    return settings.Places(site.node_folder(node).resolve(), (site.folder / "data" / node.name).resolve())


def _write(path: Path, content: settings.Settings) -> None:
    write_file(path, dump(settings.nested(content)).encode())


def _write_builder(folder: Path) -> None:
    for name, line in _BUILDER.items():
        path = folder / "bin" / name
        write_file(path, f"#!/bin/sh\nset -eu\n{line}\n".encode())
        path.chmod(0o755)
