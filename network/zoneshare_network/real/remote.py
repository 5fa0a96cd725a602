"""What set-up says to orderers and peers over gRPC: config updates, proposals, transactions, queries."""

import os
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import grpc
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2, ab_pb2_grpc
from fabric_protos.peer import peer_pb2_grpc, proposal_pb2, proposal_response_pb2

from zoneshare_network.members import Signer
from zoneshare_network.network import now_ms
from zoneshare_protocols.errors import LedgerFailed, PeerRefused
from zoneshare_protocols.fabric import proposal, transaction, wire
from zoneshare_protocols.stub import OK

_CALL_S = 60.0
_POLL_S = 0.25
_REFUSED_S = 10.0
_SIZE = 100 * 1024 * 1024
_FIRST_ERROR = 400
_T = TypeVar("_T")


def nonce() -> bytes:
    """24 random bytes, as Fabric's clients take."""
    return os.urandom(24)


def until(what: str, ask: Callable[[], _T | None], seconds: float = 90.0) -> _T:
    """Ask again and again until there is an answer. Raises LedgerFailed, with the last reason, after ``seconds``.

    What is refused for ``_REFUSED_S`` on end is not asked again, PeerRefused: a node that is behind may refuse first.
    """
    start, refused, reason = time.monotonic(), None, "no answer yet"
    while True:
        now = time.monotonic()
        try:
            if (found := ask()) is not None:
                return found
            refused = None
        except PeerRefused as refusal:
            refused, reason = refused or now, str(refusal)
            if now - refused > _REFUSED_S:
                raise PeerRefused(f"{what}: {reason}") from refusal
        except LedgerFailed as failure:
            refused, reason = None, str(failure)
        if now - start > seconds:
            raise LedgerFailed(f"{what}: not within {seconds:.0f} s: {reason}")
        time.sleep(_POLL_S)


class _Remote:
    def __init__(self, address: str, tls_root: bytes) -> None:
        self.address = address
        options = [("grpc.max_receive_message_length", _SIZE), ("grpc.max_send_message_length", _SIZE)]
        self._channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(tls_root), options)

    def close(self) -> None:
        self._channel.close()

    def _call(self, method: Callable[..., Any], request: Any) -> Any:
        try:
            return method(request, timeout=_CALL_S)
        except grpc.RpcError as error:
            raise self._failed(error) from error

    def _failed(self, error: Any) -> LedgerFailed:
        return LedgerFailed(f"{self.address}: {error.code().name} {error.details()}")


class Orderer(_Remote):
    """One orderer, at host:port."""

    def broadcast(self, envelope: common_pb2.Envelope) -> None:
        """Raises PeerRefused for what can never be ordered, LedgerFailed for what may be tried again."""
        stub = ab_pb2_grpc.AtomicBroadcastStub(self._channel)
        try:
            answer = next(iter(stub.Broadcast(iter((envelope,)), timeout=_CALL_S)))
        except grpc.RpcError as error:
            raise self._failed(error) from error
        if answer.status == common_pb2.SUCCESS:
            return
        said = f"{self.address}: {common_pb2.Status.Name(answer.status)} {answer.info}"
        kind = PeerRefused if answer.status in (common_pb2.BAD_REQUEST, common_pb2.FORBIDDEN) else LedgerFailed
        raise kind(said)

    def first_block(self, channel: str, signer: Signer) -> common_pb2.Block | None:
        """Block 0 of a channel; None while this orderer has none. Raises LedgerFailed."""
        position = ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=0))
        fail = ab_pb2.SeekInfo.SeekBehavior.FAIL_IF_NOT_READY
        seek = ab_pb2.SeekInfo(start=position, stop=position, behavior=fail)
        header = common_pb2.ChannelHeader(
            type=common_pb2.DELIVER_SEEK_INFO, channel_id=channel, timestamp=wire.timestamp(now_ms())
        )
        author = common_pb2.SignatureHeader(creator=signer.serialized, nonce=nonce())
        both = common_pb2.Header(channel_header=wire.write(header), signature_header=wire.write(author))
        payload = wire.write(common_pb2.Payload(header=both, data=wire.write(seek)))
        stub = ab_pb2_grpc.AtomicBroadcastStub(self._channel)
        try:
            for answer in stub.Deliver(iter((transaction.sign(payload, signer.key),)), timeout=_CALL_S):
                if answer.WhichOneof("Type") == "block":
                    return answer.block
                if answer.status != common_pb2.NOT_FOUND:
                    raise LedgerFailed(f"{self.address}: {common_pb2.Status.Name(answer.status)}")
                return None
        except grpc.RpcError as error:
            raise self._failed(error) from error
        return None


class Peer(_Remote):
    """One peer, at host:port, as its organisation's administrator ``signer`` sees it."""

    def __init__(self, address: str, tls_root: bytes, mspid: str, signer: Signer) -> None:
        super().__init__(address, tls_root)
        self.mspid = mspid
        self.signer = signer

    def query(self, channel: str, chaincode: str, *args: bytes) -> bytes:
        """The payload of the chaincode's answer. Raises PeerRefused (what the chaincode says) or LedgerFailed."""
        made, _ = self._proposal(channel, chaincode, args)
        payload: bytes = self._endorse(made).response.payload
        return payload

    def change(
        self, channel: str, chaincode: str, args: Sequence[bytes], others: Sequence["Peer"]
    ) -> common_pb2.Envelope:
        """A transaction, endorsed by this peer and ``others``, for an orderer. Raises as ``query``."""
        made, _ = self._proposal(channel, chaincode, args)
        answers = [peer._endorse(made, self.signer) for peer in (self, *others)]
        return transaction.sign(transaction.assemble(made, answers), self.signer.key)

    def discover(self, request: Any) -> Any:
        """An answer of the discovery service to a discovery.Request without its signer. Raises LedgerFailed."""
        from fabric_protos.discovery import protocol_pb2, protocol_pb2_grpc

        request.authentication.CopyFrom(protocol_pb2.AuthInfo(client_identity=self.signer.serialized))
        payload = wire.write(request)
        signed = protocol_pb2.SignedRequest(
            payload=payload, signature=transaction.sign(payload, self.signer.key).signature
        )
        return self._call(protocol_pb2_grpc.DiscoveryStub(self._channel).Discover, signed)

    def _proposal(self, channel: str, chaincode: str, args: Sequence[bytes]) -> tuple[proposal_pb2.Proposal, str]:
        creator = self.signer.serialized
        return proposal.build(channel, chaincode, args, creator=creator, nonce=nonce(), timestamp_ms=now_ms())

    def _endorse(
        self, made: proposal_pb2.Proposal, signer: Signer | None = None
    ) -> proposal_response_pb2.ProposalResponse:
        signed = proposal.sign(made, (signer or self.signer).key)
        answer = self._call(peer_pb2_grpc.EndorserStub(self._channel).ProcessProposal, signed)
        if not OK <= answer.response.status < _FIRST_ERROR:
            raise PeerRefused(f"{self.address}: {answer.response.message}")
        return answer
