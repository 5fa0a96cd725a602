"""Pings on a quiet connection: a server that allows them keeps it, one that does not breaks it off."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fabric_protos.gateway import gateway_pb2

from tests.wire.ledger.harness import CHAINCODE, CHANNEL, Assets
from zoneshare.gateway import GatewayLedger
from zoneshare.grpc_options import KEEPALIVE_MS
from zoneshare.grpc_transport import GrpcTransport
from zoneshare.identity import Identity
from zoneshare.transport import TransportFailure
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.pki import Role, load_key
from zoneshare_network.server import MIN_PING_MS, FabricServer
from zoneshare_network.topology import Batch, Topology

PEERS_MIN_PING_MS = 60_000
"""A real peer's, by default."""
PING_MS, QUIET_S = 100, 1.5


def test_the_client_pings_less_often_than_servers_allow() -> None:
    assert KEEPALIVE_MS > PEERS_MIN_PING_MS >= MIN_PING_MS


class Listener:
    """A thread in a quiet stream of events."""

    def __init__(self, transport: GrpcTransport, identity: Identity) -> None:
        question = gateway_pb2.ChaincodeEventsRequest(
            channel_id=CHANNEL, chaincode_id=CHAINCODE, identity=identity.serialized
        ).SerializeToString()
        signed = gateway_pb2.SignedChaincodeEventsRequest(request=question, signature=identity.sign(question))
        self.call = transport.chaincode_events(signed)
        self.heard = threading.Event()
        self.broken: TransportFailure | None = None
        self._over = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            for _ in self.call:
                self.heard.set()
        except TransportFailure as failure:
            self.broken = failure
        self._over.set()

    def broke_within(self, seconds: float) -> bool:
        return self._over.wait(seconds)


@contextmanager
def quiet(folder: Path, min_ping_ms: int) -> Iterator[tuple[Listener, GatewayLedger]]:
    shape = Topology(channels=(CHANNEL,), batch=Batch(timeout_ms=5))
    with EmbeddedNetwork(folder, shape, {CHAINCODE: Assets()}) as network:
        server = FabricServer(network, min_ping_ms=min_ping_ms)
        member = network.organisation("Org1MSP")
        made = member.enrol("user", Role.CLIENT, network.clock_ms())
        identity = Identity("Org1MSP", made.certificate, load_key(made.key or b""))
        transport = GrpcTransport(server.address, member.tls_ca.pem, keepalive_ms=PING_MS)
        try:
            yield Listener(transport, identity), GatewayLedger(transport, CHANNEL, identity, chaincode=CHAINCODE)
        finally:
            transport.close()
            server.stop(0)


def test_pings_that_are_allowed_keep_the_connection(tmp_path: Path) -> None:
    with quiet(tmp_path, PING_MS // 2) as (listener, ledger):
        assert not listener.broke_within(QUIET_S)
        ledger.submit("event", b"k", b"v")
        assert listener.heard.wait(5)


def test_pings_that_come_too_often_end_it(tmp_path: Path) -> None:
    with quiet(tmp_path, PEERS_MIN_PING_MS) as (listener, _):
        assert listener.broke_within(20)
        assert "ping" in str(listener.broken).lower()
