"""Enrolling with a network whose part is installed here: found as entry points, never imported by name."""

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from zoneshare.connection import Connection
from zoneshare.device import Enrol, Enrolled
from zoneshare.identity import CERTIFICATE, Identity, new_key, signing_request, whole_folder, write_identity
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.sharing.records import Trust

GROUP = "zoneshare.enroll"
"""``enroll(network, name, request, org, role)`` and ``describe(network)``."""
ISSUER = "issuer"


def enroller(network: Path, org: str = "", role: str = "client") -> Enrol:
    """Certificates by the CA of ``org`` (default: the network's first organisation)."""
    enroll = _found("enroll")

    def enrol(name: str, request: bytes) -> Enrolled:
        made = enroll(network, name, request, org, role)
        return Enrolled(made.mspid, made.certificate, made.profile, dict(_found("describe")(network).roots))

    return enrol


def channels(network: Path) -> tuple[str, ...]:
    """The Fabric channels of the network in a folder. Raises Misuse when there is none."""
    found: tuple[str, ...] = _found("describe")(network).channels
    return found


def organisations(network: Path) -> tuple[str, ...]:
    """The MSP ids of the organisations that govern the network."""
    found: tuple[str, ...] = _found("describe")(network).organisations
    return found


def trust_pattern(network: Path, chaincode: str) -> Trust:
    """What to believe of the network's zones; zone and channel are for the caller to fill in."""
    found = _found("describe")(network)
    return Trust("zone", "zone", chaincode, found.policy, found.roots, found.revoked, 0)


def operator(network: Path, name: str, org: str = "", role: str = "client") -> Connection:
    """An identity that the network's operators keep in its folder (``operators/NAME``), made when it is not there."""
    folder = network / "operators" / name
    if not (folder / CERTIFICATE).exists():
        key = new_key()
        made = enroller(network, org, role)(name, signing_request(key, name))
        with whole_folder(folder) as half:
            write_identity(half, Identity(made.mspid, made.certificate, key), made.profile, made.roots)
    return Connection.open(folder)


def issuer(network: Path) -> Connection:
    """Who issues money in the network's zones. Raises Misuse where there is no network, or zones init has not run."""
    folder = network / "operators" / ISSUER
    if not (folder / CERTIFICATE).exists():
        channels(network)
        raise Misuse(f"{network} has no issuer yet: run zoneshare zones init --network {network}")
    return Connection.open(folder)


def _found(name: str) -> Callable[..., Any]:
    for point in entry_points(group=GROUP, name=name):
        found: Callable[..., Any] = point.load()
        return found
    raise Misuse("no part that enrols identities is installed: zoneshare-network does it for networks on this machine")
