"""The peer's side of chaincode as a service: reach any Go, Node, Java or Python chaincode that serves the protocol.

:class:`CcaasChaincode` is itself a ``zoneshare_protocols.stub.Chaincode``: what the chaincode asks for is asked of the
stub that ``invoke`` is given. Private data, rich queries, key-level endorsement and calls of other chaincodes are
refused, in words, since our stub has none; so are the batches of Fabric 3, which are never offered.
"""

import itertools
import queue
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Protocol, runtime_checkable

from fabric_protos.common import common_pb2
from fabric_protos.ledger.queryresult import kv_query_result_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2
from fabric_protos.peer import chaincode_shim_pb2 as shim
from google.protobuf.message import DecodeError

from zoneshare_network.ccaas_stream import ChaincodeGone, Connection, Message, Stream, type_name
from zoneshare_protocols.errors import LedgerFailed, Malformed
from zoneshare_protocols.fabric import wire
from zoneshare_protocols.fabric.identity import serialize
from zoneshare_protocols.stub import (
    COMPOSITE,
    ERROR,
    Page,
    Response,
    Stub,
    composite_range,
    split_composite_key,
)

BATCH = 100
"""Results a message, as a Fabric peer sends them."""


@runtime_checkable
class HasProposal(Protocol):
    """A stub that knows the very proposal its client signed; without it the chaincode gets one with no signature."""

    @property
    def signed_proposal(self) -> Any: ...


class CcaasChaincode:
    """A chaincode at an address. Connects at the first call, and again after the chaincode was away.

    ``chaincode_id`` is the package id the chaincode must register with ("" takes any), ``timeout_s`` how many seconds
    a transaction may run. Any number of threads may call ``invoke``, each with a stub of its own.
    """

    def __init__(self, connection: Connection, chaincode_id: str = "", *, timeout_s: float = 30.0) -> None:
        self._connection, self._chaincode_id, self._timeout_s = connection, chaincode_id, timeout_s
        self._lock = threading.Lock()
        self._stream: Stream | None = None
        self._attempts = 0
        self._failure = ""

    def invoke(self, stub: Stub) -> Response:
        """What the chaincode answers; what kept it from answering is a Response 500 in a Fabric peer's words."""
        try:
            stream = self._live()
            return _Transaction(stream, stub, self._timeout_s).run()
        except LedgerFailed as failure:
            return Response(ERROR, f"failed to execute transaction {stub.tx_id}: {failure.message}")

    def close(self) -> None:
        """Leave the chaincode; running transactions end with an error. A later call connects again."""
        with self._lock:
            stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _live(self) -> "Stream":
        seen = self._attempts
        with self._lock:
            if self._stream is not None and self._stream.alive:
                return self._stream
            if self._failure and self._attempts != seen:
                # Who waited while an attempt failed shares its outcome, instead of trying one after another.
                raise ChaincodeGone(self._failure)
            self._attempts += 1
            try:
                self._stream, self._failure = Stream(self._connection, self._chaincode_id), ""
            except ChaincodeGone as failure:
                self._stream, self._failure = None, failure.message
                raise
            return self._stream


class _Transaction:
    """One invocation: sends it, answers the chaincode's questions from the stub, until COMPLETED or ERROR."""

    def __init__(self, stream: Stream, stub: Stub, timeout_s: float) -> None:
        self._stream, self._stub = stream, stub
        self._key = (stub.channel_id, stub.tx_id)
        self._until = time.monotonic() + timeout_s
        self._queries: dict[str, Iterator[bytes]] = {}

    def run(self) -> Response:
        inbox = self._stream.begin(self._key)
        try:
            payload = chaincode_pb2.ChaincodeInput(args=self._stub.args).SerializeToString()
            self._send(Message.TRANSACTION, payload, proposal=_proposal(self._stub, self._stream.chaincode))
            while True:
                try:
                    message = inbox.get(timeout=max(0.0, self._until - time.monotonic()))
                except queue.Empty as cause:
                    raise LedgerFailed("error sending: timeout expired while executing transaction") from cause
                if message is None:
                    raise ChaincodeGone("error sending: chaincode stream terminated")
                if message.type == Message.COMPLETED:
                    return self._completed(message)
                if message.type == Message.ERROR:
                    raise LedgerFailed(f"transaction returned with failure: {_text(message.payload)}")
                self._answer(message)
        finally:
            self._stream.end(self._key)

    def _completed(self, message: Any) -> Response:
        try:
            answer = proposal_response_pb2.Response.FromString(message.payload)
        except DecodeError as cause:
            raise LedgerFailed("failed to unmarshal the chaincode's response") from cause
        if message.HasField("chaincode_event") and message.chaincode_event.event_name:
            self._stub.set_event(message.chaincode_event.event_name, message.chaincode_event.payload)
        return Response(answer.status, answer.message, answer.payload)

    def _answer(self, message: Any) -> None:
        try:
            handler = _HANDLERS.get(message.type)
            if handler is None:
                raise Malformed("not supported by this peer")
            kind, handle = handler
            request = kind.FromString(message.payload)
            if getattr(request, "collection", ""):
                raise Malformed("private data is not supported by this peer")
            self._send(Message.RESPONSE, handle(self, request))
        except Exception as failure:  # noqa: BLE001 - whatever the ledger refuses, the chaincode gets an answer
            text = f"{type_name(message.type)} failed: transaction ID: {self._stub.tx_id}: {failure}"
            self._send(Message.ERROR, text.encode())

    def _get_state(self, request: Any) -> bytes:
        return self._stub.get_state(request.key) or b""

    def _put_state(self, request: Any) -> bytes:
        self._stub.put_state(request.key, request.value)
        return b""

    def _del_state(self, request: Any) -> bytes:
        self._stub.del_state(request.key)
        return b""

    def _range(self, request: Any) -> bytes:
        asked = shim.QueryMetadata.FromString(request.metadata)
        page = self._page(request.startKey, request.endKey, asked.pageSize, asked.bookmark)
        rows = (
            kv_query_result_pb2.KV(key=row.key, value=row.value).SerializeToString(deterministic=True)
            for row in page.items
        )
        if not asked.pageSize and not asked.bookmark:
            return self._first(rows)
        metadata = shim.QueryResponseMetadata(fetched_records_count=len(page.items), bookmark=page.bookmark)
        results = [shim.QueryResultBytes(resultBytes=row) for row in rows]
        return wire.write(
            shim.QueryResponse(results=results, id=str(uuid.uuid4()), metadata=metadata.SerializeToString())
        )

    def _page(self, start: str, end: str, size: int, bookmark: str) -> Page:
        if not start.startswith(COMPOSITE):
            return self._stub.get_state_by_range(start, end, size, bookmark)
        object_type, attributes = split_composite_key(start)
        if (start, end) != composite_range(object_type, *attributes):
            raise Malformed("a range of composite keys is all that begin with the same parts")
        return self._stub.get_state_by_partial_composite_key(object_type, attributes, size, bookmark)

    def _history(self, request: Any) -> bytes:
        return self._first(
            kv_query_result_pb2.KeyModification(
                tx_id=change.tx_id,
                value=change.value,
                timestamp=wire.timestamp(change.timestamp_ms),
                is_delete=change.is_delete,
            ).SerializeToString()
            for change in self._stub.get_history_for_key(request.key)
        )

    def _next(self, request: Any) -> bytes:
        if request.id not in self._queries:
            raise Malformed("query iterator not found")
        return self._batch(request.id, self._queries[request.id])

    def _close(self, request: Any) -> bytes:
        self._queries.pop(request.id, None)
        return wire.write(shim.QueryResponse(id=request.id))

    def _first(self, results: Iterator[bytes]) -> bytes:
        return self._batch(str(uuid.uuid4()), results)

    def _batch(self, name: str, results: Iterator[bytes]) -> bytes:
        batch = list(itertools.islice(results, BATCH))
        following = next(results, None)
        if following is None:
            self._queries.pop(name, None)
        else:
            self._queries[name] = itertools.chain((following,), results)
        found = [shim.QueryResultBytes(resultBytes=result) for result in batch]
        return wire.write(shim.QueryResponse(results=found, has_more=following is not None, id=name))

    def _send(self, kind: int, payload: bytes, **more: Any) -> None:
        channel_id, tx_id = self._key
        self._stream.send(Message(type=kind, payload=payload, channel_id=channel_id, txid=tx_id, **more))


_HANDLERS: dict[int, tuple[Any, Callable[[_Transaction, Any], bytes]]] = {
    Message.GET_STATE: (shim.GetState, _Transaction._get_state),
    Message.PUT_STATE: (shim.PutState, _Transaction._put_state),
    Message.DEL_STATE: (shim.DelState, _Transaction._del_state),
    Message.GET_STATE_BY_RANGE: (shim.GetStateByRange, _Transaction._range),
    Message.GET_HISTORY_FOR_KEY: (shim.GetHistoryForKey, _Transaction._history),
    Message.QUERY_STATE_NEXT: (shim.QueryStateNext, _Transaction._next),
    Message.QUERY_STATE_CLOSE: (shim.QueryStateClose, _Transaction._close),
}


def _proposal(stub: Stub, chaincode: str) -> Any:
    """The client's own proposal where the stub has it, else one that says the same, unsigned, its nonce made up."""
    if isinstance(stub, HasProposal):
        return stub.signed_proposal
    name = chaincode_pb2.ChaincodeID(name=chaincode)
    channel_header = common_pb2.ChannelHeader(
        type=common_pb2.ENDORSER_TRANSACTION,
        channel_id=stub.channel_id,
        tx_id=stub.tx_id,
        timestamp=wire.timestamp(stub.timestamp_ms),
        extension=wire.write(proposal_pb2.ChaincodeHeaderExtension(chaincode_id=name)),
    )
    signature_header = common_pb2.SignatureHeader(creator=serialize(stub.creator), nonce=stub.tx_id.encode())
    header = common_pb2.Header(channel_header=wire.write(channel_header), signature_header=wire.write(signature_header))
    specification = chaincode_pb2.ChaincodeSpec(chaincode_id=name, input=chaincode_pb2.ChaincodeInput(args=stub.args))
    invocation = chaincode_pb2.ChaincodeInvocationSpec(chaincode_spec=specification)
    payload = proposal_pb2.ChaincodeProposalPayload(input=wire.write(invocation), TransientMap=dict(stub.transient))
    proposal = proposal_pb2.Proposal(header=wire.write(header), payload=wire.write(payload))
    return proposal_pb2.SignedProposal(proposal_bytes=wire.write(proposal))


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
