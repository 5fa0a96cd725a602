"""A small chaincode, and networks with it, for the tests of the Ledger port."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from zoneshare.embedded import InProcessTransport
from zoneshare.gateway import GatewayLedger
from zoneshare.grpc_transport import GrpcTransport
from zoneshare.hfc.adapter import HfcTransport
from zoneshare.hfc.messages import Network, Node
from zoneshare.hfc.process import Worker
from zoneshare.identity import Identity
from zoneshare.transport import Transport
from zoneshare_network.gateway import Gateway
from zoneshare_network.members import Organisation
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.nodes import Kind
from zoneshare_network.nodes import Node as Served
from zoneshare_network.pki import Role, load_key
from zoneshare_network.server import FabricServer
from zoneshare_network.topology import Batch, Topology
from zoneshare_protocols.errors import InsufficientFunds, to_wire
from zoneshare_protocols.fabric.msp import Msp
from zoneshare_protocols.stub import ERROR, OK, Response, Stub

CHANNEL = "zone-a"
CHAINCODE = "asset"


class Assets:
    """put, get, incr (read, add one, write), sum (range), event, tput, refuse, boom, nondet, whoami."""

    def __init__(self) -> None:
        self._count = itertools.count()

    def invoke(self, stub: Stub) -> Response:  # noqa: PLR0911
        function, *args = stub.args
        text = [arg.decode(errors="replace") for arg in args]
        match function:
            case b"put":
                stub.put_state(text[0], args[1])
            case b"get":
                return Response(OK, payload=stub.get_state(text[0]) or b"")
            case b"incr":
                value = int(stub.get_state(text[0]) or b"0") + 1
                stub.put_state(text[0], str(value).encode())
                return Response(OK, payload=str(value).encode())
            case b"sum":
                values = stub.get_state_by_range(text[0], text[1]).items
                stub.put_state("total", str(sum(int(item.value) for item in values)).encode())
            case b"event":
                stub.put_state(text[0], args[1])
                stub.set_event(text[0], args[1])
            case b"tput":
                stub.put_state(text[0], str(len(stub.transient["secret"])).encode())
            case b"refuse":
                return Response(ERROR, to_wire(InsufficientFunds("too little", balance=1, needed=2)))
            case b"boom":
                return Response(ERROR, "ValueError: boom")
            case b"nondet":
                stub.put_state("n", str(next(self._count)).encode())
            case b"whoami":
                return Response(OK, payload=stub.creator.mspid.encode())
            case _:
                return Response(ERROR, f"unknown function {function.decode(errors='replace')}")
        return Response(OK)


@dataclass
class Site:
    """A running network, and how to reach it by each transport."""

    network: EmbeddedNetwork
    gateway: Gateway
    server: FabricServer

    def identity(self, name: str = "user", mspid: str = "Org1MSP", role: Role = Role.CLIENT) -> Identity:
        enrolled = self.network.organisation(mspid).enrol(name, role, self.network.clock_ms())
        return Identity(mspid, enrolled.certificate, load_key(enrolled.key or b""))

    @property
    def tls_roots(self) -> bytes:
        return self.network.organisation("Org1MSP").tls_ca.pem

    @property
    def msps(self) -> dict[str, Msp]:
        return {name: organisation.msp() for name, organisation in self.network.organisations.items()}

    @cached_property
    def worker(self) -> Worker:
        """hfc takes seconds to load: one worker for all tests of a site, which closes it."""
        return Worker(self.hfc_network())

    def hfc_network(self) -> Network:
        return hfc_network(self.network, self.server)

    def transport(self, kind: str) -> Transport:
        if kind == "hfc":
            return HfcTransport(self.worker, self.identity())
        if kind == "grpc":
            return GrpcTransport(self.server.address, self.tls_roots)
        return InProcessTransport(self.gateway)

    def ledger(self, transport: Transport, **options: object) -> GatewayLedger:
        settings: dict[str, object] = {"chaincode": CHAINCODE, "msps": self.msps, **options}
        identity = settings.pop("identity", None) or self.identity()
        if isinstance(transport, HfcTransport):
            transport = HfcTransport(transport.worker, identity)  # type: ignore[arg-type]
        return GatewayLedger(transport, str(settings.pop("channel", CHANNEL)), identity, **settings)  # type: ignore[arg-type]


def hfc_network(network: EmbeddedNetwork, server: FabricServer) -> Network:
    """Whom a worker talks to."""

    def known(served: Served) -> Node:
        organisation = Organisation(served.mspid, network.folder / "orgs" / served.mspid)
        return Node(served.name, served.address, organisation.tls_ca.pem, "")

    peers = tuple((known(node),) for node in server.nodes if node.kind is Kind.PEER)
    return Network(peers, tuple(known(node) for node in server.nodes if node.kind is Kind.ORDERER))


@contextmanager
def site(folder: Path, *, client_auth: bool = False) -> Iterator[Site]:
    shape = Topology(channels=(CHANNEL,), batch=Batch(timeout_ms=5), client_auth=client_auth)
    with EmbeddedNetwork(folder, shape, {CHAINCODE: Assets()}) as network:
        made = Site(network, Gateway(network), FabricServer(network))
        try:
            yield made
        finally:
            if "worker" in vars(made):
                made.worker.close()
            made.server.stop(0)
