"""Transactions: the envelope that a client makes of a proposal and its endorsements, and orders."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2

from zoneshare_protocols.errors import Malformed, RuleBroken
from zoneshare_protocols.fabric import endorsement, identity, proposal, signatures, wire
from zoneshare_protocols.fabric.endorsement import Action
from zoneshare_protocols.fabric.flags import InvalidTransaction, TxFlag
from zoneshare_protocols.stub import OK, Creator


class DivergentEndorsements(RuleBroken):
    """The endorsers came to different results."""


@dataclass(frozen=True)
class Signed:
    """An envelope whose headers were read, and nothing more."""

    type: int
    """common.HeaderType"""
    channel: str
    tx_id: str
    timestamp_ms: int
    creator: Creator
    creator_bytes: bytes
    nonce: bytes
    channel_header: bytes
    data: bytes
    payload: bytes
    """common.Payload, which the creator signed."""
    signature: bytes


@dataclass(frozen=True)
class Transaction(Signed):
    """An endorser transaction taken apart: its parts are bound to each other, its signatures not yet verified."""

    chaincode: str
    """Named in the channel header; ``action.chaincode`` is the one that was executed."""
    args: tuple[bytes, ...]
    action: Action
    response_payload: bytes
    """ProposalResponsePayload, which the endorsers signed."""
    endorsements: tuple[tuple[bytes, bytes], ...]
    """(endorser: SerializedIdentity, signature)"""


def check_equal(responses: Sequence[proposal_response_pb2.ProposalResponse]) -> None:
    """That the peers' answers can go into one transaction.

    Raises DivergentEndorsements where they differ, Malformed where there are none or one is not a success.
    """
    if not responses:
        raise Malformed("at least one proposal response is required")
    for answer in responses:
        status = answer.response.status
        if not OK <= status < endorsement.FIRST_ERROR:
            why = f"proposal response was not successful, error code {status}, msg {answer.response.message}"
            raise Malformed(why)
        if answer.payload != responses[0].payload:
            raise DivergentEndorsements("ProposalResponsePayloads do not match")
        if not answer.endorsement.signature:
            raise Malformed("a proposal response carries no endorsement")


def assemble(proposed: proposal_pb2.Proposal, responses: Sequence[proposal_response_pb2.ProposalResponse]) -> bytes:
    """The common.Payload for the creator to sign.

    Raises DivergentEndorsements where responses differ, Malformed where there are none or one is not a success.
    """
    check_equal(responses)
    header = wire.read(common_pb2.Header, proposed.header)
    endorsed = transaction_pb2.ChaincodeEndorsedAction(
        proposal_response_payload=responses[0].payload, endorsements=[answer.endorsement for answer in responses]
    )
    content = transaction_pb2.ChaincodeActionPayload(
        chaincode_proposal_payload=proposal.without_transient(proposed.payload), action=endorsed
    )
    action = transaction_pb2.TransactionAction(header=header.signature_header, payload=wire.write(content))
    data = wire.write(transaction_pb2.Transaction(actions=[action]))
    return wire.write(common_pb2.Payload(header=header, data=data))


def sign(payload: bytes, key: ec.EllipticCurvePrivateKey) -> common_pb2.Envelope:
    """What is sent to the orderer."""
    return common_pb2.Envelope(payload=payload, signature=signatures.sign(key, payload))


def open_envelope(envelope: bytes) -> Signed:
    """The headers of a common.Envelope of any type. Raises InvalidTransaction."""
    outer = _read(common_pb2.Envelope, envelope, TxFlag.INVALID_OTHER_REASON)
    payload = _read(common_pb2.Payload, outer.payload, TxFlag.BAD_PAYLOAD)
    bad = TxFlag.BAD_COMMON_HEADER
    channel = _read(common_pb2.ChannelHeader, payload.header.channel_header, bad)
    signer = _read(common_pb2.SignatureHeader, payload.header.signature_header, bad)
    known = (common_pb2.ENDORSER_TRANSACTION, common_pb2.CONFIG, common_pb2.CONFIG_UPDATE)
    if channel.type not in known:
        raise InvalidTransaction(f"invalid header type {channel.type}", bad)
    if channel.epoch != 0:
        raise InvalidTransaction(f"invalid Epoch in ChannelHeader. Expected 0, got [{channel.epoch}]", bad)
    if not signer.nonce or not signer.creator:
        raise InvalidTransaction("invalid nonce or creator specified in the header", bad)
    try:
        creator = identity.parse(signer.creator)
    except Malformed as cause:
        raise InvalidTransaction(cause.message, TxFlag.BAD_CREATOR_SIGNATURE) from cause
    return Signed(
        type=channel.type,
        channel=channel.channel_id,
        tx_id=channel.tx_id,
        timestamp_ms=wire.millis(channel.timestamp),
        creator=creator,
        creator_bytes=signer.creator,
        nonce=signer.nonce,
        channel_header=payload.header.channel_header,
        data=payload.data,
        payload=outer.payload,
        signature=outer.signature,
    )


def read_action(signed: Signed) -> Transaction:
    """The endorser transaction inside. Raises InvalidTransaction; binds proposal, results and endorsements."""
    bad = TxFlag.INVALID_ENDORSER_TRANSACTION
    if signed.type != common_pb2.ENDORSER_TRANSACTION:
        raise InvalidTransaction("not an endorser transaction", TxFlag.UNSUPPORTED_TX_PAYLOAD)
    actions = _read(transaction_pb2.Transaction, signed.data, bad).actions
    if len(actions) != 1:
        raise InvalidTransaction(f"only one action per transaction is supported, tx contains {len(actions)}", bad)
    content = _read(transaction_pb2.ChaincodeActionPayload, actions[0].payload, bad)
    response_payload: bytes = content.action.proposal_response_payload
    try:
        call = proposal.call(signed.channel_header, actions[0].header, content.chaincode_proposal_payload)
    except Malformed as cause:
        raise InvalidTransaction(cause.message, bad) from cause
    bound = proposal.proposal_hash(signed.channel_header, actions[0].header, content.chaincode_proposal_payload)
    try:
        action = endorsement.decode_action(response_payload)
    except Malformed as cause:
        raise InvalidTransaction(cause.message, TxFlag.BAD_RESPONSE_PAYLOAD) from cause
    if bound != action.proposal_hash:
        raise InvalidTransaction("proposal hash does not match", bad)
    return Transaction(
        **vars(signed),
        chaincode=call.chaincode,
        args=call.args,
        action=action,
        response_payload=response_payload,
        endorsements=tuple((one.endorser, one.signature) for one in content.action.endorsements),
    )


def parse(envelope: bytes) -> Transaction:
    """From the bytes of a common.Envelope. Raises InvalidTransaction (a Malformed) with the peer's flag for it."""
    return read_action(open_envelope(envelope))


def _read(kind: Any, data: bytes, flag: TxFlag) -> Any:
    try:
        return wire.read(kind, data)
    except Malformed as cause:
        raise InvalidTransaction(cause.message, flag) from cause
