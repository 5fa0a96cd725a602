"""The embedded peer's side, against chaincodes that do what ours would not: slow, silent, wrong, or of another kind."""

import json
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, cast

import grpc
import pytest
from fabric_protos.peer import chaincode_pb2, proposal_response_pb2
from fabric_protos.peer import chaincode_shim_pb2 as shim
from fabric_protos.peer.proposal_pb2 import SignedProposal

from tests.support.memory_identity import identity
from tests.support.memory_stub import Zone
from tests.wire.host.conftest import NOW_MS
from tests.wire.host.raw_peer import Message
from zoneshare_network.ccaas import CcaasChaincode
from zoneshare_network.ccaas_stream import Connection
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.fabric import wire
from zoneshare_protocols.fabric.proposal import parse
from zoneshare_protocols.stub import ERROR, OK, Response, Stub

ME = identity("Org1MSP", "device")
Say = Callable[[Any], None]


@contextmanager
def scripted(answer: Callable[[Any, Say], None], name: str | None = "asset:1") -> Iterator[Connection]:
    """A chaincode that registers as ``name`` (None: not at all) and meets every message of the peer with ``answer``."""

    def connect(messages: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        out: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

        def listen() -> None:
            try:
                for data in messages:
                    answer(Message.FromString(data), lambda message: out.put(message.SerializeToString()))
            except grpc.RpcError:
                pass
            except EOFError:
                context.cancel()
            out.put(None)

        if name is not None:
            out.put(
                Message(
                    type=Message.REGISTER, payload=wire.write(chaincode_pb2.ChaincodeID(name=name))
                ).SerializeToString()
            )
        pool.submit(listen)
        yield from iter(out.get, None)

    with ThreadPoolExecutor(8) as pool:
        server = grpc.server(pool)
        handler: Any = grpc.stream_stream_rpc_method_handler(connect)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("protos.Chaincode", {"Connect": handler}),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield Connection(f"127.0.0.1:{port}", dial_timeout_s=5)
        server.stop(0).wait()


def call(connection: Connection, expected: str = "asset:1", timeout_s: float = 5.0) -> Response:
    chaincode = CcaasChaincode(connection, expected, timeout_s=timeout_s)
    response = Zone("zone-a", chaincode, lambda: NOW_MS).endorse(ME, "x").response
    chaincode.close()
    return response


def reply(to: Any, kind: int, payload: bytes = b"") -> Any:
    return Message(type=kind, payload=payload, txid=to.txid, channel_id=to.channel_id)


def completed(to: Any, payload: bytes) -> Any:
    return reply(to, Message.COMPLETED, wire.write(proposal_response_pb2.Response(status=OK, payload=payload)))


def asks(kind: int, request: Any) -> Callable[[Any, Say], None]:
    """A chaincode that asks one thing, and completes with what it is told, type first."""

    def answer(message: Any, say: Say) -> None:
        if message.type == Message.TRANSACTION:
            say(reply(message, kind, wire.write(request)))
        elif message.type in (Message.RESPONSE, Message.ERROR):
            say(completed(message, Message.Type.Name(message.type).encode() + b" " + message.payload))

    return answer


@pytest.mark.parametrize(
    ("kind", "request_", "words"),
    [
        (Message.GET_STATE, shim.GetState(key="k", collection="c"), "private data is not supported"),
        (Message.PUT_STATE, shim.PutState(key="k", collection="c"), "private data is not supported"),
        (Message.GET_STATE_BY_RANGE, shim.GetStateByRange(collection="c"), "private data is not supported"),
        (Message.GET_QUERY_RESULT, shim.GetQueryResult(query="{}"), "GET_QUERY_RESULT failed: transaction ID: "),
        (Message.INVOKE_CHAINCODE, shim.GetState(), "not supported by this peer"),
        (Message.PUT_STATE_METADATA, shim.PutStateMetadata(), "not supported by this peer"),
        (Message.WRITE_BATCH_STATE, shim.WriteBatchState(), "not supported by this peer"),
        (Message.QUERY_STATE_NEXT, shim.QueryStateNext(id="q"), "query iterator not found"),
        (Message.PUT_STATE, shim.PutState(value=b"v"), "an empty key"),
        (Message.GET_STATE_BY_RANGE, shim.GetStateByRange(startKey="\x00a", endKey="z"), "composite key"),
        (Message.GET_STATE_BY_RANGE, shim.GetStateByRange(startKey="\x00a\x00", endKey="\x00b\x00"), "same parts"),
        (99, shim.GetState(), "message type 99 failed"),
    ],
)
def test_what_the_ledger_does_not_do_is_refused_in_words(kind: int, request_: Any, words: str) -> None:
    with scripted(asks(kind, request_)) as connection:
        told = call(connection).payload.decode()
    assert told.startswith("ERROR ")
    assert words in told


def test_a_request_that_cannot_be_read_is_refused() -> None:
    def answer(message: Any, say: Say) -> None:
        if message.type == Message.TRANSACTION:
            say(reply(message, Message.GET_STATE, b"\xff"))
        elif message.type == Message.ERROR:
            say(completed(message, message.payload))

    with scripted(answer) as connection:
        assert b"GET_STATE failed" in call(connection).payload


def test_the_proposal_says_what_the_stub_says() -> None:
    seen: list[Any] = []

    def answer(message: Any, say: Say) -> None:
        if message.type == Message.TRANSACTION:
            seen.append(message)
            say(completed(message, b""))

    with scripted(answer) as connection:
        assert call(connection).status == OK
    found = parse(seen[0].proposal.proposal_bytes)
    assert (found.channel, found.tx_id, found.timestamp_ms) == ("zone-a", seen[0].txid, NOW_MS)
    assert (found.creator, found.chaincode, found.args) == (ME.creator, "asset", (b"x",))


class Knowing:
    """A stub that has its client's proposal."""

    def __init__(self, stub: Stub, signed_proposal: Any) -> None:
        self._stub, self.signed_proposal = stub, signed_proposal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stub, name)


def test_a_proposal_the_stub_knows_goes_to_the_chaincode_as_it_was_signed() -> None:
    def answer(message: Any, say: Say) -> None:
        if message.type == Message.TRANSACTION:
            say(completed(message, wire.write(message.proposal)))

    with scripted(answer) as connection:
        chaincode = CcaasChaincode(connection)
        signed = SignedProposal(proposal_bytes=b"as it was", signature=b"signed")

        class Peer:
            def invoke(self, stub: Stub) -> Response:
                return chaincode.invoke(cast(Stub, Knowing(stub, signed)))

        assert Zone("zone-a", Peer(), lambda: NOW_MS).endorse(ME, "x").result() == wire.write(signed)
        chaincode.close()


def nothing(message: Any, say: Say) -> None:
    return


def leaves(message: Any, say: Say) -> None:
    if message.type == Message.TRANSACTION:
        raise EOFError


def errs(message: Any, say: Say) -> None:
    if message.type == Message.TRANSACTION:
        say(reply(message, Message.ERROR, b"init failed"))


def babbles(message: Any, say: Say) -> None:
    if message.type == Message.TRANSACTION:
        say(reply(message, Message.COMPLETED, b"\xff"))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (nothing, "error sending: timeout expired while executing transaction"),
        (leaves, "error sending: chaincode stream terminated"),
        (errs, "transaction returned with failure: init failed"),
        (babbles, "failed to unmarshal the chaincode's response"),
    ],
)
def test_no_answer_is_a_failure_in_fabrics_words(answer: Callable[[Any, Say], None], words: str) -> None:
    with scripted(answer) as connection:
        response = call(connection, timeout_s=0.5)
    assert response.status == ERROR
    assert response.message.startswith("failed to execute transaction ")
    assert response.message.endswith(words)


def test_a_chaincode_that_answers_late_does_not_disturb_the_next() -> None:
    late: list[Any] = []

    def answer(message: Any, say: Say) -> None:
        if message.type != Message.TRANSACTION:
            return
        if late:
            say(completed(late[0], b"late"))
            say(completed(message, b"in time"))
        else:
            late.append(message)

    with scripted(answer) as connection:
        chaincode = CcaasChaincode(connection, timeout_s=0.3)
        zone = Zone("zone-a", chaincode, lambda: NOW_MS)
        assert "timeout expired" in zone.endorse(ME, "x").response.message
        assert zone.endorse(ME, "x").response.payload == b"in time"
        chaincode.close()


@pytest.mark.parametrize("name", ["another:1", ""])
def test_a_chaincode_under_another_name_is_refused(name: str) -> None:
    with scripted(nothing, name) as connection:
        assert f"registered as {name!r}, expected 'asset:1'" in call(connection).message


def test_a_chaincode_that_does_not_register_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneshare_network.ccaas_stream.REGISTER_S", 0.3)
    with scripted(nothing, None) as connection:
        assert "did not register" in call(connection).message


def test_who_waits_for_a_chaincode_that_is_away_shares_one_attempt() -> None:
    chaincode = CcaasChaincode(Connection("127.0.0.1:1", dial_timeout_s=0.5))
    zone = Zone("zone-a", chaincode, lambda: NOW_MS)
    with ThreadPoolExecutor(32) as pool:
        answers = [pool.submit(zone.endorse, ME, "x") for _ in range(32)]
        assert all("could not connect" in answer.result(5).response.message for answer in answers)


def test_connection_json() -> None:
    plain = Connection.from_json('{"address": "cc:9999", "dial_timeout": "500ms", "tls_required": false}')
    assert plain == Connection("cc:9999", 0.5)
    tls = {"address": "cc:9999", "tls_required": True, "root_cert": "R", "client_key": "K", "client_cert": "C"}
    assert Connection.from_json(json.dumps(tls)) == Connection("cc:9999", root_cert=b"R")
    mutual = Connection.from_json(json.dumps({**tls, "client_auth_required": True, "domain": "d"}))
    assert mutual == Connection("cc:9999", 3.0, b"R", b"K", b"C", "d")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"address": "a", "dial_timeout": "long"}', '{"address": "a", "tls_required": true}'],
)
def test_a_bad_connection_json_is_refused(text: str) -> None:
    with pytest.raises(Misuse, match=r"connection\.json"):
        Connection.from_json(text)
