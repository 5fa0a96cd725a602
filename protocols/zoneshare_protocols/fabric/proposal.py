"""Chaincode proposals: what a client signs and a peer's endorser checks."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2

from zoneshare_protocols.errors import BadSignature, Malformed, NotAllowed
from zoneshare_protocols.fabric import identity, signatures, wire
from zoneshare_protocols.fabric.chain import UnknownAuthority
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
    creator_bytes: bytes
    nonce: bytes
    chaincode: str
    args: tuple[bytes, ...]
    transient: Mapping[str, bytes]

    @property
    def hash(self) -> bytes:
        """The proposal hash that stands in the payload the endorsers sign."""
        return proposal_hash(self.channel_header, self.signature_header, without_transient(self.payload))


def transaction_id(nonce: bytes, creator: bytes) -> str:
    """SHA-256 of nonce and creator (SerializedIdentity): 64 hex digits."""
    return hashlib.sha256(nonce + creator).hexdigest()


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
    tx_id = transaction_id(nonce, creator)
    name = chaincode_pb2.ChaincodeID(name=chaincode)
    channel_header = common_pb2.ChannelHeader(
        type=common_pb2.ENDORSER_TRANSACTION,
        timestamp=wire.timestamp(timestamp_ms),
        channel_id=channel,
        tx_id=tx_id,
        extension=wire.write(proposal_pb2.ChaincodeHeaderExtension(chaincode_id=name)),
    )
    signature_header = common_pb2.SignatureHeader(creator=creator, nonce=nonce)
    header = common_pb2.Header(channel_header=wire.write(channel_header), signature_header=wire.write(signature_header))
    spec = chaincode_pb2.ChaincodeSpec(
        type=chaincode_pb2.ChaincodeSpec.GOLANG,
        chaincode_id=name,
        input=chaincode_pb2.ChaincodeInput(args=args),
    )
    payload = proposal_pb2.ChaincodeProposalPayload(
        input=wire.write(chaincode_pb2.ChaincodeInvocationSpec(chaincode_spec=spec)), TransientMap=transient
    )
    return proposal_pb2.Proposal(header=wire.write(header), payload=wire.write(payload)), tx_id


def sign(proposal: proposal_pb2.Proposal, key: ec.EllipticCurvePrivateKey) -> proposal_pb2.SignedProposal:
    """What is sent to a peer."""
    data = wire.write(proposal)
    return proposal_pb2.SignedProposal(proposal_bytes=data, signature=signatures.sign(key, data))


def parse(proposal: bytes) -> ChaincodeCall:
    """From the bytes of a peer.Proposal. Raises Malformed; checks form, types and that the chaincode's names agree."""
    message = wire.read(proposal_pb2.Proposal, proposal)
    header = wire.read(common_pb2.Header, message.header)
    return call(header.channel_header, header.signature_header, message.payload)


def call(channel_header: bytes, signature_header: bytes, payload: bytes) -> ChaincodeCall:
    """As :func:`parse`, from the parts."""
    channel = wire.read(common_pb2.ChannelHeader, channel_header)
    signer = wire.read(common_pb2.SignatureHeader, signature_header)
    if channel.type != common_pb2.ENDORSER_TRANSACTION:
        raise Malformed(f"invalid header type {channel.type}")
    if channel.epoch != 0:
        raise Malformed("epoch is non-zero")
    named = wire.read(proposal_pb2.ChaincodeHeaderExtension, channel.extension).chaincode_id.name
    if not named:
        raise Malformed("ChaincodeHeaderExtension.ChaincodeId.Name is empty")
    content = wire.read(proposal_pb2.ChaincodeProposalPayload, payload)
    spec = wire.read(chaincode_pb2.ChaincodeInvocationSpec, content.input).chaincode_spec
    if spec.chaincode_id.name not in ("", named):
        raise Malformed(f"inconsistent chaincode names {named} and {spec.chaincode_id.name}")
    if not spec.HasField("input"):
        raise Malformed("chaincode input did not contain any input")
    if not signer.nonce:
        raise Malformed("nonce is empty")
    if not signer.creator:
        raise Malformed("creator is empty")
    return ChaincodeCall(
        channel_header=channel_header,
        signature_header=signature_header,
        payload=payload,
        channel=channel.channel_id,
        tx_id=channel.tx_id,
        timestamp_ms=wire.millis(channel.timestamp),
        creator=identity.parse(signer.creator),
        creator_bytes=signer.creator,
        nonce=signer.nonce,
        chaincode=named,
        args=tuple(spec.input.args),
        transient=dict(content.TransientMap),
    )


def check(
    signed: proposal_pb2.SignedProposal, msps: Mapping[str, Msp], at_ms: int | None = None
) -> tuple[ChaincodeCall, Identity]:
    """What an endorser checks before it simulates: form, transaction id, the creator's identity and its signature.

    Raises Malformed, NotAllowed, BadSignature whose ``message`` is Fabric's own ("access denied: channel [c] creator
    org [o]"); ``values["reason"]`` says more. With ``at_ms`` an expired creator is refused too. That the transaction id
    is not yet on the ledger, and that the creator satisfies the channel's writers, is for the peer to check.
    """
    found = parse(signed.proposal_bytes)
    expected = transaction_id(found.nonce, found.creator_bytes)
    if found.tx_id != expected:
        raise Malformed(f"incorrectly computed txid '{found.tx_id}' -- expected '{expected}'")
    if not signed.signature:
        raise BadSignature("empty signature bytes")
    denied = f"access denied: channel [{found.channel}] creator org "
    msp = msps.get(found.creator.mspid)
    if msp is None:
        raise NotAllowed(f"{denied}unknown, creator is malformed", reason=f"MSP {found.creator.mspid} is unknown")
    try:
        creator = msp.validate(found.creator, at_ms)
        creator.verify(signed.signature, signed.proposal_bytes)
    except BadSignature as cause:
        raise BadSignature(f"{denied}[{msp.mspid}]", reason=str(cause)) from cause
    except (Malformed, UnknownAuthority) as cause:
        raise NotAllowed(f"{denied}unknown, creator is malformed", reason=str(cause)) from cause
    except NotAllowed as cause:
        raise NotAllowed(f"{denied}[{msp.mspid}]", reason=str(cause)) from cause
    return found, creator


def without_transient(payload: bytes) -> bytes:
    """The ChaincodeProposalPayload without its transient data, as it is hashed and goes into the transaction."""
    content = wire.read(proposal_pb2.ChaincodeProposalPayload, payload)
    return wire.write(proposal_pb2.ChaincodeProposalPayload(input=content.input))


def proposal_hash(channel_header: bytes, signature_header: bytes, payload: bytes) -> bytes:
    """SHA-256 of the three; ``payload`` is the ChaincodeProposalPayload without transient data. 32 bytes."""
    return hashlib.sha256(channel_header + signature_header + payload).digest()
