"""The host's side of the stream, against a peer that breaks, stalls, dies or speaks nonsense."""

import signal
from collections.abc import Iterator

import pytest
from fabric_protos.peer import chaincode_pb2, proposal_pb2
from fabric_protos.peer import chaincode_shim_pb2 as shim

from tests.support.memory_identity import identity
from tests.support.memory_stub import Zone
from tests.wire.host.conftest import NOW_MS
from tests.wire.host.process import ID, HostProcess
from tests.wire.host.raw_peer import Message, RawPeer, response_of, signed_proposal
from zoneshare_network.ccaas import CcaasChaincode
from zoneshare_network.ccaas_stream import Connection
from zoneshare_protocols.fabric import wire
from zoneshare_protocols.stub import ERROR, OK

ME = identity("Org1MSP", "device")


@pytest.fixture
def peer(host: HostProcess) -> Iterator[RawPeer]:
    with RawPeer(host.connection) as connected:
        assert connected.handshake() == ID
        yield connected


def assert_alive(peer: RawPeer) -> None:
    """The stream still runs transactions."""
    tx_id = peer.begin("whoami")
    answer = peer.receive()
    assert answer.txid == tx_id
    assert response_of(answer).status == OK


def test_keepalive_is_echoed_in_any_state(host: HostProcess) -> None:
    with RawPeer(host.connection) as peer:
        assert peer.receive().type == Message.REGISTER
        peer.send(Message.KEEPALIVE)
        assert peer.receive().type == Message.KEEPALIVE
        peer.send(Message.REGISTERED)
        peer.send(Message.READY, b"\x08\x01\x10\x64")  # what a Fabric 3 peer offers is left unused
        peer.send(Message.KEEPALIVE)
        assert peer.receive().type == Message.KEEPALIVE
        assert_alive(peer)


@pytest.mark.parametrize(
    ("name", "sent", "words"),
    [
        ("garbage", [b"\xff\xff\xff"], "3 bytes that are no ChaincodeMessage"),
        ("unasked", [Message(type=Message.RESPONSE, txid="ab", channel_id="c")], "RESPONSE for transaction 'ab'"),
        ("unasked error", [Message(type=Message.ERROR, txid="ab", channel_id="c")], "ERROR for transaction 'ab'"),
        ("registered again", [Message(type=Message.REGISTERED)], "cannot take REGISTERED while ready"),
        ("a chaincode's own", [Message(type=Message.PUT_STATE)], "cannot take PUT_STATE while ready"),
        ("unknown type", [Message(type=99)], "cannot take message type 99 while ready"),
    ],
)
def test_what_the_go_shim_ends_the_stream_for_ends_it_here(
    host: HostProcess, peer: RawPeer, name: str, sent: list[bytes | Message], words: str
) -> None:
    before = sum(words in line for line in host.lines)
    for message in sent:
        peer.send_bytes(message if isinstance(message, bytes) else message.SerializeToString())
    with pytest.raises(EOFError, match="UNKNOWN error handling message: "):
        peer.receive()
    assert words in host.wait_for(f"WARNING .*{words}", before + 1)


def test_an_answer_before_the_question_ends_the_stream(peer: RawPeer) -> None:
    tx_id = peer.begin("slow", "0.5")
    peer.send(Message.RESPONSE, b"v", tx_id)
    with pytest.raises(EOFError, match="which asked nothing"):
        peer.receive()


@pytest.mark.parametrize("kind", [Message.TRANSACTION, Message.READY, Message.RESPONSE])
def test_nothing_runs_before_the_handshake(host: HostProcess, kind: int) -> None:
    with RawPeer(host.connection) as peer:
        assert peer.receive().type == Message.REGISTER
        peer.send(kind, tx_id="ab")
        with pytest.raises(EOFError, match="while created"):
            peer.receive()


def _header(data: bytes) -> bytes:
    return wire.write(proposal_pb2.SignedProposal(proposal_bytes=wire.write(proposal_pb2.Proposal(header=data))))


@pytest.mark.parametrize(
    ("payload", "proposal", "words"),
    [
        (b"\xff", signed_proposal("get", "a")[0], "ChaincodeInput"),
        (b"", None, "no signed proposal"),
        (b"", proposal_pb2.SignedProposal(proposal_bytes=b"\xff"), "unmarshalling Proposal"),
        (b"", proposal_pb2.SignedProposal.FromString(_header(b"\xff")), "unmarshalling Header"),
        (b"", proposal_pb2.SignedProposal.FromString(_header(b"")), "invalid header type"),
    ],
)
def test_a_transaction_that_cannot_be_read_is_answered_and_the_stream_lives(
    peer: RawPeer, payload: bytes, proposal: proposal_pb2.SignedProposal | None, words: str
) -> None:
    peer.send(Message.TRANSACTION, payload, "ab", proposal=proposal)
    answer = peer.receive()
    assert (answer.type, answer.txid) == (Message.ERROR, "ab")
    assert words in answer.payload.decode()
    assert_alive(peer)


def test_a_transaction_that_is_running_already_is_refused(peer: RawPeer) -> None:
    signed, tx_id = signed_proposal("get", "a")
    payload = wire.write(chaincode_pb2.ChaincodeInput(args=[b"get", b"a"]))
    for _ in range(2):
        peer.send(Message.TRANSACTION, payload, tx_id, proposal=signed)
    first, second = sorted((peer.receive(), peer.receive()), key=lambda m: m.type != Message.GET_STATE)
    assert first.type == Message.GET_STATE
    assert (second.type, second.payload) == (Message.ERROR, b"the transaction is running already")
    peer.send(Message.RESPONSE, b"v", tx_id)
    assert response_of(peer.receive()).payload == b"v"


def test_init_is_a_call_whose_failure_is_an_error(peer: RawPeer) -> None:
    peer.begin("whoami", kind=Message.INIT)
    assert response_of(peer.receive()).status == OK
    peer.begin("fail", "boom", kind=Message.INIT)
    answer = peer.receive()
    assert (answer.type, answer.payload) == (Message.ERROR, b"ValueError: boom")


def test_a_peers_error_is_raised_as_one(peer: RawPeer) -> None:
    tx_id = peer.begin("get", "a")
    assert peer.receive().type == Message.GET_STATE
    peer.send(Message.ERROR, b"no ledger context", tx_id)
    response = response_of(peer.receive())
    assert (response.status, response.message) == (ERROR, "PeerRefused: no ledger context")


def test_an_answer_that_is_no_query_response_fails_the_call_alone(peer: RawPeer) -> None:
    tx_id = peer.begin("range", "a", "b")
    assert peer.receive().type == Message.GET_STATE_BY_RANGE
    peer.send(Message.RESPONSE, b"\xff", tx_id)
    assert response_of(peer.receive()).message == "Malformed: error unmarshalling QueryResponse"
    assert_alive(peer)


def test_what_a_page_asks_of_the_peer(peer: RawPeer) -> None:
    peer.begin("paged", "", "z", "7", "m")
    asked = wire.read(shim.GetStateByRange, peer.receive().payload)
    metadata = wire.read(shim.QueryMetadata, asked.metadata)
    assert (asked.startKey, asked.endKey) == ("\x01", "z")
    assert (metadata.pageSize, metadata.bookmark) == (7, "m")


def test_a_history_left_early_is_closed(peer: RawPeer) -> None:
    tx_id = peer.begin("latest", "k")
    assert peer.receive().type == Message.GET_HISTORY_FOR_KEY
    more = shim.QueryResponse(results=[shim.QueryResultBytes()], has_more=True, id="q1")
    peer.send(Message.RESPONSE, wire.write(more), tx_id)
    closing = peer.receive()
    assert closing.type == Message.QUERY_STATE_CLOSE
    assert wire.read(shim.QueryStateClose, closing.payload).id == "q1"


def test_a_slow_peer_does_not_hold_up_others(host: HostProcess, zone: Zone, peer: RawPeer) -> None:
    """It owes answers to 400 transactions."""
    waiting = {peer.begin("get", "a") for _ in range(400)}
    for n in range(20):
        zone.submit(ME, "put", "k", str(n))
    assert zone.evaluate(ME, "get", "k") == b"19"
    asked = [peer.receive() for _ in waiting]
    assert {message.txid for message in asked} == waiting
    for message in asked:
        peer.send(Message.RESPONSE, b"v", message.txid)
    assert {response_of(peer.receive()).payload for _ in waiting} == {b"v"}


def test_a_peer_that_reads_nothing_does_not_hold_up_others(host: HostProcess, zone: Zone) -> None:
    with RawPeer(host.connection, deaf=True) as deaf:
        deaf.handshake()
        for n in range(32):
            deaf.begin("put", str(n), "x" * 1024 * 1024)
        for n in range(20):
            zone.submit(ME, "put", "k", str(n))
        assert zone.evaluate(ME, "get", "k") == b"19"
    host.wait_for("gone, 32 transactions unanswered")


def test_a_peer_that_dies_ends_its_transactions_at_once(host: HostProcess, zone: Zone) -> None:
    peer = RawPeer(host.connection)
    peer.handshake()
    for _ in range(3):
        peer.begin("get", "a")
        peer.receive()
    peer.leave()
    host.wait_for("gone, 3 transactions unanswered")
    assert zone.evaluate(ME, "failed", "PeerGone", "3") == b"True"
    assert not any("Traceback" in line for line in host.lines)


def test_a_peer_that_comes_back_is_served(host: HostProcess) -> None:
    for _ in range(3):
        with RawPeer(host.connection) as peer:
            assert peer.handshake() == ID
            assert_alive(peer)


def test_the_chaincode_may_restart_under_its_peer() -> None:
    with HostProcess() as first:
        address = first.address
        chaincode = CcaasChaincode(Connection(address, dial_timeout_s=0.5), ID)
        zone = Zone("zone-a", chaincode, lambda: NOW_MS)
        zone.submit(ME, "put", "k", "v")
    response = zone.endorse(ME, "get", "k").response
    assert response.status == ERROR
    assert "chaincode" in response.message
    with HostProcess(address=address):
        assert zone.evaluate(ME, "get", "k") == b"v"
    chaincode.close()


def test_sigterm_lets_running_transactions_end_and_refuses_new_ones() -> None:
    with HostProcess() as host, RawPeer(host.connection) as peer:
        peer.handshake()
        tx_id = peer.begin("get", "a")
        assert peer.receive().type == Message.GET_STATE
        host.process.send_signal(signal.SIGTERM)
        host.wait_for("stopping")
        peer.begin("get", "b")
        refusal = peer.receive()
        assert (refusal.type, refusal.payload) == (Message.ERROR, b"the chaincode is stopping")
        peer.send(Message.RESPONSE, b"v", tx_id)
        assert response_of(peer.receive()).payload == b"v"
        assert host.process.wait(20) == 0
        assert host.wait_for("stopped")
