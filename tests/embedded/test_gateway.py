"""The Gateway and Endorser services over gRPC and TLS: a real gateway's codes, words and details."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import grpc
import pytest
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from fabric_protos.peer import peer_pb2_grpc, proposal_pb2, proposal_response_pb2, transaction_pb2
from google.rpc import status_pb2

from tests.support.embedded import CHANNEL, TIMEOUT, Client, enrol, running
from zoneshare.gateway import GatewayLedger
from zoneshare.grpc_transport import GrpcTransport
from zoneshare.identity import Identity
from zoneshare.transport import TransportFailure
from zoneshare_network.members import Signer
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.server import MAX_MESSAGE, FabricServer
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.fabric import proposal
from zoneshare_protocols.fabric.signatures import sign
from zoneshare_protocols.stub import Creator


@dataclass
class Served:
    network: EmbeddedNetwork
    address: str
    channel: grpc.Channel
    gateway: gateway_pb2_grpc.GatewayStub
    endorser: peer_pb2_grpc.EndorserStub
    tls_root: bytes


@pytest.fixture(scope="module")
def served(network: EmbeddedNetwork) -> Iterator[Served]:
    server = FabricServer(network)
    root = network.organisation("Org1MSP").tls_ca.pem
    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    with grpc.secure_channel(server.address, grpc.ssl_channel_credentials(root), options) as channel:
        stub, endorser = gateway_pb2_grpc.GatewayStub(channel), peer_pb2_grpc.EndorserStub(channel)
        yield Served(network, server.address, channel, stub, endorser, root)
    server.stop()


Refusal = tuple[str, str, list[tuple[str, str]]]


def _refused(call: Callable[[], Any]) -> Refusal:
    """Code, message, and (organisation, message) of every detail."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error: Any = caught.value
    details = []
    for name, value in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            assert (status.code, status.message) == (error.code().value[0], error.details())
            for packed in status.details:
                detail = gateway_pb2.ErrorDetail()
                assert packed.type_url == "type.googleapis.com/gateway.ErrorDetail"
                assert packed.Unpack(detail)
                assert detail.address.startswith("127.0.0.1:")
                details.append((detail.msp_id, detail.message))
    return error.code().name, error.details(), details


def _evaluate(served: Served, signed: proposal_pb2.SignedProposal) -> gateway_pb2.EvaluateResponse:
    return served.gateway.Evaluate(gateway_pb2.EvaluateRequest(proposed_transaction=signed), timeout=TIMEOUT)


def _endorse(served: Served, signed: proposal_pb2.SignedProposal, *mspids: str) -> common_pb2.Envelope:
    request = gateway_pb2.EndorseRequest(proposed_transaction=signed, endorsing_organizations=mspids)
    return served.gateway.Endorse(request, timeout=TIMEOUT).prepared_transaction


def _submit(served: Served, envelope: common_pb2.Envelope, channel: str = CHANNEL) -> None:
    request = gateway_pb2.SubmitRequest(prepared_transaction=envelope, channel_id=channel)
    served.gateway.Submit(request, timeout=TIMEOUT)


def _prepared(served: Served, client: Client, *args: str, by: tuple[str, ...] = ()) -> tuple[common_pb2.Envelope, str]:
    proposed, tx_id = client.propose(*args)
    envelope = _endorse(served, client.signed(proposed), *by)
    envelope.signature = sign(client.signer.key, envelope.payload)
    return envelope, tx_id


def _status(served: Served, client: Client, tx_id: str) -> gateway_pb2.CommitStatusResponse:
    return served.gateway.CommitStatus(client.status_request(tx_id), timeout=TIMEOUT)


def test_endorse_submit_status_evaluate(served: Served, client: Client) -> None:
    envelope, tx_id = _prepared(served, client, "put", "gw", "1")
    _submit(served, envelope)
    status = _status(served, client, tx_id)
    assert status.result == transaction_pb2.VALID
    assert status.block_number == client.network.channel(CHANNEL).height - 1
    assert _evaluate(served, client.signed(client.propose("get", "gw")[0])).result.payload == b"1"


def test_conflict_and_policy_failure_are_in_the_status_only(served: Served, client: Client) -> None:
    first, first_id = _prepared(served, client, "incr", "gw-hot")
    second, second_id = _prepared(served, client, "incr", "gw-hot")
    _submit(served, first)
    _submit(served, second)
    assert _status(served, client, first_id).result == transaction_pb2.VALID
    assert _status(served, client, second_id).result == transaction_pb2.MVCC_READ_CONFLICT
    lonely, lonely_id = _prepared(served, client, "put", "gw-lonely", "1", by=("Org1MSP",))
    _submit(served, lonely)
    assert _status(served, client, lonely_id).result == transaction_pb2.ENDORSEMENT_POLICY_FAILURE


@pytest.mark.parametrize(("function", "message"), [("fail", "ValueError: boom"), ("nosuch", "unknown function nosuch")])
def test_a_chaincode_error(served: Served, client: Client, function: str, message: str) -> None:
    text = f"chaincode response 500, {message}"
    signed = client.signed(client.propose(function)[0])
    assert _refused(lambda: _evaluate(served, signed)) == (
        "UNKNOWN",
        f"evaluate call to endorser returned error: {text}",
        [("Org1MSP", text)],
    )
    assert _refused(lambda: _endorse(served, signed)) == (
        "ABORTED",
        "failed to endorse transaction, see attached details for more info",
        [("Org1MSP", text)],
    )


def test_divergent_endorsements(served: Served, client: Client) -> None:
    assert _refused(lambda: _endorse(served, client.signed(client.propose("nondet", "dice")[0]))) == (
        "ABORTED",
        "failed to collect enough transaction endorsements, see attached details for more info",
        [("Org2MSP", "ProposalResponsePayloads do not match")],
    )


def test_who_may_not(served: Served, client: Client) -> None:
    denied = "error validating proposal: access denied: channel [zone-a] creator org [Org1MSP]"
    signed = client.signed(client.propose("get", "k")[0])
    signed.signature = sign(client.signer.key, b"something else")
    assert _refused(lambda: _evaluate(served, signed)) == (
        "FAILED_PRECONDITION",
        f"evaluate call to endorser returned error: {denied}",
        [("Org1MSP", denied)],
    )
    assert _refused(lambda: _endorse(served, signed)) == (
        "ABORTED",
        "failed to endorse transaction, see attached details for more info",
        [("Org1MSP", denied)],
    )
    stranger = Client(served.network, Signer(Creator("Org9MSP", client.signer.creator.certificate), client.signer.key))
    unknown = "error validating proposal: access denied: channel [zone-a] creator org unknown, creator is malformed"
    assert _refused(lambda: _evaluate(served, stranger.signed(stranger.propose("get", "k")[0])))[2] == [
        ("Org1MSP", unknown)
    ]


def test_what_is_not_a_proposal(served: Served, client: Client) -> None:
    unsigned = proposal_pb2.SignedProposal()
    expected: Refusal = ("INVALID_ARGUMENT", "failed to unpack transaction proposal: a signed proposal is required", [])
    assert _refused(lambda: _evaluate(served, unsigned)) == expected
    assert _refused(lambda: _endorse(served, unsigned)) == expected
    junk = proposal_pb2.SignedProposal(proposal_bytes=b"\xff\xff")
    assert _refused(lambda: _endorse(served, junk))[0] == "INVALID_ARGUMENT"
    empty = client.signed(client.propose("get", "k")[0])
    empty.signature = b""
    assert _refused(lambda: _evaluate(served, empty))[2] == [
        ("Org1MSP", "error validating proposal: empty signature bytes")
    ]


def test_unknown_chaincode_channel_and_organisation(served: Served, client: Client) -> None:
    elsewhere = Client(served.network, client.signer, chaincode="nochaincode")
    signed = elsewhere.signed(elsewhere.propose("get", "k")[0])
    assert _refused(lambda: _evaluate(served, signed)) == (
        "FAILED_PRECONDITION",
        "no peers available to evaluate chaincode nochaincode in channel zone-a",
        [],
    )
    assert _refused(lambda: _endorse(served, signed)) == (
        "FAILED_PRECONDITION",
        "no combination of peers can be derived which satisfy the endorsement policy: "
        "No metadata was found for chaincode nochaincode in channel zone-a",
        [],
    )
    nowhere = Client(served.network, client.signer, channel="zone-x")
    no_channel: Refusal = (
        "UNAVAILABLE",
        "failed to get config for channel [zone-x]: could not get last config for channel zone-x",
        [],
    )
    signed = nowhere.signed(nowhere.propose("get", "k")[0])
    assert _refused(lambda: _evaluate(served, signed)) == no_channel
    assert _refused(lambda: _endorse(served, signed)) == no_channel
    good = client.signed(client.propose("get", "k")[0])
    assert _refused(lambda: _endorse(served, good, "Org9MSP"))[0] == "UNAVAILABLE"


def test_what_cannot_be_submitted(served: Served, client: Client) -> None:
    envelope, _ = _prepared(served, client, "put", "gw-tampered", "1")
    good = common_pb2.Envelope.FromString(envelope.SerializeToString())
    envelope.signature = b""
    assert _refused(lambda: _submit(served, envelope))[:2] == (
        "INVALID_ARGUMENT",
        "prepared transaction must be signed",
    )
    none = gateway_pb2.SubmitRequest(channel_id=CHANNEL)
    assert _refused(lambda: served.gateway.Submit(none))[0] == "INVALID_ARGUMENT"
    envelope.payload, envelope.signature = good.payload.replace(b"gw-tampered", b"GW-tampered"), good.signature
    assert _refused(lambda: _submit(served, envelope))[:2] == (
        "ABORTED",
        "received unsuccessful response from orderer: status=FORBIDDEN, info=implicit policy evaluation failed - "
        "0 sub-policies were satisfied, but this policy requires 1 of the 'Writers' sub-policies to be satisfied: "
        "permission denied",
    )
    assert _refused(lambda: _submit(served, good, "zone-x"))[0] == "UNAVAILABLE"


def test_a_status_is_for_members_who_sign_for_it(served: Served, client: Client) -> None:
    request = client.status_request("f" * 64)
    request.signature = sign(client.signer.key, b"something else")
    assert _refused(lambda: served.gateway.CommitStatus(request))[0] == "PERMISSION_DENIED"
    foreign = Client(served.network, Signer(Creator("Org9MSP", client.signer.creator.certificate), client.signer.key))
    assert _refused(lambda: served.gateway.CommitStatus(foreign.status_request("f" * 64)))[0] == "PERMISSION_DENIED"
    junk = gateway_pb2.SignedCommitStatusRequest(request=b"\xff")
    assert _refused(lambda: served.gateway.CommitStatus(junk))[0] == "INVALID_ARGUMENT"
    assert _refused(lambda: served.gateway.ChaincodeEvents(junk).next())[0] == "INVALID_ARGUMENT"


def test_a_status_that_does_not_come_ends_with_the_deadline(served: Served, client: Client) -> None:
    request = client.status_request("f" * 64)
    assert _refused(lambda: served.gateway.CommitStatus(request, timeout=0.2))[0] == "DEADLINE_EXCEEDED"


def test_events_from_a_block_and_after_a_transaction(served: Served, client: Client) -> None:
    first = client.submit("putev", "ev", "one")
    client.submit("put", "ev", "silent")
    second = client.submit("putev", "ev", "two")
    call = served.gateway.ChaincodeEvents(client.events_request(first.block))
    responses = list(islice(call, 2))
    call.cancel()
    assert [(r.block_number, r.events[0].tx_id, r.events[0].payload) for r in responses] == [
        (first.block, first.tx_id, b"one"),
        (second.block, second.tx_id, b"two"),
    ]
    call = served.gateway.ChaincodeEvents(client.events_request(first.block, after=first.tx_id))
    assert next(call).events[0].tx_id == second.tx_id
    call.cancel()
    call = served.gateway.ChaincodeEvents(client.events_request())
    seen: list[bytes] = []
    following = threading.Thread(target=lambda: seen.append(next(call).events[0].payload))
    following.start()
    # A stream without a start begins with the next block after it was opened: keep them coming until one is seen.
    while following.is_alive():
        client.submit("putev", "ev", "three")
    call.cancel()
    assert seen == [b"three"]


def test_a_checkpoint_is_where_events_go_on(served: Served, client: Client) -> None:
    """The transaction's own block is found by its id, and whatever start position is said does not count."""
    first = client.submit("putev", "cp", "one")
    second = client.submit("putev", "cp", "two")
    for start in (None, 0, second.block + 5):
        call = served.gateway.ChaincodeEvents(client.events_request(start, after=first.tx_id))
        assert next(call).events[0].tx_id == second.tx_id
        call.cancel()


@pytest.mark.parametrize("position", ["oldest", "newest"])
def test_events_start_at_a_block_or_at_the_next(served: Served, client: Client, position: str) -> None:
    request = gateway_pb2.ChaincodeEventsRequest.FromString(client.events_request().request)
    getattr(request.start_position, position).SetInParent()
    data = request.SerializeToString()
    signed = gateway_pb2.SignedChaincodeEventsRequest(request=data, signature=sign(client.signer.key, data))
    expected: Refusal = (
        "INVALID_ARGUMENT",
        f"invalid start position type: *orderer.SeekPosition_{position.capitalize()}",
        [],
    )
    assert _refused(lambda: served.gateway.ChaincodeEvents(signed).next()) == expected


def test_who_asks_for_nothing_or_of_an_unknown_channel(served: Served, client: Client) -> None:
    nothing, no_events = gateway_pb2.SignedCommitStatusRequest(), gateway_pb2.SignedChaincodeEventsRequest()
    assert _refused(lambda: served.gateway.CommitStatus(nothing))[0] == "INVALID_ARGUMENT"
    assert _refused(lambda: served.gateway.ChaincodeEvents(no_events).next())[0] == "INVALID_ARGUMENT"
    assert _refused(lambda: served.gateway.CommitStatus(client.status_request("")))[0] == "INVALID_ARGUMENT"
    nowhere = Client(served.network, client.signer, channel="zone-x")
    assert _refused(lambda: served.gateway.CommitStatus(nowhere.status_request("f" * 64)))[0] == "PERMISSION_DENIED"


def test_invalid_transactions_have_no_events(served: Served, client: Client) -> None:
    lonely, lonely_id = client.endorsed("putev", "ev-bad", "never", by=("Org1MSP",))
    client.order(lonely)
    start = client.committed(lonely_id).block
    good = client.submit("putev", "ev-good", "seen")
    call = served.gateway.ChaincodeEvents(client.events_request(start))
    assert next(call).events[0].tx_id == good.tx_id
    call.cancel()


def test_the_endorser_answers_on_the_same_port(served: Served, client: Client) -> None:
    proposed, _ = client.propose("get", "gw-missing")
    answer = served.endorser.ProcessProposal(client.signed(proposed))
    assert isinstance(answer, proposal_response_pb2.ProposalResponse)
    assert answer.response.status == 500
    signed = client.signed(client.propose("whoami")[0])
    answer = served.endorser.ProcessProposal(signed)
    assert proposal.parse(signed.proposal_bytes).tx_id.encode() in answer.response.payload
    assert answer.endorsement.signature
    signed.signature = b""
    code, message, _ = _refused(lambda: served.endorser.ProcessProposal(signed))
    assert (code, message) == ("UNKNOWN", "error validating proposal: empty signature bytes")


def test_a_message_that_is_too_big_is_refused(served: Served, client: Client) -> None:
    signed = client.signed(client.propose("put", "k", "v" * MAX_MESSAGE)[0])
    assert _refused(lambda: _endorse(served, signed))[0] == "RESOURCE_EXHAUSTED"
    assert _evaluate(served, client.signed(client.propose("whoami")[0])).result.status == 200


def test_a_client_of_another_root_gets_no_connection(served: Served) -> None:
    root = served.network.organisation("Org2MSP").tls_ca.pem
    with grpc.secure_channel(served.address, grpc.ssl_channel_credentials(root)) as channel:
        stub = gateway_pb2_grpc.GatewayStub(channel)
        assert _refused(lambda: stub.Evaluate(gateway_pb2.EvaluateRequest(), timeout=5))[0] == "UNAVAILABLE"


def test_a_port_in_use_is_one_clear_line(served: Served) -> None:
    port = int(served.address.rpartition(":")[2])
    with pytest.raises(Misuse, match=f"port {port} of 127.0.0.1 is in use"):
        FabricServer(served.network, port)


def test_the_sdk_reaches_it(served: Served) -> None:
    signer = enrol(served.network)
    identity = Identity(signer.creator.mspid, signer.creator.certificate, signer.key)
    transport = GrpcTransport(served.address, served.tls_root)
    ledger = GatewayLedger(transport, CHANNEL, identity, chaincode="asset")
    done = ledger.submit("put", b"sdk", b"1")
    assert done.payload == b"1"
    assert ledger.evaluate("get", b"sdk") == b"1"
    assert len(ledger.endorsed_query("get", b"sdk").endorsements) == 2
    transport.close()


def test_who_waits_while_the_network_stops_is_told(tmp_path: Path) -> None:
    with running(tmp_path) as network:
        server = FabricServer(network)
        client = Client(network, enrol(network))
        transport = GrpcTransport(server.address, network.organisation("Org1MSP").tls_ca.pem)
        failed: list[TransportFailure] = []

        def wait() -> None:
            with pytest.raises(TransportFailure) as caught:
                transport.commit_status(client.status_request("f" * 64), TIMEOUT)
            failed.append(caught.value)

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert _evaluate_when_up(transport, client) == b"[]"
        server.stop(grace_s=0)
        waiting.join(TIMEOUT)
        assert [failure.code in ("UNAVAILABLE", "CANCELLED") for failure in failed] == [True]


def _evaluate_when_up(transport: GrpcTransport, client: Client) -> bytes:
    signed = client.signed(client.propose("range", "", "")[0])
    return bytes(transport.evaluate(gateway_pb2.EvaluateRequest(proposed_transaction=signed), TIMEOUT).result.payload)
