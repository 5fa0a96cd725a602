"""Transactions: the envelope that a client makes of a proposal and its endorsements, and orders."""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2

from zoneshare_protocols.errors import RuleBroken
from zoneshare_protocols.fabric.endorsement import Action
from zoneshare_protocols.stub import Creator


class DivergentEndorsements(RuleBroken):
    """The endorsers came to different results."""


@dataclass(frozen=True)
class Transaction:
    """An endorser transaction taken apart; nothing is verified beyond its form."""

    channel: str
    tx_id: str
    timestamp_ms: int
    creator: Creator
    creator_bytes: bytes
    nonce: bytes
    chaincode: str
    """Named in the channel header; ``action.chaincode`` is the one that was executed."""
    args: tuple[bytes, ...]
    proposal_hash: bytes
    """Of the headers and the proposal's payload in the envelope; must equal ``action.proposal_hash``."""
    action: Action
    response_payload: bytes
    """ProposalResponsePayload, which the endorsers signed."""
    endorsements: tuple[tuple[bytes, bytes], ...]
    """(endorser: SerializedIdentity, signature)"""
    payload: bytes
    """common.Payload, which the creator signed."""
    signature: bytes


def assemble(proposal: proposal_pb2.Proposal, responses: Sequence[proposal_response_pb2.ProposalResponse]) -> bytes:
    """The common.Payload for the creator to sign.

    Raises DivergentEndorsements where responses differ, Malformed where there are none or one is not a success.
    """
    raise NotImplementedError


def sign(payload: bytes, key: ec.EllipticCurvePrivateKey) -> common_pb2.Envelope:
    raise NotImplementedError


def parse(envelope: bytes) -> Transaction:
    """From the bytes of a common.Envelope. Raises Malformed (also where it is not an endorser transaction)."""
    raise NotImplementedError
