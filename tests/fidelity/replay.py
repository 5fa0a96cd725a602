"""Plays the recorded calls again, over gRPC, to an embedded network that has the recorded one's blocks to begin with.

Every request is made anew from the recorded one: same meaning and same fault, but a fresh identity, nonce, time and
signature, and the transactions that our own network has endorsed.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import grpc
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from fabric_protos.orderer import ab_pb2, ab_pb2_grpc
from fabric_protos.peer import events_pb2_grpc, peer_pb2_grpc, proposal_pb2
from google.protobuf.message import DecodeError

from tests.fidelity.recordings import Exchange, channel_config, exchanges
from tests.support.embedded import CHANNEL, TIMEOUT, enrol
from tests.wire.host.asset import Asset
from zoneshare_network import topology
from zoneshare_network.members import Signer
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.pki import Authority, Role, new_key
from zoneshare_network.server import FabricServer
from zoneshare_network.topology import Batch, Topology
from zoneshare_protocols.errors import BadSignature, ZoneshareError
from zoneshare_protocols.fabric import identity, proposal, signatures, wire
from zoneshare_protocols.fabric.signatures import sign
from zoneshare_protocols.stub import ERROR, Creator, Response, Stub

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_KNOWN = {
    "put", "putev", "get", "incr", "range", "cput", "clist", "tput", "whoami", "history", "fail",
}  # fmt: skip


class RecordedAsset(Asset):
    """The chaincode behind the recordings."""

    def invoke(self, stub: Stub) -> Response:
        function = stub.args[0].decode()
        if function == "nondet":
            stub.put_state(stub.args[1].decode(), secrets.token_bytes(8))
            return Response(200)
        return super().invoke(stub) if function in _KNOWN else Response(ERROR, f"unknown function {function}")


@dataclass(frozen=True)
class Answer:
    """What our network answered: messages, or a gRPC error."""

    responses: tuple[bytes, ...] = ()
    code: str = ""
    details: str = ""
    status_details: bytes = b""


@dataclass
class Replay:
    """The answers by case, and the transaction ids that ours have in place of the recorded ones."""

    network: EmbeddedNetwork
    addresses: dict[str, str]
    answers: dict[str, Answer] = field(default_factory=dict)
    tx_ids: dict[str, str] = field(default_factory=dict)


@contextmanager
def replayed(folder: Path) -> Iterator[Replay]:
    shape = Topology(channels=(CHANNEL,), batch=Batch(timeout_ms=100), version="0.1")
    with EmbeddedNetwork(folder, shape) as network:
        _pad(network)
        server = FabricServer(network)
        try:
            found = Replay(network, {node.mspid: node.address for node in server.nodes})
            _Player(found).play()
            yield found
        finally:
            server.stop()


def _pad(network: EmbeddedNetwork) -> None:
    """Two configurations and three chaincode definitions, as on the recorded channel before its first write."""
    for name in ("gone", "too"):
        enrol(network, name=name)
        network.organisation("Org1MSP").revoke(name, network.clock_ms())
        network.reconcile()
    network.chaincodes["asset"] = RecordedAsset()
    for version in ("0.1", "0.2", "1.0"):
        shape = network.topology
        topology.write(network.folder, Topology(channels=shape.channels, batch=shape.batch, version=version))
        network.reconcile()
    assert network.channel(CHANNEL).height == 6


def _in_order() -> list[Exchange]:
    """As recorded, but the two transactions that went to two orderers in the order in which these put them."""
    names = list(exchanges())
    first, second = names.index("mvcc/submit-2"), names.index("mvcc/submit-1")
    names[first], names[second] = names[second], names[first]
    return [exchanges()[name] for name in names]


class _Player:
    def __init__(self, found: Replay) -> None:
        self._found, self._network = found, found.network
        self._signers: dict[bytes, Signer] = {}
        self._prepared: dict[str, bytes] = {}

    def play(self) -> None:
        cases = _in_order()
        with _channels(self._found) as channels:
            for one, following in zip(cases, [*cases[1:], None], strict=True):
                channel = self._network.channel(CHANNEL)
                height = channel.height
                self._found.answers[one.case] = self._call(one, channels)
                ordered = one.method in ("Submit", "Broadcast") and self._ordered(one)
                if ordered and not (following and following.method == one.method):
                    next(islice(channel.deliver(height), 1))

    def _ordered(self, one: Exchange) -> bool:
        answer = self._found.answers[one.case]
        if one.method == "Submit":
            return not answer.code
        return bool(ab_pb2.BroadcastResponse.FromString(answer.responses[0]).status == common_pb2.SUCCESS)

    def _call(self, one: Exchange, channels: dict[str, grpc.Channel]) -> Answer:
        make: Callable[[bytes], Any] = getattr(self, f"_{one.method.lower()}")
        peer, orderer = channels["Org1MSP"], channels["OrdererMSP"]
        stub: Any = {
            "gateway.Gateway": lambda: gateway_pb2_grpc.GatewayStub(peer),
            "protos.Endorser": lambda: peer_pb2_grpc.EndorserStub(peer),
            "protos.Deliver": lambda: events_pb2_grpc.DeliverStub(peer),
            "orderer.AtomicBroadcast": lambda: ab_pb2_grpc.AtomicBroadcastStub(orderer),
        }[one.service]()
        request = make(one.request)
        method = getattr(stub, one.method)
        try:
            if one.method in ("Deliver", "DeliverFiltered", "Broadcast"):
                found = list(method(iter([request]), timeout=TIMEOUT))
            elif one.method == "ChaincodeEvents":
                call = method(request, timeout=TIMEOUT)
                found = list(islice(call, len(one.responses)))
                call.cancel()
            else:
                found = [method(request, timeout=TIMEOUT)]
        except grpc.RpcError as error:
            return _refused(error)
        if one.method == "Endorse":
            payload = gateway_pb2.EndorseResponse.FromString(one.responses[0]).prepared_transaction.payload
            self._prepared[_tx_id(payload)] = found[0].prepared_transaction.payload
        return Answer(tuple(message.SerializeToString() for message in found))

    # Requests, one method for each of the services'.

    def _endorse(self, data: bytes) -> Any:
        request = gateway_pb2.EndorseRequest.FromString(data)
        self._proposal(request)
        return request

    def _evaluate(self, data: bytes) -> Any:
        request = gateway_pb2.EvaluateRequest.FromString(data)
        self._proposal(request)
        return request

    def _proposal(self, request: Any) -> None:
        if request.proposed_transaction.proposal_bytes:
            signed = self._processproposal(request.proposed_transaction.SerializeToString())
            request.proposed_transaction.CopyFrom(signed)
            request.transaction_id = proposal.parse(signed.proposal_bytes).tx_id

    def _processproposal(self, data: bytes) -> Any:
        old = proposal_pb2.SignedProposal.FromString(data)
        call = proposal.parse(old.proposal_bytes)
        signer = self._signer(call.creator_bytes)
        fresh, tx_id = proposal.build(
            call.channel,
            call.chaincode,
            [self._found.tx_ids.get(arg.decode(), arg.decode()).encode() for arg in call.args],
            creator=signer.serialized,
            nonce=secrets.token_bytes(24),
            timestamp_ms=self._network.clock_ms(),
            transient=call.transient,
        )
        if call.tx_id == proposal.transaction_id(call.nonce, call.creator_bytes):
            self._found.tx_ids[call.tx_id] = tx_id
        else:
            _rename(fresh, call.tx_id)
        signed = proposal.sign(fresh, signer.key)
        signed.signature = _spoilt(signed.signature, call.creator_bytes, old.signature, old.proposal_bytes)
        return signed

    def _submit(self, data: bytes) -> Any:
        request = gateway_pb2.SubmitRequest.FromString(data)
        request.prepared_transaction.CopyFrom(self._broadcast(request.prepared_transaction.SerializeToString()))
        request.transaction_id = self._found.tx_ids[request.transaction_id]
        return request

    def _broadcast(self, data: bytes) -> common_pb2.Envelope:
        old = common_pb2.Envelope.FromString(data)
        try:
            payload = common_pb2.Payload.FromString(old.payload)
        except DecodeError:
            return old
        ours = self._prepared.get(_tx_id(old.payload))
        if ours is None:
            return self._seek(old)
        creator = common_pb2.SignatureHeader.FromString(payload.header.signature_header).creator
        good = sign(self._signer(creator).key, ours)
        return common_pb2.Envelope(payload=ours, signature=_spoilt(good, creator, old.signature, old.payload))

    def _commitstatus(self, data: bytes) -> Any:
        signed = gateway_pb2.SignedCommitStatusRequest.FromString(data)
        request = gateway_pb2.CommitStatusRequest.FromString(signed.request)
        request.transaction_id = self._found.tx_ids[request.transaction_id]
        return self._signed(signed, request)

    def _chaincodeevents(self, data: bytes) -> Any:
        signed = gateway_pb2.SignedChaincodeEventsRequest.FromString(data)
        return self._signed(signed, gateway_pb2.ChaincodeEventsRequest.FromString(signed.request))

    def _signed(self, signed: Any, request: Any) -> Any:
        signer = self._signer(request.identity)
        request.identity = signer.serialized
        signed.request = request.SerializeToString()
        signed.signature = sign(signer.key, signed.request)
        return signed

    def _deliver(self, data: bytes) -> Any:
        return self._seek(common_pb2.Envelope.FromString(data))

    _deliverfiltered = _deliver

    def _seek(self, old: common_pb2.Envelope) -> common_pb2.Envelope:
        """The same envelope by a fresh signer, now."""
        payload = common_pb2.Payload.FromString(old.payload)
        header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        signature = common_pb2.SignatureHeader.FromString(payload.header.signature_header)
        signer = self._signer(signature.creator)
        recorded = (signature.creator, old.signature, old.payload)
        signature.creator, signature.nonce = signer.serialized, secrets.token_bytes(24)
        header.timestamp.CopyFrom(wire.timestamp(self._network.clock_ms()))
        header.tx_id = proposal.transaction_id(signature.nonce, signature.creator)
        payload.header.channel_header = header.SerializeToString()
        payload.header.signature_header = signature.SerializeToString()
        data = payload.SerializeToString()
        return common_pb2.Envelope(payload=data, signature=_spoilt(sign(signer.key, data), *recorded))

    # Identities and faults.

    def _signer(self, recorded: bytes) -> Signer:
        """For each recorded identity one of ours: enrolled, signed by itself, or of a stranger's CA."""
        if recorded not in self._signers:
            creator = identity.parse(recorded)
            msp = channel_config().msps.get(creator.mspid)
            try:
                roles = msp.validate(creator).roles if msp else None
            except ZoneshareError:
                roles = None
            if roles is None:
                self._signers[recorded] = _stranger(creator.mspid)
            else:
                role = Role.ADMIN if "admin" in roles else Role.CLIENT
                self._signers[recorded] = enrol(self._network, creator.mspid, role=role)
        return self._signers[recorded]


def _spoilt(good: bytes, creator: bytes, signature: bytes, message: bytes) -> bytes:
    """Our ``good`` signature, with the fault that the recorded one over ``message`` has, if any."""
    if not signature:
        return b""
    try:
        signatures.verify(identity.certificate(identity.parse(creator).certificate), signature, message)
    except BadSignature as fault:
        if "half the order" not in fault.message:
            return sign(new_key(), message)
        r, s = decode_dss_signature(good)
        return encode_dss_signature(r, _ORDER - s)
    return good


def _stranger(mspid: str) -> Signer:
    now, key = datetime.now(UTC), new_key()
    certificate = Authority.create("ca", mspid, now).enrol(key.public_key(), "stranger", Role.CLIENT, now)
    return Signer(Creator(mspid, certificate), key)


def _rename(proposed: proposal_pb2.Proposal, tx_id: str) -> None:
    header = common_pb2.Header.FromString(proposed.header)
    channel = common_pb2.ChannelHeader.FromString(header.channel_header)
    channel.tx_id = tx_id
    header.channel_header = channel.SerializeToString()
    proposed.header = header.SerializeToString()


def _tx_id(payload: bytes) -> str:
    header = common_pb2.Payload.FromString(payload).header
    return str(common_pb2.ChannelHeader.FromString(header.channel_header).tx_id)


def _refused(error: Any) -> Answer:
    trailing = dict(error.trailing_metadata() or ())
    details = trailing.get("grpc-status-details-bin", b"")
    return Answer((), error.code().name, error.details(), details)


@contextmanager
def _channels(found: Replay) -> Iterator[dict[str, grpc.Channel]]:
    channels = {}
    for mspid, address in found.addresses.items():
        root = (found.network.folder / "orgs" / mspid / "tlsca" / "cert.pem").read_bytes()
        channels[mspid] = grpc.secure_channel(address, grpc.ssl_channel_credentials(root))
    try:
        yield channels
    finally:
        for channel in channels.values():
            channel.close()
