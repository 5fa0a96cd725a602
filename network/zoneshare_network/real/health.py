"""Whether each node answers, and how far each zone is."""

import socket
from dataclasses import dataclass

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
    """A peer by its health page, all others by whether their port accepts.

    Orderers and fabric-ca have such a page too, but in 2.5 and 1.5 asking it too early, before the orderer has reached
    Kafka or the CA has opened its database, ends the process (a nil pointer).
    """
    if node.kind is Kind.PEER:
        return _page(f"http://{site.health(node)}/healthz")
    return _port(*site.reach(node).split(":"))


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


def _page(url: str) -> Health:
    try:
        answer = requests.get(url, timeout=_TIMEOUT_S)
    except requests.RequestException as cause:
        return Health(False, type(cause).__name__)
    if answer.ok:
        return Health(True, "OK")
    try:
        failed = [one["component"] for one in answer.json().get("failed_checks", ())]
    except (ValueError, KeyError, TypeError, AttributeError):
        failed = []
    return Health(False, f"failed: {', '.join(failed)}" if failed else f"status {answer.status_code}")


def _port(host: str, port: str) -> Health:
    try:
        with socket.create_connection((host, int(port)), _TIMEOUT_S):
            return Health(True, "accepts")
    except OSError as cause:
        return Health(False, cause.strerror or type(cause).__name__)
