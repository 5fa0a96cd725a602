"""Where a workload runs: identities with ledgers, on a network of whatever kind.

``embedded``: a network of its own, served by a process beside. ``in-process``: one inside the only worker. ``null``: a
ledger that does nothing, to measure the runner itself. Everything else is the folder of a network (embedded or real)
that runs; its connection profile, or ZONESHARE_ADAPTER, chooses gateway or hfc.
"""

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from zoneshare import bootstrap, enrolment
from zoneshare.connection import Connection, Profile
from zoneshare.device_keys import DeviceKeys
from zoneshare.embedded import InProcessTransport
from zoneshare.gateway import CHAINCODE, GatewayLedger
from zoneshare.identity import Identity, new_key, signing_request
from zoneshare.ledger import Ledger
from zoneshare.registry import CHANNEL
from zoneshare.transport import Transport
from zoneshare_benchmarks.runner.null import NullLedger
from zoneshare_network.gateway import Gateway
from zoneshare_network.host import installed_chaincodes
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.topology import Topology
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.fabric.msp import Msp

EMBEDDED, IN_PROCESS, NULL = "embedded", "in-process", "null"
TOLERANCE_MS = 60_000


@dataclass(frozen=True)
class Person:
    """An identity with its own keys; ``ledger`` gives a channel's ledger as it sees it."""

    identity: Identity
    keys: DeviceKeys
    ledger: Callable[[str], Ledger]

    @property
    def account(self) -> str:
        return self.identity.account


class Site(Protocol):
    """Safe to use from many threads. Close it when done."""

    @property
    def zones(self) -> tuple[str, ...]:
        """The zones' channels; the registry's is not one."""

    def person(self, name: str) -> Person:
        """A new identity, which no ledger knows yet."""

    def issuer(self, zone: str) -> Ledger:
        """A zone's ledger as its issuer of money sees it."""

    def admins(self, zone: str) -> tuple[Ledger, ...]:
        """A zone's ledger as every organisation's administrator sees it."""

    def conflicts(self) -> int:
        """MVCC conflicts of all its ledgers so far, retried ones included."""

    def close(self) -> None: ...


class NetworkSite:
    """A network with a folder, however it is reached."""

    def __init__(self, folder: Path, transport: Transport | None = None) -> None:
        """With ``transport`` everybody uses that one; else each as the connection profile says."""
        self._folder, self._given = folder, transport
        self._enrol = enrolment.enroller(folder)
        self._ledgers: list[GatewayLedger] = []
        self._lock = threading.Lock()
        self._open = ExitStack()
        self._shared: Transport | None = transport
        self._operator = cache(self._as_operator)

    @property
    def zones(self) -> tuple[str, ...]:
        return tuple(name for name in enrolment.channels(self._folder) if name != CHANNEL)

    def person(self, name: str) -> Person:
        key = new_key()
        made = self._enrol(name, signing_request(key, name))
        identity = Identity(made.mspid, made.certificate, key)
        msps = {mspid: Msp(mspid, tuple(roots)) for mspid, roots in made.roots.items()}
        transport = self._transport(identity, made.profile)
        return Person(identity, DeviceKeys(secrets.token_bytes(32)), self._ledger_maker(identity, transport, msps))

    def _transport(self, identity: Identity, profile: bytes) -> Transport:
        """The gateway adapter's connection is any identity's; hfc's worker is its identity's own."""
        with self._lock:
            if self._shared is not None:
                return self._shared
            found = Profile(profile, self._folder)
            made = found.transport(identity)
            self._open.callback(made.close)
            if found.adapter == "gateway":
                self._shared = made
            return made

    def _ledger_maker(
        self, identity: Identity, transport: Transport, msps: Mapping[str, Msp] | None
    ) -> Callable[[str], Ledger]:
        @cache
        def ledger(channel: str) -> Ledger:
            made = GatewayLedger(transport, channel, identity, msps=msps)
            with self._lock:
                self._ledgers.append(made)
            return made

        return ledger

    def _as_operator(self, name: str, org: str = "", role: str = "client") -> Connection:
        connection = enrolment.operator(self._folder, name, org, role)
        if self._given is None:
            self._open.callback(connection.close)
            return connection
        connection.close()
        return Connection(connection.identity, self._given)

    def issuer(self, zone: str) -> Ledger:
        return self._operator(enrolment.ISSUER).ledger(zone)

    def admins(self, zone: str) -> tuple[Ledger, ...]:
        names = enrolment.organisations(self._folder)
        return tuple(self._operator(f"admin.{name}", name, "admin").ledger(zone) for name in names)

    def conflicts(self) -> int:
        with self._lock:
            return sum(ledger.conflicts for ledger in self._ledgers)

    def set_up(self) -> None:
        """Have every organisation approve zones, trust and issuer, some kilometres apart."""
        names = enrolment.organisations(self._folder)
        admins = {name: self._operator(f"admin.{name}", name, "admin") for name in names}
        places = [
            bootstrap.Place(zone, 37_770_000, -122_420_000 + 200_000 * n, 1 << 30) for n, zone in enumerate(self.zones)
        ]
        issuer = self._operator(enrolment.ISSUER).identity.account
        pattern = enrolment.trust_pattern(self._folder, CHAINCODE)
        bootstrap.set_up(bootstrap.Operators(admins), places, pattern, issuer, TOLERANCE_MS)

    def close(self) -> None:
        self._open.close()


class NullSite:
    """No network, and nobody on it."""

    def __init__(self) -> None:
        self.zones: tuple[str, ...] = ("null",)

    def person(self, name: str) -> Person:
        raise Misuse("a null ledger has no accounts: its workload is empty", wanted=name)

    def issuer(self, zone: str) -> Ledger:  # noqa: ARG002  # the port's
        return NullLedger()

    def admins(self, zone: str) -> tuple[Ledger, ...]:  # noqa: ARG002  # the port's
        return (NullLedger(),)

    def conflicts(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def in_process(folder: Path, shape: Topology | None = None) -> Iterator[tuple[NetworkSite, EmbeddedNetwork]]:
    """An embedded Fabric with all contracts in this process, its zones set up."""
    shape = shape or Topology()
    chaincodes = installed_chaincodes(shape.organisations)
    with EmbeddedNetwork(folder, shape, chaincodes) as network:
        site = NetworkSite(folder, InProcessTransport(Gateway(network)))
        try:
            site.set_up()
            yield site, network
        finally:
            site.close()


@contextmanager
def opened(target: str) -> Iterator[Site]:
    """The site for a worker. Raises Misuse where the folder has no network, and what the network raises."""
    if target == NULL:
        yield NullSite()
    elif target == IN_PROCESS:
        with TemporaryDirectory(prefix="zoneshare-bench-") as folder, in_process(Path(folder)) as (site, _):
            yield site
    else:
        found = NetworkSite(Path(target))
        try:
            yield found
        finally:
            found.close()
