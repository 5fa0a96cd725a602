"""What a peer's TRANSACTION or INIT message asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2
from google.protobuf.message import DecodeError

from zoneshare_protocols.errors import Malformed
from zoneshare_protocols.fabric.identity import parse
from zoneshare_protocols.stub import Creator


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of the chaincode; creator, timestamp and transient data are those of the signed proposal."""

    channel_id: str
    tx_id: str
    args: tuple[bytes, ...]
    creator: Creator
    timestamp_ms: int
    transient: Mapping[str, bytes]


def read(message: Any) -> Invocation:
    """From a peer.ChaincodeMessage. Raises Malformed, naming the part that cannot be read."""
    arguments = _parse(chaincode_pb2.ChaincodeInput, message.payload, "input")
    if not message.HasField("proposal"):
        raise Malformed("the transaction has no signed proposal")
    proposal = _parse(proposal_pb2.Proposal, message.proposal.proposal_bytes, "proposal")
    header = _parse(common_pb2.Header, proposal.header, "proposal's header")
    channel_header = _parse(common_pb2.ChannelHeader, header.channel_header, "channel header")
    signature_header = _parse(common_pb2.SignatureHeader, header.signature_header, "signature header")
    payload = _parse(proposal_pb2.ChaincodeProposalPayload, proposal.payload, "proposal's payload")
    if channel_header.type != common_pb2.ENDORSER_TRANSACTION:
        raise Malformed("the proposal is no endorser transaction", type=channel_header.type)
    return Invocation(
        channel_id=message.channel_id,
        tx_id=message.txid,
        args=tuple(arguments.args),
        creator=parse(signature_header.creator),
        timestamp_ms=channel_header.timestamp.seconds * 1000 + channel_header.timestamp.nanos // 1_000_000,
        transient=dict(payload.TransientMap),
    )


def _parse(kind: Any, data: bytes, what: str) -> Any:
    try:
        return kind.FromString(data)
    except DecodeError as cause:
        raise Malformed(f"cannot read the {what}") from cause
