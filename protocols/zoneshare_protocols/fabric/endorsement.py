"""Endorsements: what a peer signs of a simulated proposal."""

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.peer import proposal_response_pb2

from zoneshare_protocols.fabric.msp import Identity, Msp
from zoneshare_protocols.fabric.rwset import ReadWriteSet
from zoneshare_protocols.stub import Response


@dataclass(frozen=True)
class Event:
    """A chaincode event."""

    chaincode: str
    tx_id: str
    name: str
    payload: bytes


@dataclass(frozen=True)
class Action:
    """What a simulation came to: the ProposalResponsePayload and the ChaincodeAction inside it."""

    proposal_hash: bytes
    chaincode: str
    version: str
    """Of the chaincode."""
    results: ReadWriteSet
    event: Event | None
    response: Response


def encode_action(action: Action) -> bytes:
    """The ProposalResponsePayload: deterministic, so that honest endorsers sign equal bytes."""
    raise NotImplementedError


def decode_action(payload: bytes) -> Action:
    """Raises Malformed."""
    raise NotImplementedError


def endorse(
    action: Action, endorser: bytes, key: ec.EllipticCurvePrivateKey, timestamp_ms: int
) -> proposal_response_pb2.ProposalResponse:
    """A ProposalResponse with the endorsement; ``endorser`` is a SerializedIdentity.

    Where the chaincode's status is 400 or above there is no endorsement, only the response, as a peer answers.
    """
    raise NotImplementedError


def verify_endorsement(
    payload: bytes, endorser: bytes, signature: bytes, msps: Mapping[str, Msp], at_ms: int | None = None
) -> Identity:
    """The endorser whose signature over ``payload`` this is. Raises Malformed, NotAllowed, BadSignature."""
    raise NotImplementedError
