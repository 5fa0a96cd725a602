"""The connection to a chaincode that serves: where it is, its registration, and its one stream."""

import json
import logging
import queue
import threading
from dataclasses import dataclass
from typing import Any

import grpc
from fabric_protos.peer import chaincode_pb2, chaincode_shim_pb2_grpc
from fabric_protos.peer import chaincode_shim_pb2 as shim
from google.protobuf.message import DecodeError

from zoneshare_protocols.errors import LedgerFailed, Misuse

log = logging.getLogger(__name__)

MAX_MESSAGE = 100 * 1024 * 1024
"""Bytes; Fabric's own default."""
REGISTER_S = 10.0
"""Seconds a chaincode has to register once it is connected."""

Message = shim.ChaincodeMessage


class ChaincodeGone(LedgerFailed):
    """The chaincode cannot be reached, or its stream ended."""

    retryable = True


@dataclass(frozen=True)
class Connection:
    """Where a chaincode listens; PEM where it asks for TLS. ``server_name`` replaces the host's in the TLS check."""

    address: str
    dial_timeout_s: float = 3.0
    root_cert: bytes | None = None
    client_key: bytes | None = None
    client_cert: bytes | None = None
    server_name: str = ""

    @classmethod
    def from_json(cls, text: str | bytes) -> "Connection":
        """From the ``connection.json`` of a chaincode package of type ``ccaas``. Raises Misuse."""
        try:
            data = json.loads(text)
            address, tls = str(data["address"]), bool(data.get("tls_required", False))
            mutual = tls and bool(data.get("client_auth_required", False))
            timeout_s = _seconds(data.get("dial_timeout") or "3s")
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            raise Misuse(f"not a connection.json: {cause!r}") from cause

        def pem(name: str, needed: bool) -> bytes | None:
            if needed and not data.get(name):
                raise Misuse(f"connection.json asks for TLS but has no {name}")
            return str(data[name]).encode() if needed else None

        return cls(
            address,
            timeout_s,
            pem("root_cert", tls),
            pem("client_key", mutual),
            pem("client_cert", mutual),
            str(data.get("domain") or ""),
        )

    def open(self) -> grpc.Channel:
        options: list[tuple[str, Any]] = [
            ("grpc.max_receive_message_length", MAX_MESSAGE),
            ("grpc.max_send_message_length", MAX_MESSAGE),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            # A channel of its own after each failure, so that gRPC's back-off does not outlive the outage.
            ("grpc.use_local_subchannel_pool", 1),
        ]
        if self.root_cert is None:
            return grpc.insecure_channel(self.address, options)
        if self.server_name:
            options.append(("grpc.ssl_target_name_override", self.server_name))
        credentials = grpc.ssl_channel_credentials(self.root_cert, self.client_key, self.client_cert)
        return grpc.secure_channel(self.address, credentials, options)


class Stream:
    """One connection: a reader thread hands every message to the transaction it belongs to."""

    def __init__(self, connection: Connection, chaincode_id: str) -> None:
        self.alive = True
        self.chaincode = ""
        """Its name: the label of the package id it registered with."""
        self._outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, str], queue.SimpleQueue[Any]] = {}
        self._ready = threading.Event()
        self._reason = "chaincode stream terminated"
        self._channel = connection.open()
        try:
            grpc.channel_ready_future(self._channel).result(timeout=connection.dial_timeout_s)
        except grpc.FutureTimeoutError as cause:
            self._channel.close()
            raise ChaincodeGone(f"could not connect to the chaincode at {connection.address}") from cause
        self._received = chaincode_shim_pb2_grpc.ChaincodeStub(self._channel).Connect(iter(self._outbox.get, None))
        threading.Thread(target=self._read, args=(chaincode_id,), name="chaincode", daemon=True).start()
        if not self._ready.wait(REGISTER_S) or not self.alive:
            self.close()
            raise ChaincodeGone(f"the chaincode at {connection.address} did not register: {self._reason}")

    def send(self, message: Any) -> None:
        self._outbox.put(message)

    def begin(self, key: tuple[str, str]) -> "queue.SimpleQueue[Any]":
        """The messages of one transaction; None ends them."""
        with self._lock:
            if not self.alive:
                raise ChaincodeGone(self._reason)
            if key in self._calls:
                raise LedgerFailed(f"txid: {key[1]}({key[0]}) exists")
            inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
            self._calls[key] = inbox
        return inbox

    def end(self, key: tuple[str, str]) -> None:
        with self._lock:
            self._calls.pop(key, None)

    def close(self) -> None:
        self._received.cancel()
        self._finish()

    def _read(self, chaincode_id: str) -> None:
        try:
            self._register(next(self._received), chaincode_id)
            for message in self._received:
                with self._lock:
                    inbox = self._calls.get((message.channel_id, message.txid))
                if inbox is not None:
                    inbox.put(message)
                elif message.type != Message.KEEPALIVE:
                    log.debug("the chaincode speaks of transaction %s, which is over", message.txid[:8])
        except (grpc.RpcError, StopIteration) as ended:
            log.info("chaincode stream ended: %s", ended.code().name if isinstance(ended, grpc.Call) else "no more")
        except ChaincodeGone as refusal:
            self._reason = refusal.message
            self._received.cancel()
        finally:
            self._finish()

    def _register(self, message: Any, expected: str) -> None:
        if message.type != Message.REGISTER:
            raise ChaincodeGone(f"the chaincode began with {type_name(message.type)}")
        try:
            name = chaincode_pb2.ChaincodeID.FromString(message.payload).name
        except DecodeError as cause:
            raise ChaincodeGone("could not unmarshal the chaincode's registration") from cause
        if not name or (expected and name != expected):
            raise ChaincodeGone(f"the chaincode registered as {name!r}, expected {expected!r}")
        self.chaincode = name.partition(":")[0]
        self.send(Message(type=Message.REGISTERED))
        self.send(Message(type=Message.READY))
        self._ready.set()

    def _finish(self) -> None:
        with self._lock:
            self.alive = False
            for inbox in self._calls.values():
                inbox.put(None)
        self._outbox.put(None)
        self._ready.set()
        self._channel.close()


def type_name(number: int) -> str:
    name: str = Message.Type.Name(number) if number in Message.Type.values() else f"message type {number}"
    return name


def _seconds(text: str) -> float:
    """A Go duration in one unit: "10s", "500ms", "1m"."""
    for unit, factor in (("ms", 0.001), ("s", 1.0), ("m", 60.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise ValueError(f"not a duration: {text!r}")
