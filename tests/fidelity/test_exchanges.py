"""Every signed request of the recordings parses and verifies, or is refused for the reason the real peer gave."""

import base64

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2

from tests.fidelity.recordings import Exchange, channel_config, exchanges
from zoneshare_protocols.errors import BadProof, BadSignature, NotAllowed, ZoneshareError
from zoneshare_protocols.fabric import endorsed_query, endorsement, identity, proposal, transaction
from zoneshare_protocols.fabric.flags import InvalidTransaction
from zoneshare_protocols.fabric.policy import parse_policy
from zoneshare_protocols.sharing.records import EndorsedQuery, Trust

REFUSED = {
    "tampered-proposal": BadSignature,
    "empty-signature": BadSignature,
    "high-s-signature": BadSignature,
    "self-signed-certificate": NotAllowed,
    "self-signed-certificate-endorse": NotAllowed,
    "unknown-msp": NotAllowed,
    "unknown-msp-endorse": NotAllowed,
    "wrong-transaction-id": ZoneshareError,
}
"""By an endorser, before it simulates."""
NO_PROPOSAL = "no-proposal"
BAD_ENVELOPES = {"tampered-envelope/submit", "unsigned-envelope/submit", "broadcast-bad-signature"}
FOREIGN = "deliver-foreign-identity"
OTHER_CHANNEL = {"broadcast-unknown-channel", "deliver-unknown-channel"}
GARBAGE = "broadcast-garbage"
AT = 1_795_300_000_000
"""A moment (ms) within the recorded certificates' validity."""


def _cases(*methods: str) -> list[str]:
    return [one.case for one in exchanges().values() if one.method in methods]


def _proposal(one: Exchange) -> proposal_pb2.SignedProposal:
    if one.method == "Endorse":
        return gateway_pb2.EndorseRequest.FromString(one.request).proposed_transaction
    if one.method == "Evaluate":
        return gateway_pb2.EvaluateRequest.FromString(one.request).proposed_transaction
    return proposal_pb2.SignedProposal.FromString(one.request)


@pytest.mark.parametrize("case", _cases("Endorse", "Evaluate", "ProcessProposal"))
def test_proposals(case: str) -> None:
    one = exchanges()[case]
    signed = _proposal(one)
    known = channel_config().msps
    if case == NO_PROPOSAL:
        assert not signed.proposal_bytes
        return
    if case in REFUSED:
        with pytest.raises(REFUSED[case]) as refusal:
            proposal.check(signed, known, AT)
        inner = f"error validating proposal: {refusal.value.message}"
        assert inner in one.error["details"] or inner in _details(one)
        return
    call, creator = proposal.check(signed, known, AT)
    assert creator.mspid == call.creator.mspid
    rebuilt, tx_id = proposal.build(
        call.channel,
        call.chaincode,
        call.args,
        creator=call.creator_bytes,
        nonce=call.nonce,
        timestamp_ms=call.timestamp_ms,
        transient=call.transient,
    )
    again = proposal.parse(rebuilt.SerializeToString())
    assert (tx_id, again.args, again.transient) == (call.tx_id, call.args, call.transient)


def _details(one: Exchange) -> str:
    return base64.b64decode(one.error["status_details_bin"] or "").decode("latin-1")


def test_high_s_is_named_as_the_reason() -> None:
    with pytest.raises(BadSignature) as refusal:
        proposal.check(_proposal(exchanges()["high-s-signature"]), channel_config().msps)
    assert "half the order" in str(refusal.value.values["reason"])


@pytest.mark.parametrize("case", [one for one in _cases("Endorse") if exchanges()[one].responses])
def test_prepared_transactions_are_what_we_would_assemble(case: str) -> None:
    one = exchanges()[case]
    prepared = gateway_pb2.EndorseResponse.FromString(one.responses[0]).prepared_transaction
    found = transaction.parse(prepared.SerializeToString())
    responses = [
        proposal_response_pb2.ProposalResponse(
            payload=found.response_payload,
            response=proposal_response_pb2.Response(status=200),
            endorsement=proposal_response_pb2.Endorsement(endorser=endorser, signature=signature),
        )
        for endorser, signature in found.endorsements
    ]
    proposed = proposal_pb2.Proposal.FromString(_proposal(one).proposal_bytes)
    assert transaction.assemble(proposed, responses) == prepared.payload
    assert found.action.proposal_hash == proposal.parse(_proposal(one).proposal_bytes).hash
    for endorser, signature in found.endorsements:
        endorsement.verify_endorsement(found.response_payload, endorser, signature, channel_config().msps, AT)


@pytest.mark.parametrize("case", _cases("Submit", "Broadcast", "Deliver", "DeliverFiltered"))
def test_envelopes(case: str) -> None:
    one = exchanges()[case]
    envelope = common_pb2.Envelope.FromString(one.request)
    if one.method == "Submit":
        envelope = gateway_pb2.SubmitRequest.FromString(one.request).prepared_transaction
    if case == GARBAGE:
        with pytest.raises(InvalidTransaction):
            transaction.open_envelope(one.request)
        return
    payload = common_pb2.Payload.FromString(envelope.payload)
    header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    creator = identity.parse(common_pb2.SignatureHeader.FromString(payload.header.signature_header).creator)
    assert (header.channel_id == channel_config().channel) == (case not in OTHER_CHANNEL)
    msp = channel_config().msps.get(creator.mspid)
    if case == FOREIGN:
        if msp is not None:
            with pytest.raises(NotAllowed):
                msp.validate(creator)
        return
    assert msp is not None
    found = msp.validate(creator, AT)
    if case in BAD_ENVELOPES:
        with pytest.raises(BadSignature):
            found.verify(envelope.signature, envelope.payload)
    else:
        found.verify(envelope.signature, envelope.payload)


@pytest.mark.parametrize("case", _cases("CommitStatus", "ChaincodeEvents"))
def test_signed_gateway_requests(case: str) -> None:
    one = exchanges()[case]
    inner: gateway_pb2.CommitStatusRequest | gateway_pb2.ChaincodeEventsRequest
    if one.method == "CommitStatus":
        signed = gateway_pb2.SignedCommitStatusRequest.FromString(one.request)
        inner = gateway_pb2.CommitStatusRequest.FromString(signed.request)
    else:
        signed = gateway_pb2.SignedChaincodeEventsRequest.FromString(one.request)
        inner = gateway_pb2.ChaincodeEventsRequest.FromString(signed.request)
    creator = identity.parse(inner.identity)
    channel_config().msps[creator.mspid].validate(creator, AT).verify(signed.signature, signed.request)


def test_every_method_is_covered() -> None:
    tested = {
        "Endorse", "Evaluate", "ProcessProposal", "Submit", "Broadcast", "Deliver", "DeliverFiltered",
        "CommitStatus", "ChaincodeEvents",
    }  # fmt: skip
    assert {one.method for one in exchanges().values()} == tested
    assert len(exchanges()) == 100


def _proof(case: str) -> EndorsedQuery:
    one = exchanges()[case]
    proposed = proposal_pb2.Proposal.FromString(_proposal(one).proposal_bytes)
    return endorsed_query.make(proposed, [proposal_response_pb2.ProposalResponse.FromString(one.responses[0])])


def _trust() -> Trust:
    msp = channel_config().application["Org1MSP"]
    policy: bytes = parse_policy("OR('Org1MSP.peer')").SerializeToString()
    return Trust(
        "a", "zone-a", "asset", policy, ((msp.mspid, msp.roots),), revoked=(), version=1, chaincode_version="1.0"
    )


def test_a_real_peers_query_is_a_proof() -> None:
    shown = endorsed_query.verify(_proof("endorser-get"), _trust(), {"get"}, AT)
    assert (shown.function, shown.args, shown.result) == ("get", (b"color",), b"blue")


def test_a_real_peers_endorsed_write_is_none() -> None:
    with pytest.raises(BadProof, match="writes"):
        endorsed_query.verify(_proof("endorser-put"), _trust(), {"put"}, AT)
