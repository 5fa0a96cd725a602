"""A network of two zones with the real chaincode, set up by its operators, reached in the process."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from zoneshare.bootstrap import Operators, Place
from zoneshare.connection import Connection
from zoneshare.device import Device
from zoneshare.device_keys import DeviceKeys
from zoneshare.embedded import InProcessTransport
from zoneshare.identity import Identity
from zoneshare.registry import CHANNEL
from zoneshare_chaincode.deploy import zoneshare
from zoneshare_network.gateway import Gateway
from zoneshare_network.network import EmbeddedNetwork, now_ms
from zoneshare_network.pki import Role, load_key
from zoneshare_network.topology import Batch, Topology
from zoneshare_protocols.fabric.policy import parse_policy
from zoneshare_protocols.sharing.records import Trust

PLACES = (Place("zone-a", 37_770_000, -122_420_000, 50), Place("zone-b", 37_800_000, -122_270_000, 50))
AT_A, AT_B = (37_760_000, -122_430_000), (37_800_000, -122_270_000)
ORGANISATIONS = ("Org1MSP", "Org2MSP")


@dataclass
class Clock:
    """The endorsers' time: the machine's, and what a test adds."""

    ahead: int = 0

    def __call__(self) -> int:
        return now_ms() + self.ahead


@dataclass
class Zones:
    network: EmbeddedNetwork
    gateway: Gateway
    clock: Clock
    _names: Iterator[int] = field(default_factory=itertools.count)

    def connection(self, name: str, mspid: str = "Org1MSP", role: Role = Role.CLIENT) -> Connection:
        made = self.network.organisation(mspid).enrol(name, role, self.clock())
        identity = Identity(mspid, made.certificate, load_key(made.key or b""))
        msps = {each: organisation.msp() for each, organisation in self.network.organisations.items()}
        return Connection(identity, InProcessTransport(self.gateway), msps=msps, clock=self.clock)

    def operators(self) -> Operators:
        return Operators({mspid: self.connection(f"admin.{mspid}", mspid, Role.ADMIN) for mspid in ORGANISATIONS})

    def pattern(self) -> Trust:
        policy = parse_policy("AND('Org1MSP.peer','Org2MSP.peer')").SerializeToString(deterministic=True)
        roots = tuple((name, (o.ca.pem,)) for name, o in self.network.organisations.items())
        return Trust("zone", "zone", "zoneshare", policy, roots, (), 0)

    def device(self, at: tuple[int, int], mspid: str = "Org1MSP") -> Device:
        name = f"device{next(self._names)}"
        device = Device(Path(name), self.connection(name, mspid), DeviceKeys(os.urandom(32)))
        device.join(*at)
        return device


@contextmanager
def zones(folder: Path) -> Iterator[Zones]:
    clock = Clock()
    shape = Topology(channels=(CHANNEL, "zone-a", "zone-b"), batch=Batch(timeout_ms=2))
    with EmbeddedNetwork(folder, shape, {"zoneshare": zoneshare(ORGANISATIONS, clock)}, clock_ms=clock) as network:
        yield Zones(network, Gateway(network), clock)
