"""What only a wire can do wrong: no server, wrong TLS roots, messages too large, a server that restarts."""

import socket
from pathlib import Path

import pytest

from tests.wire.ledger.harness import CHAINCODE, CHANNEL, Assets, Site, site
from zoneshare.gateway import Deadlines, Retries
from zoneshare.grpc_transport import GrpcTransport
from zoneshare.ledger import CommitUnknown, LedgerUnavailable, Refused
from zoneshare_network.gateway import Gateway
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.pki import Authority
from zoneshare_network.server import MAX_MESSAGE, FabricServer
from zoneshare_network.topology import utc

QUICK = Deadlines(evaluate=1, endorse=1, submit=1, commit=1, inquiry=0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_nobody_listens(running: Site) -> None:
    transport = GrpcTransport(f"127.0.0.1:{_free_port()}", running.tls_roots)
    ledger = running.ledger(transport, deadlines=QUICK)
    for call in (ledger.evaluate, ledger.submit, ledger.endorsed_query):
        with pytest.raises(LedgerUnavailable) as down:
            call("get", b"a")
        assert down.value.values["code"] == "UNAVAILABLE"
    transport.close()


def test_a_server_of_another_tls_authority_is_not_talked_to(running: Site) -> None:
    foreign = Authority.create("tlsca", "Org1MSP", utc(running.network.clock_ms()))
    transport = GrpcTransport(running.server.address, foreign.pem)
    with pytest.raises(LedgerUnavailable):
        running.ledger(transport, deadlines=QUICK).evaluate("get", b"a")
    transport.close()


def test_a_server_of_another_name_is_not_talked_to(running: Site) -> None:
    transport = GrpcTransport(running.server.address, running.tls_roots, server_name="peer0.example.org")
    with pytest.raises(LedgerUnavailable):
        running.ledger(transport, deadlines=QUICK).evaluate("get", b"a")
    transport.close()


def test_an_oversize_message_is_refused_by_the_sender_and_by_the_server(running: Site) -> None:
    data = bytes(MAX_MESSAGE + 1)
    for limit in (1024 * 1024, 10 * MAX_MESSAGE):
        transport = GrpcTransport(running.server.address, running.tls_roots, max_message=limit)
        ledger = running.ledger(transport)
        with pytest.raises(Refused) as refused:
            ledger.submit("put", b"big", data)
        assert refused.value.values["code"] == "RESOURCE_EXHAUSTED"
        assert ledger.evaluate("get", b"big") == b""
        transport.close()


def test_a_closed_transport_says_so(running: Site) -> None:
    transport = running.transport("grpc")
    ledger = running.ledger(transport)
    transport.close()
    with pytest.raises(LedgerUnavailable):
        ledger.evaluate("get", b"a")


def test_a_deadline_that_passes_is_an_unknown_commit(running: Site) -> None:
    transport = running.transport("grpc")
    never = Deadlines(commit=-1, inquiry=-1)
    ledger = running.ledger(transport, deadlines=never, retries=Retries(unclear=2, pause=0.0001))
    with pytest.raises(CommitUnknown) as unknown:
        ledger.submit("put", b"slow", b"1")
    assert ledger.outcome(unknown.value.tx_id, 10) > 0
    transport.close()


def test_events_go_on_after_the_server_restarted(tmp_path: Path) -> None:
    """Nothing is lost and nothing comes twice, though two events share a block with the cut."""
    with site(tmp_path) as first:
        port = int(first.server.address.rpartition(":")[2])
        identity, roots = first.identity(), first.tls_roots
        transport = GrpcTransport(first.server.address, roots)
        ledger = first.ledger(transport, identity=identity)
        one = ledger.submit("event", b"e", b"1")
        stream = ledger.events(one.block)
        assert next(stream).payload == b"1"
    with EmbeddedNetwork(tmp_path, None, {CHAINCODE: Assets()}) as network:
        server = FabricServer(network, port)
        second = Site(network, Gateway(network), server)
        direct = second.ledger(second.transport("in-process"), identity=identity)
        two = direct.submit("event", b"e", b"2")
        heard = next(stream)
        assert (heard.payload, heard.block, heard.tx_id) == (b"2", two.block, two.tx_id)
        stream.close()
        transport.close()
        server.stop(0)
    assert ledger.channel == CHANNEL
