"""What a peer's TRANSACTION or INIT message asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fabric_protos.peer import chaincode_pb2

from zoneshare_protocols.errors import Malformed
from zoneshare_protocols.fabric import proposal, wire
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
    arguments = wire.read(chaincode_pb2.ChaincodeInput, message.payload).args
    if not message.HasField("proposal"):
        raise Malformed("the transaction has no signed proposal")
    call = proposal.parse(message.proposal.proposal_bytes)
    # Channel and transaction are the message's: a chaincode that another one calls may be on another channel.
    return Invocation(
        message.channel_id, message.txid, tuple(arguments), call.creator, call.timestamp_ms, call.transient
    )
