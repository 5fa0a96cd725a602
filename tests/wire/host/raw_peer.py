"""A peer that says exactly what a test tells it to, byte by byte."""

import itertools
import queue
import threading
from types import TracebackType
from typing import Any

import grpc
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2
from fabric_protos.peer import chaincode_shim_pb2 as shim

from tests.support.memory_identity import identity
from zoneshare_network.ccaas_stream import Connection
from zoneshare_protocols.fabric import proposal, wire
from zoneshare_protocols.fabric.identity import serialize

Message = shim.ChaincodeMessage
WAIT_S = 20.0
CHANNEL = "zone-a"
_nonces = itertools.count(1)


class RawPeer:
    """Connected once made, gone when the ``with`` block ends. A ``deaf`` one reads nothing after the handshake."""

    def __init__(self, connection: Connection, deaf: bool = False) -> None:
        self._channel = connection.open()
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._inbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        connect: Any = self._channel.stream_stream("/protos.Chaincode/Connect")
        self._call = connect(iter(self._outbox.get, None))
        self._deaf, self._hears = deaf, threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "RawPeer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.leave()

    def leave(self) -> None:
        """As a peer that dies: the connection ends without a word."""
        self._call.cancel()
        self._outbox.put(None)
        self._hears.set()
        self._channel.close()
        self._reader.join(WAIT_S)

    def handshake(self) -> str:
        """The name the chaincode registers with."""
        message = self.receive()
        assert message.type == Message.REGISTER
        self.send(Message.REGISTERED)
        self.send(Message.READY)
        name: str = wire.read(chaincode_pb2.ChaincodeID, message.payload).name
        return name

    def send(self, kind: int, payload: bytes = b"", tx_id: str = "", **more: Any) -> None:
        self.send_bytes(
            Message(
                type=kind, payload=payload, txid=tx_id, channel_id=CHANNEL if tx_id else "", **more
            ).SerializeToString()
        )

    def send_bytes(self, data: bytes) -> None:
        self._outbox.put(data)

    def begin(self, *args: str, kind: int = Message.TRANSACTION) -> str:
        """Start a transaction; its id."""
        signed, tx_id = signed_proposal(*args)
        payload = wire.write(chaincode_pb2.ChaincodeInput(args=[a.encode() for a in args]))
        self.send(kind, payload, tx_id, proposal=signed)
        return tx_id

    def receive(self) -> Any:
        """The chaincode's next message. Raises EOFError where the stream has ended."""
        data = self._inbox.get(timeout=WAIT_S)
        if data is None:
            raise EOFError(self.ended())
        return Message.FromString(data)

    def ended(self) -> str:
        """How the stream ended: gRPC's code and the words."""
        return f"{self._call.code().name} {self._call.details()}"

    def _read(self) -> None:
        try:
            for data in self._call:
                self._inbox.put(data)
                if self._deaf:
                    self._hears.wait()
        except grpc.RpcError:
            pass
        self._inbox.put(None)


def signed_proposal(*args: str) -> tuple[Any, str]:
    """A signed proposal of a device of Org1, and its transaction id."""
    who = identity("Org1MSP", "device")
    made, tx_id = proposal.build(
        CHANNEL,
        "asset",
        [a.encode() for a in args],
        creator=serialize(who.creator),
        nonce=next(_nonces).to_bytes(24),
        timestamp_ms=1_700_000_000_123,
    )
    return proposal_pb2.SignedProposal(proposal_bytes=wire.write(made)), tx_id


def response_of(message: Any) -> Any:
    """The peer.Response inside a COMPLETED."""
    assert message.type == Message.COMPLETED, message
    return wire.read(proposal_response_pb2.Response, message.payload)
