"""Chaincode proposals: what a client signs and a peer's endorser checks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.peer import proposal_pb2

from zoneshare_protocols.fabric.msp import Identity, Msp
from zoneshare_protocols.stub import Creator


@dataclass(frozen=True)
class ChaincodeCall:
    """A proposal taken apart. The three byte fields are exactly as the client made them."""

    channel_header: bytes
    signature_header: bytes
    payload: bytes
    """ChaincodeProposalPayload, transient data included."""
    channel: str
    tx_id: str
    timestamp_ms: int
    creator: Creator
    nonce: bytes
    chaincode: str
    args: tuple[bytes, ...]
    transient: Mapping[str, bytes]

    @property
    def hash(self) -> bytes:
        """The proposal hash that stands in the payload the endorsers sign."""
        raise NotImplementedError


def transaction_id(nonce: bytes, creator: bytes) -> str:
    """SHA-256 of nonce and creator (SerializedIdentity): 64 hex digits."""
    raise NotImplementedError


def build(
    channel: str,
    chaincode: str,
    args: Sequence[bytes],
    *,
    creator: bytes,
    nonce: bytes,
    timestamp_ms: int,
    transient: Mapping[str, bytes] | None = None,
) -> tuple[proposal_pb2.Proposal, str]:
    """The peer.Proposal and its transaction id. ``args[0]`` is the function; ``creator`` a SerializedIdentity."""
    raise NotImplementedError


def sign(proposal: proposal_pb2.Proposal, key: ec.EllipticCurvePrivateKey) -> proposal_pb2.SignedProposal:
    raise NotImplementedError


def parse(proposal: bytes) -> ChaincodeCall:
    """From the bytes of a peer.Proposal. Raises Malformed; checks form, types and that the chaincode's names agree."""
    raise NotImplementedError


def check(
    signed: proposal_pb2.SignedProposal, msps: Mapping[str, Msp], at_ms: int | None = None
) -> tuple[ChaincodeCall, Identity]:
    """What an endorser checks before it simulates: form, transaction id, the creator's identity and its signature.

    Raises Malformed, NotAllowed, BadSignature whose ``message`` is Fabric's own ("access denied: channel [c] creator
    org [o]"); ``values["reason"]`` says more. With ``at_ms`` an expired creator is refused too. That the transaction id
    is not yet on the ledger, and that the creator satisfies the channel's writers, is for the peer to check.
    """
    raise NotImplementedError


def without_transient(payload: bytes) -> bytes:
    """The ChaincodeProposalPayload without its transient data, as it is hashed and goes into the transaction."""
    raise NotImplementedError


def proposal_hash(channel_header: bytes, signature_header: bytes, payload: bytes) -> bytes:
    """SHA-256 of the three; ``payload`` is the ChaincodeProposalPayload without transient data. 32 bytes."""
    raise NotImplementedError
