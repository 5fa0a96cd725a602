"""One peer's stream: the handshake, and every transaction the peer has the chaincode run.

Its states and what ends the stream are those of Fabric's Go shim (created, established, ready).
"""

import logging
import queue
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fabric_protos.peer import chaincode_event_pb2, chaincode_pb2, proposal_response_pb2
from fabric_protos.peer import chaincode_shim_pb2 as shim
from google.protobuf.message import DecodeError

from zoneshare_chaincode.host.invocation import read
from zoneshare_chaincode.host.stub import PeerStub
from zoneshare_chaincode.host.workers import Workers
from zoneshare_protocols.errors import LedgerFailed, Malformed, PeerRefused
from zoneshare_protocols.stub import ERROR, Chaincode, Response

log = logging.getLogger(__name__)

CONCURRENT = 512
"""Transactions of one peer that run at the same time; more wait. Each peer has threads of its own."""

Message = shim.ChaincodeMessage
_KEEPALIVE: bytes = Message(type=Message.KEEPALIVE).SerializeToString()


class StreamBroken(Exception):
    """The peer said what ends its stream; the text says what."""


class PeerGone(LedgerFailed):
    """The peer's stream ended, or its transaction did, while a contract still asked."""


@dataclass(slots=True, eq=False)
class _Call:
    """A running transaction; ``asking`` while the peer owes it an answer."""

    replies: "queue.SimpleQueue[Any]" = field(default_factory=queue.SimpleQueue)
    lock: threading.RLock = field(default_factory=threading.RLock)
    asking: bool = False
    ended: bool = False


class Conversation:
    """``send`` hands bytes to the stream's one writer; it may be called from any thread and never blocks.

    ``receive``, ``start`` and ``close`` are called by one thread.
    """

    def __init__(self, chaincode_id: str, chaincode: Chaincode, send: Callable[[bytes], None], peer: str) -> None:
        self._chaincode_id, self._chaincode, self._send, self._peer = chaincode_id, chaincode, send, peer
        self._state = "created"
        self._calls: dict[tuple[str, str], _Call] = {}
        self._unanswered: set[_Call] = set()
        self._workers = Workers(CONCURRENT)
        self._stopping = False

    @property
    def running(self) -> int:
        """How many transactions have not been answered."""
        return len(self._unanswered)

    def start(self) -> None:
        payload = chaincode_pb2.ChaincodeID(name=self._chaincode_id).SerializeToString()
        self._send(Message(type=Message.REGISTER, payload=payload).SerializeToString())

    def receive(self, data: bytes) -> None:
        """Take one message of the peer. Raises StreamBroken for what Fabric's Go shim ends the stream for too."""
        try:
            message = Message.FromString(data)
        except DecodeError as cause:
            raise StreamBroken(f"{len(data)} bytes that are no ChaincodeMessage") from cause
        if message.type == Message.KEEPALIVE:
            self._send(_KEEPALIVE)
        elif self._state == "ready" and message.type in (Message.RESPONSE, Message.ERROR):
            self._reply(message)
        elif self._state == "ready" and message.type in (Message.TRANSACTION, Message.INIT):
            self._begin(message)
        elif self._state == "created" and message.type == Message.REGISTERED:
            self._state = "established"
        elif self._state == "established" and message.type == Message.READY:
            self._state = "ready"
            log.info("peer %s is ready for %s", self._peer, self._chaincode_id)
        else:
            raise StreamBroken(f"cannot take {_type(message.type)} while {self._state}")

    def refuse_new(self) -> None:
        """Before a stop: what runs may end, what comes is refused."""
        self._stopping = True

    def close(self) -> None:
        """The stream is over: every contract that waits, or asks again, gets PeerGone at once."""
        self._stopping = True
        for call in list(self._calls.values()):
            call.ended = True
            call.replies.put(None)
        self._workers.close()

    def _reply(self, message: Any) -> None:
        call = self._calls.get((message.channel_id, message.txid))
        if call is None or not call.asking:
            raise StreamBroken(f"{_type(message.type)} for transaction {message.txid[:8]!r}, which asked nothing")
        call.asking = False
        call.replies.put(message)

    def _begin(self, message: Any) -> None:
        key = (message.channel_id, message.txid)
        if self._stopping:
            self._send(self._refusal(message, "the chaincode is stopping"))
        elif key in self._calls:
            self._send(self._refusal(message, "the transaction is running already"))
        else:
            self._calls[key] = call = _Call()
            self._unanswered.add(call)
            self._workers.run(lambda: self._run(message, call), len(self._unanswered))

    def _run(self, message: Any, call: _Call) -> None:
        try:
            stub = PeerStub(read(message), lambda kind, payload: self._ask(message, call, kind, payload))
        except Malformed as refusal:
            answer = self._refusal(message, str(refusal))
        else:
            answer = self._invoke(message, stub)
        gone, call.ended = call.ended, True
        self._calls.pop((message.channel_id, message.txid), None)
        if not gone:
            self._send(answer)
        self._unanswered.discard(call)

    def _invoke(self, message: Any, stub: PeerStub) -> bytes:
        try:
            return _completed(message, self._chaincode.invoke(stub), stub.event)
        except BaseException as failure:  # noqa: BLE001 - whatever a contract raises or returns, the peer gets an answer
            place = traceback.extract_tb(failure.__traceback__)[-1]
            kind = type(failure).__name__
            log.error("transaction %s: %s raised at %s:%s", stub.tx_id[:8], kind, place.name, place.lineno)
            return _completed(message, Response(ERROR, f"internal error in the chaincode: {kind}"), None)

    def _ask(self, message: Any, call: _Call, kind: int, payload: Any) -> bytes:
        question = Message(
            type=kind, payload=payload.SerializeToString(), txid=message.txid, channel_id=message.channel_id
        ).SerializeToString()
        # A peer drops a second question of a transaction that has one open, so threads of a contract take turns; and
        # a query that the garbage collector closes amid a question stays open until the transaction ends.
        with call.lock:
            if call.ended or call.asking:
                raise PeerGone("the transaction is over" if call.ended else "a question is open")
            call.asking = True
            self._send(question)
            answer = call.replies.get()
        if answer is None:
            raise PeerGone("the peer went away")
        if answer.type == Message.ERROR:
            raise PeerRefused(answer.payload.decode(errors="replace"))
        result: bytes = answer.payload
        return result

    def _refusal(self, message: Any, reason: str) -> bytes:
        log.warning("peer %s: transaction %s refused: %s", self._peer, message.txid[:8], reason)
        return _error(message, reason)


def _completed(message: Any, response: Response, event: tuple[str, bytes] | None) -> bytes:
    """The answer to a transaction: a chaincode's own refusal is COMPLETED too, except in INIT, as in the Go shim."""
    if message.type == Message.INIT and response.status >= ERROR:
        return _error(message, response.message)
    payload = proposal_response_pb2.Response(
        status=response.status, message=response.message, payload=response.payload
    ).SerializeToString()
    answer = Message(type=Message.COMPLETED, payload=payload, txid=message.txid, channel_id=message.channel_id)
    if event is not None:
        answer.chaincode_event.CopyFrom(chaincode_event_pb2.ChaincodeEvent(event_name=event[0], payload=event[1]))
    data: bytes = answer.SerializeToString()
    return data


def _error(message: Any, reason: str) -> bytes:
    data: bytes = Message(
        type=Message.ERROR, payload=reason.encode(), txid=message.txid, channel_id=message.channel_id
    ).SerializeToString()
    return data


def _type(number: int) -> str:
    name: str = Message.Type.Name(number) if number in Message.Type.values() else f"message type {number}"
    return name
