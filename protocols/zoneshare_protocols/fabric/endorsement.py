"""Endorsements: what a peer signs of a simulated proposal."""

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.peer import chaincode_event_pb2, chaincode_pb2, proposal_pb2, proposal_response_pb2

from zoneshare_protocols.errors import NotAllowed
from zoneshare_protocols.fabric import identity, rwset, signatures, wire
from zoneshare_protocols.fabric.msp import Identity, Msp
from zoneshare_protocols.fabric.rwset import ReadWriteSet
from zoneshare_protocols.stub import Response

FIRST_ERROR = 400
"""Status from which on a chaincode's response is an error: peers do not endorse it."""


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
    event = b""
    if action.event is not None:
        event = wire.write(
            chaincode_event_pb2.ChaincodeEvent(
                chaincode_id=action.event.chaincode,
                tx_id=action.event.tx_id,
                event_name=action.event.name,
                payload=action.event.payload,
            )
        )
    inner = proposal_pb2.ChaincodeAction(
        results=rwset.encode(action.results),
        events=event,
        response=_write_response(action.response),
        chaincode_id=chaincode_pb2.ChaincodeID(name=action.chaincode, version=action.version),
    )
    return wire.write(
        proposal_response_pb2.ProposalResponsePayload(proposal_hash=action.proposal_hash, extension=wire.write(inner))
    )


def decode_action(payload: bytes) -> Action:
    """Raises Malformed."""
    outer = wire.read(proposal_response_pb2.ProposalResponsePayload, payload)
    inner = wire.read(proposal_pb2.ChaincodeAction, outer.extension)
    event = None
    if inner.events:
        found = wire.read(chaincode_event_pb2.ChaincodeEvent, inner.events)
        event = Event(found.chaincode_id, found.tx_id, found.event_name, found.payload)
    response = inner.response
    return Action(
        proposal_hash=outer.proposal_hash,
        chaincode=inner.chaincode_id.name,
        version=inner.chaincode_id.version,
        results=rwset.decode(inner.results),
        event=event,
        response=Response(response.status, response.message, response.payload),
    )


def endorse(action: Action, endorser: bytes, key: ec.EllipticCurvePrivateKey) -> proposal_response_pb2.ProposalResponse:
    """A ProposalResponse with the endorsement; ``endorser`` is a SerializedIdentity.

    Where the chaincode's status is 400 or above there is no endorsement, only the response, as a peer answers.
    """
    answer = proposal_response_pb2.ProposalResponse(
        response=_write_response(action.response), payload=encode_action(action)
    )
    if action.response.status < FIRST_ERROR:
        answer.version = 1
        answer.endorsement.endorser = endorser
        answer.endorsement.signature = signatures.sign(key, answer.payload + endorser)
    return answer


def verify_endorsement(
    payload: bytes, endorser: bytes, signature: bytes, msps: Mapping[str, Msp], at_ms: int | None = None
) -> Identity:
    """The endorser whose signature over ``payload`` this is. Raises Malformed, NotAllowed, BadSignature."""
    creator = identity.parse(endorser)
    if creator.mspid not in msps:
        raise NotAllowed(f"MSP {creator.mspid} is unknown")
    found = msps[creator.mspid].validate(creator, at_ms)
    found.verify(signature, payload + endorser)
    return found


def _write_response(response: Response) -> proposal_response_pb2.Response:
    return proposal_response_pb2.Response(status=response.status, message=response.message, payload=response.payload)
