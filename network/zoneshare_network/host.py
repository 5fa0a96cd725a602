"""A network as a process of its own, and how other processes find it, tell it of changes and ask how it is."""

import fcntl
import hashlib
import json
import os
import queue
import signal
import time
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple

from zoneshare_network import topology
from zoneshare_network.durable import write_file
from zoneshare_network.members import Organisation
from zoneshare_network.network import LOCK, EmbeddedNetwork, now_ms
from zoneshare_network.server import GatewayServer
from zoneshare_network.topology import Topology
from zoneshare_protocols.errors import LedgerFailed, Misuse, ZoneshareError
from zoneshare_protocols.stub import Chaincode

GATEWAY = "gateway.json"
CHAINCODES = "zoneshare.chaincode"
"""Entry-point group: ``(organisations, clock_ms) -> Chaincode``; the entry's name is the chaincode's."""
DEFAULT_PORT = 7051
_CHANGE_S = 30.0


class Announced(NamedTuple):
    """What a running network has written about itself; ``applied`` is the digest of the folder it is up to."""

    address: str
    pid: int
    channels: tuple[str, ...]
    applied: str


def installed_chaincodes(organisations: tuple[str, ...]) -> dict[str, Chaincode]:
    """Every chaincode that an installed distribution brings, by name."""
    return {point.name: point.load()(organisations, now_ms) for point in entry_points(group=CHAINCODES)}


def serve(
    folder: Path,
    port: int | None,
    batch_timeout_ms: int | None,
    *,
    ready: Callable[[EmbeddedNetwork, str], None],
    complain: Callable[[ZoneshareError], None],
) -> None:
    """Run the network in ``folder`` until SIGINT or SIGTERM; SIGHUP makes it look at its folder anew.

    Without a ``port`` it takes the one it had before. ``complain`` gets what is wrong with a changed folder; the
    network goes on as it was. Raises Misuse where folder or port are another process's.
    """
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: signals.put(received))
    shape = topology.read(folder) or Topology()
    chaincodes = installed_chaincodes(shape.organisations)
    with EmbeddedNetwork(folder, shape, chaincodes, batch_timeout_ms=batch_timeout_ms) as network:
        server = GatewayServer(network, _previous_port(folder) if port is None else port)
        try:
            _announce(network, server.address, digest(folder))
            ready(network, server.address)
            while signals.get() == signal.SIGHUP:
                try:
                    seen = digest(folder)
                    network.reconcile()
                    _announce(network, server.address, seen)
                except ZoneshareError as refusal:
                    complain(refusal)
        finally:
            server.stop()


def _announce(network: EmbeddedNetwork, address: str, applied: str) -> None:
    body = Announced(address, os.getpid(), network.channels, applied)._asdict()
    write_file(network.folder / GATEWAY, json.dumps(body, indent=2).encode() + b"\n")


def announced(folder: Path) -> Announced | None:
    """What the network in ``folder`` last wrote about itself, running or not."""
    try:
        body = json.loads((folder / GATEWAY).read_bytes())
        return Announced(str(body["address"]), int(body["pid"]), tuple(body["channels"]), str(body["applied"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, OSError) as cause:
        raise Misuse(f"{folder / GATEWAY} cannot be read: {cause}") from cause


def address(folder: Path) -> str:
    """Where the network is, or will be, reached."""
    found = announced(folder)
    return found.address if found else f"127.0.0.1:{DEFAULT_PORT}"


def _previous_port(folder: Path) -> int:
    return int(address(folder).rpartition(":")[2])


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
