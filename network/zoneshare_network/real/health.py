"""Whether each node answers, and how far each zone is."""

import json
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import requests

from zoneshare_network.real.setup import Setup, height
from zoneshare_network.real.site import Site
from zoneshare_network.real.topology import Kind, Node
from zoneshare_protocols.errors import LedgerFailed

_TIMEOUT_S = 3.0


@dataclass(frozen=True)
class Health:
    """One node's answer, or why there is none."""

    good: bool
    said: str


def alive(site: Site, node: Node) -> Health:
    """A peer by its health page, kubo by its RPC, orderers and CAs by a TLS handshake, others by whether they accept.

    Orderers and fabric-ca have a health page too, but in 2.5 and 1.5 asking it too early, before the orderer has
    reached Kafka or the CA has opened its database, ends the process (a nil pointer). That a published port accepts
    says nothing: Docker's proxy does, whoever stands behind it.
    """
    if node.kind is Kind.PEER:
        return _page("GET", f"http://{site.health(node)}/healthz")
    if node.kind is Kind.IPFS:
        return _page("POST", f"http://{site.reach(node)}/api/v0/version")
    if node.kind in (Kind.ORDERER, Kind.CA):
        return _handshake(site.reach(node), site.node_folder(node) / "tls" / "ca.crt")
    return _port(*site.reach(node).split(":"))


def contained(listing: str) -> dict[str, Health]:
    """What ``docker compose ps --all --format json`` says of each service. Raises LedgerFailed for no such listing."""
    try:
        rows = [json.loads(line) for line in listing.splitlines() if line.strip()]
        return {row["Service"]: Health(row["Health"] == "healthy", row["Status"]) for row in rows}
    except (ValueError, KeyError, TypeError) as cause:
        raise LedgerFailed("docker compose ps prints no JSON by lines: 2.21 or later is needed") from cause


def visible(site: Site, node: Node) -> bool:
    """Whether there is a node to ask: compose keeps brokers and chaincode to itself, native starts what it finds."""
    if site.mode == "native":
        return (site.folder / "logs" / f"{node.name}.log").exists()
    return site.inside or node.kind not in (Kind.BROKER, Kind.CHAINCODE)


def heights(site: Site) -> dict[str, dict[str, int | None]]:
    """Blocks of each zone at each peer; None where the peer does not answer or has not joined."""
    found: dict[str, dict[str, int | None]] = {}
    names = {site.reach(node): node.name for node in site.topology.peers}
    with Setup(site, lambda _: None) as setup:
        for zone in site.topology.zones:
            found[zone] = {}
            for peer in setup.all_peers:
                try:
                    found[zone][names[peer.address]] = height(peer, zone)
                except LedgerFailed:
                    found[zone][names[peer.address]] = None
    return found


def _page(method: str, url: str) -> Health:
    try:
        answer = requests.request(method, url, timeout=_TIMEOUT_S)
    except requests.RequestException as cause:
        return Health(False, type(cause).__name__)
    if answer.ok:
        return Health(True, "OK")
    try:
        failed = [one["component"] for one in answer.json().get("failed_checks", ())]
    except (ValueError, KeyError, TypeError, AttributeError):
        failed = []
    return Health(False, f"failed: {', '.join(failed)}" if failed else f"status {answer.status_code}")


def _handshake(address: str, root: Path) -> Health:
    """With the network's TLS root; the name in the certificate is the node's, not the address that is dialled."""
    host, _, port = address.partition(":")
    try:
        context = ssl.create_default_context(cafile=root)
        context.check_hostname = False
        with socket.create_connection((host, int(port)), _TIMEOUT_S) as raw, context.wrap_socket(raw):
            return Health(True, "answers")
    except OSError as cause:
        return Health(False, cause.strerror or type(cause).__name__)


def _port(host: str, port: str) -> Health:
    try:
        with socket.create_connection((host, int(port)), _TIMEOUT_S):
            return Health(True, "accepts")
    except OSError as cause:
        return Health(False, cause.strerror or type(cause).__name__)
