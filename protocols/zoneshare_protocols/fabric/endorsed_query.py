"""An evaluated query with its endorsers' signatures: what one zone shows another (docs/sharing.md: a proof counts)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2

from zoneshare_protocols.errors import BadProof, BadSignature, Malformed, NotAllowed
from zoneshare_protocols.fabric import endorsement, proposal, transaction, wire
from zoneshare_protocols.fabric.msp import Identity, Msp, Role
from zoneshare_protocols.fabric.policy import SignaturePolicy
from zoneshare_protocols.sharing.records import EndorsedQuery, Trust
from zoneshare_protocols.stub import OK

MOST_ENDORSEMENTS = 64
"""More than any policy needs; bounds the work that a forged proof can cause."""


@dataclass(frozen=True)
class VerifiedQuery:
    """What the proof shows: this function, called with these arguments, gave this result."""

    function: str
    args: tuple[bytes, ...]
    """Without the function's name."""
    result: bytes
    timestamp_ms: int
    """Of the query, which its client chose: no evidence of when it was made."""
    tx_id: str


def make(proposed: proposal_pb2.Proposal, responses: Sequence[proposal_response_pb2.ProposalResponse]) -> EndorsedQuery:
    """From a proposal and the peers' answers to it, transient data removed.

    Raises DivergentEndorsements where they differ, Malformed where there are none or one is not a success.
    """
    transaction.check_equal(responses)
    header = wire.read(common_pb2.Header, proposed.header)
    return EndorsedQuery(
        channel_header=header.channel_header,
        signature_header=header.signature_header,
        proposal_payload=proposal.without_transient(proposed.payload),
        response_payload=responses[0].payload,
        endorsements=tuple((one.endorsement.endorser, one.endorsement.signature) for one in responses),
    )


def verify(query: EndorsedQuery, trust: Trust, functions: Collection[str], at_ms: int) -> VerifiedQuery:
    """What the query proves to who holds ``trust``, at ``at_ms`` (the checking transaction's time, in milliseconds).

    ``functions`` are those whose answer can be a proof. Raises BadProof, with the reason, for anything else.
    """
    try:
        call = proposal.call(query.channel_header, query.signature_header, query.proposal_payload)
        action = endorsement.decode_action(query.response_payload)
    except Malformed as cause:
        raise BadProof(f"the endorsed query cannot be read: {cause}") from cause
    _check_call(call, trust, functions)
    _check_action(action, call, query, trust)
    _check_endorsers(query, trust, at_ms)
    return VerifiedQuery(call.args[0].decode(), call.args[1:], action.response.payload, call.timestamp_ms, call.tx_id)


def _check_call(call: proposal.ChaincodeCall, trust: Trust, functions: Collection[str]) -> None:
    if call.channel != trust.fabric_channel:
        raise BadProof("the query was made on another channel", channel=call.channel, trusted=trust.fabric_channel)
    if call.chaincode != trust.chaincode:
        raise BadProof("another chaincode was asked", chaincode=call.chaincode, trusted=trust.chaincode)
    if call.transient:
        raise BadProof("the query carries transient data")
    if not call.args or call.args[0] not in {name.encode() for name in functions}:
        raise BadProof("the function is not one whose answer proves anything", functions=", ".join(sorted(functions)))


def _check_action(action: endorsement.Action, call: proposal.ChaincodeCall, query: EndorsedQuery, trust: Trust) -> None:
    bound = proposal.proposal_hash(query.channel_header, query.signature_header, query.proposal_payload)
    if action.proposal_hash != bound:
        raise BadProof("the answer belongs to another proposal: the proposal hash differs")
    if action.chaincode != call.chaincode:
        raise BadProof("another chaincode answered", chaincode=action.chaincode, trusted=trust.chaincode)
    if trust.chaincode_version and action.version != trust.chaincode_version:
        raise BadProof(
            "another version of the chaincode answered", answered=action.version, trusted=trust.chaincode_version
        )
    if action.response.status != OK:
        raise BadProof("the query did not succeed", status=action.response.status)
    if any(space.writes or space.other for space in action.results.namespaces):
        raise BadProof("the transaction writes: endorsed, but perhaps never ordered, it proves nothing")


def _check_endorsers(query: EndorsedQuery, trust: Trust, at_ms: int) -> None:
    if len(query.endorsements) > MOST_ENDORSEMENTS:
        raise BadProof("too many endorsements", count=len(query.endorsements), limit=MOST_ENDORSEMENTS)
    msps = _msps(trust.roots, trust.revoked)
    endorsers: list[Identity] = []
    for endorser, signature in query.endorsements:
        try:
            found = endorsement.verify_endorsement(query.response_payload, endorser, signature, msps, at_ms)
        except (BadSignature, NotAllowed, Malformed) as cause:
            raise BadProof(f"an endorsement does not count: {cause}") from cause
        if Role.PEER not in found.roles:
            raise BadProof("an endorser is not a peer", mspid=found.mspid)
        endorsers.append(found)
    try:
        satisfied = SignaturePolicy(trust.policy).satisfied_by(endorsers)
    except Malformed as cause:
        raise BadProof(f"the trusted policy cannot be read: {cause}") from cause
    if not satisfied or not endorsers:
        raise BadProof("the endorsers do not satisfy the endorsement policy", endorsements=len(endorsers))


@lru_cache(maxsize=64)
def _msps(roots: tuple[tuple[str, tuple[bytes, ...]], ...], revoked: tuple[bytes, ...]) -> Mapping[str, Msp]:
    return {mspid: Msp(mspid, roots=certificates, crls=revoked) for mspid, certificates in roots}
