"""A network as a process of its own, and how other processes find it, tell it of changes and ask how it is."""

import fcntl
import hashlib
import os
import queue
import re
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import msgspec

from zoneshare_network import topology
from zoneshare_network.ccaas import CcaasChaincode
from zoneshare_network.ccaas_stream import Connection
from zoneshare_network.durable import write_file
from zoneshare_network.identities import connection_profile
from zoneshare_network.members import Organisation
from zoneshare_network.network import LOCK, EmbeddedNetwork, now_ms
from zoneshare_network.nodes import Node, layout
from zoneshare_network.real import yaml
from zoneshare_network.server import FabricServer, check_port
from zoneshare_network.topology import Topology
from zoneshare_protocols.errors import LedgerFailed, Misuse, ZoneshareError
from zoneshare_protocols.stub import Chaincode

GATEWAY = "gateway.json"
CHAINCODES = "zoneshare.chaincode"
"""Entry-point group: ``(organisations, clock_ms) -> Chaincode``; the entry's name is the chaincode's."""
PROFILES = "profiles"
_CHANGE_S = 30.0
_ADDRESS = re.compile(r"^[^\s:]+:\d{1,5}$")


class Announced(msgspec.Struct, frozen=True):
    """What a running network has written about itself."""

    address: str
    """Of the first organisation's peer."""
    pid: int
    channels: tuple[str, ...]
    applied: str
    """The digest of the folder it is up to."""
    nodes: tuple[Node, ...] = ()
    tls_roots: dict[str, str] = {}
    """By MSP id, in PEM."""


def installed_chaincodes(organisations: tuple[str, ...]) -> dict[str, Chaincode]:
    """Every chaincode that an installed distribution brings, by name."""
    return {point.name: point.load()(organisations, now_ms) for point in entry_points(group=CHAINCODES)}


def serve(
    folder: Path,
    port: int | None,
    batch_timeout_ms: int | None,
    *,
    services: Mapping[str, str],
    client_auth: bool | None = None,
    ready: Callable[[EmbeddedNetwork, str], None],
    complain: Callable[[ZoneshareError], None],
) -> None:
    """Run the network in ``folder`` until SIGINT or SIGTERM; SIGHUP makes it look at its folder anew.

    Without a ``port`` it takes the one it had before. ``services`` are chaincodes as a service, by name, beside those
    of the topology, which they replace. ``client_auth``: clients must show certificates from now on, or must not; None
    leaves it as it was. ``complain`` gets what is wrong with a changed folder; the
    network goes on as it was. Raises Misuse where folder or port are another process's; a network that is new is not
    made then.
    """
    shape = topology.read(folder) or Topology()
    with ExitStack() as stack:
        served = {name: _service(name, where, folder) for name, where in {**shape.chaincodes, **services}.items()}
        for chaincode in served.values():
            stack.callback(chaincode.close)
        chaincodes = {**installed_chaincodes(shape.organisations), **served}
        wanted = _layout(folder, shape, port)
        if running_pid(folder) is None:  # else the folder's lock says so
            for node in wanted:
                check_port(node)
        signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda received, _: signals.put(received))
        network = stack.enter_context(EmbeddedNetwork(folder, shape, chaincodes, batch_timeout_ms=batch_timeout_ms))
        if client_auth is not None:
            network.require_client_auth(client_auth)
        server = FabricServer(network, wanted)
        try:
            announce(network, server.nodes, digest(folder))
            ready(network, server.address)
            while signals.get() == signal.SIGHUP:
                try:
                    seen = digest(folder)
                    network.reconcile()
                    announce(network, server.nodes, seen)
                except ZoneshareError as refusal:
                    complain(refusal)
        finally:
            server.stop()


def _layout(folder: Path, shape: Topology, port: int | None) -> tuple[Node, ...]:
    """Where the nodes were before; where a ``port`` is said, a node whose own is taken meanwhile gets a free one."""
    known = layout(shape, _previous_ports(folder), port)
    return known if port is None else (known[0], *(_free(node) for node in known[1:]))


def _free(node: Node) -> Node:
    try:
        check_port(node)
    except Misuse:
        return msgspec.structs.replace(node, address=f"{node.host}:0")
    return node


def _service(name: str, where: str, folder: Path) -> CcaasChaincode:
    if where.endswith(".json"):
        try:
            return CcaasChaincode(Connection.from_json((folder / where).read_bytes()))
        except OSError as cause:
            raise Misuse(f"chaincode {name}: {folder / where} cannot be read: {cause.strerror}") from cause
    if _ADDRESS.fullmatch(where) is None:
        raise Misuse(f"chaincode {name}: not HOST:PORT, and no connection.json", where=where)
    return CcaasChaincode(Connection(where))


def announce(network: EmbeddedNetwork, nodes: tuple[Node, ...], applied: str) -> None:
    """Write gateway.json and the connection profiles; ``applied`` is the digest of the folder it is up to."""
    folder = network.folder
    body = Announced(nodes[0].address, os.getpid(), network.channels, applied, nodes, _tls_roots(folder))
    write_file(folder / GATEWAY, msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n")
    for mspid in network.topology.organisations:
        found = profile(folder, mspid)
        write_file(folder / PROFILES / f"{mspid}.json", encoded(found))
        write_file(folder / PROFILES / f"{mspid}.yaml", yaml.dump(found).encode())


def announced(folder: Path) -> Announced | None:
    """What the network in ``folder`` last wrote about itself, running or not."""
    path = folder / GATEWAY
    try:
        return msgspec.json.decode(path.read_bytes(), type=Announced)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, OSError) as cause:
        raise Misuse(f"{path} cannot be read: {cause}") from cause


def nodes(folder: Path) -> tuple[Node, ...]:
    """Where the network's nodes are, or will be, reached; the first organisation's peer first."""
    return layout(load(folder), _previous_ports(folder), None)


def address(folder: Path) -> str:
    """Where the first organisation's peer is, or will be, reached."""
    return nodes(folder)[0].address


def profile(folder: Path, home: str) -> dict[str, Any]:
    """The common connection profile of the organisation ``home``'s clients. Raises Misuse when there is no network."""
    roots = {mspid: member.ca.pem.decode() for mspid, member in organisations(folder).items()}
    return connection_profile(home, load(folder).channels, nodes(folder), _tls_roots(folder), roots)


def encoded(found: dict[str, Any]) -> bytes:
    """A profile as JSON."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"


def _tls_roots(folder: Path) -> dict[str, str]:
    shape = load(folder)
    members = {name: Organisation(name, folder / "orgs" / name) for name in (*shape.organisations, shape.orderer)}
    return {mspid: member.tls_ca.pem.decode() for mspid, member in members.items()}


def _previous_ports(folder: Path) -> dict[str, int]:
    found = announced(folder)
    return {node.name: node.port for node in found.nodes} if found else {}


def load(folder: Path) -> Topology:
    """The topology of the network in ``folder``. Raises Misuse when there is none."""
    found = topology.read(folder)
    if found is None:
        raise Misuse(f"there is no network in {folder}: make one with zoneshare network up --dir {folder}")
    return found


def running_pid(folder: Path) -> int | None:
    """The process that runs the network in ``folder``."""
    try:
        with (folder / LOCK).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return int(file.read() or b"0") or None
    except FileNotFoundError:
        pass
    return None


def tell(folder: Path) -> bool:
    """Have a running network look at its folder, and wait until it has; False when none runs.

    Raises LedgerFailed when it does not answer in half a minute.
    """
    pid = running_pid(folder)
    if pid is None:
        return False
    wanted = digest(folder)
    os.kill(pid, signal.SIGHUP)
    until = time.monotonic() + _CHANGE_S
    while (found := announced(folder)) is None or found.applied != wanted:
        if running_pid(folder) is None:
            return False
        if time.monotonic() > until:
            raise LedgerFailed("the running network has not taken up the change", pid=pid)
        time.sleep(0.02)
    return True


def digest(folder: Path) -> str:
    """Of all that a running network takes up from its folder: topology and revocation lists (SHA-256, hex)."""
    files = (folder / topology.FILE, *sorted((folder / "orgs").glob("*/crl.pem")))
    joined = b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)
    return hashlib.sha256(joined).hexdigest()


def organisations(folder: Path) -> dict[str, Organisation]:
    """The member organisations of the network in ``folder``, by MSP id. Raises Misuse when there is no network."""
    return {name: Organisation(name, folder / "orgs" / name) for name in load(folder).organisations}
