"""A network that asks who connects: only whom an organisation's CA or TLS CA certified is heard, by any transport."""

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2_grpc
from fabric_protos.peer import events_pb2_grpc

from tests.wire.ledger.harness import CHAINCODE, CHANNEL, Site, site
from zoneshare.connection import Connection, Profile
from zoneshare.gateway import Deadlines, GatewayLedger
from zoneshare.grpc_transport import GrpcTransport
from zoneshare.hfc.seeks import seek
from zoneshare.identity import ClientTls, Identity, write_identity
from zoneshare.ledger import LedgerUnavailable
from zoneshare.transport import Transport
from zoneshare_network.host import announce, digest, encoded, profile
from zoneshare_network.members import Organisation
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.nodes import Kind
from zoneshare_network.pki import Authority, Role, key_pem, new_key
from zoneshare_network.topology import Topology, utc
from zoneshare_protocols.errors import LedgerFailed, Misuse

ADAPTERS = ("gateway", "hfc")
SOON = Deadlines(evaluate=3.0)


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("asking"), client_auth=True) as running:
        announce(running.network, running.server.nodes, digest(running.network.folder))
        yield running


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ZONESHARE_ADAPTER", request.param)
    return str(request.param)


def stranger(running: Site) -> Identity:
    key, now = new_key(), utc(running.network.clock_ms())
    foreign = Authority.create("ca", "Org1MSP", now)
    return Identity("Org1MSP", foreign.enrol(key.public_key(), "user", Role.CLIENT, now), key)


def says(transport: Transport, identity: Identity) -> bytes:
    """By a transport that is closed again."""
    try:
        return GatewayLedger(transport, CHANNEL, identity, chaincode=CHAINCODE, deadlines=SOON).evaluate("whoami")
    finally:
        transport.close()


def connection(running: Site, **client: object) -> bytes:
    """The network's profile; ``client`` goes into its part of that name."""
    found = profile(running.network.folder, "Org1MSP")
    found["client"].update(client)
    return encoded(found)


@pytest.mark.usefixtures("adapter")
def test_a_device_shows_its_identity_without_being_told_to(asking: Site, tmp_path: Path) -> None:
    write_identity(tmp_path / "alice", asking.identity(), connection(asking))
    with Connection.open(tmp_path / "alice") as opened:
        ledger = GatewayLedger(opened._transport, CHANNEL, opened.identity, chaincode=CHAINCODE)
        assert ledger.evaluate("whoami") == b"Org1MSP"
        ledger.submit("put", b"shown", b"1")
        assert ledger.evaluate("get", b"shown") == b"1"


@pytest.mark.usefixtures("adapter")
def test_the_profile_may_name_another_certificate(asking: Site, tmp_path: Path) -> None:
    key, authority = new_key(), asking.network.organisation("Org2MSP").tls_ca
    certificate = authority.enrol(key.public_key(), "user", Role.CLIENT, utc(asking.network.clock_ms()))
    (tmp_path / "tls.key").write_bytes(key_pem(key))
    named = {"client": {"key": {"path": "tls.key"}, "cert": {"pem": certificate.decode()}}}
    opened = Profile(connection(asking, tlsCerts=named), tmp_path)
    identity = asking.identity()
    assert opened._shown() == ClientTls(key_pem(key), certificate)
    assert says(opened.transport(identity), identity) == b"Org1MSP"
    (tmp_path / "tls.key").unlink()
    with pytest.raises(Misuse, match="no usable TLS key and certificate of a client"):
        opened.transport(identity)


@pytest.mark.usefixtures("adapter")
def test_a_foreign_cas_certificate_is_refused(asking: Site, tmp_path: Path) -> None:
    foreign = stranger(asking).tls
    named = {"client": {"key": {"pem": foreign.key.decode()}, "cert": {"pem": foreign.certificate.decode()}}}
    identity = asking.identity()
    with pytest.raises(LedgerUnavailable):
        says(Profile(connection(asking, tlsCerts=named), tmp_path).transport(identity), identity)


def test_none_is_refused_at_every_node(asking: Site) -> None:
    identity = asking.identity()
    for node in asking.server.nodes[:2]:
        roots = asking.network.organisation(node.mspid).tls_ca.pem
        with pytest.raises(LedgerUnavailable):
            says(GrpcTransport(node.address, roots), identity)
        assert says(GrpcTransport(node.address, roots, client=identity.tls), identity) == b"Org1MSP"


@pytest.mark.parametrize("kind", [Kind.PEER, Kind.ORDERER])
def test_a_request_for_blocks_names_the_certificate_it_came_with(asking: Site, kind: Kind) -> None:
    """Else whoever saw the signed request could send it too."""
    identity = asking.identity()
    node = next(one for one in asking.server.nodes if one.kind is kind)
    roots = Organisation(node.mspid, asking.network.folder / "orgs" / node.mspid).tls_ca.pem
    credentials = grpc.ssl_channel_credentials(roots, identity.tls.key, identity.tls.certificate)
    with grpc.secure_channel(node.address, credentials) as channel:
        stub = events_pb2_grpc.DeliverStub if kind is Kind.PEER else ab_pb2_grpc.AtomicBroadcastStub
        for shown, first in ((b"", "status"), (stranger(asking).tls.hash, "status"), (identity.tls.hash, "block")):
            now = asking.network.clock_ms()
            asked = seek(identity, CHANNEL, nonce=b"n" * 24, timestamp_ms=now, tls_hash=shown, from_block=0)
            answers = stub(channel).Deliver(iter((common_pb2.Envelope.FromString(asked),)), timeout=10)
            answer = next(answers)
            assert answer.WhichOneof("Type") == first
            assert first == "block" or answer.status == common_pb2.BAD_REQUEST
            answers.cancel()


def test_none_is_refused_by_hfc_too(asking: Site) -> None:
    with pytest.raises(LedgerFailed):
        says(asking.transport("hfc"), asking.identity())


def test_who_is_let_in_is_still_nobody_without_an_identity(asking: Site) -> None:
    shown = asking.identity().tls
    with pytest.raises(LedgerFailed, match="access denied"):
        says(GrpcTransport(asking.server.address, asking.tls_roots, client=shown), stranger(asking))


def test_what_is_asked_is_kept_in_the_folder(tmp_path: Path) -> None:
    shape = Topology(channels=(CHANNEL,))
    with EmbeddedNetwork(tmp_path / "net", shape) as network:
        assert network.tls_clients() is None
        network.require_client_auth(True)
        assert network.tls_clients() is not None
    with EmbeddedNetwork(tmp_path / "net", shape) as network:
        assert network.topology.client_auth
        network.require_client_auth(False)
    assert json.loads((tmp_path / "net/network.json").read_bytes())["client_auth"] is False


def test_keys_are_not_shown(asking: Site, tmp_path: Path) -> None:
    identity = asking.identity()
    assert b"PRIVATE" in identity.tls.key
    assert "PRIVATE" not in repr(identity.tls) + repr(identity)
