"""An evaluated query with its endorsers' signatures: what one zone shows another (docs/sharing.md: a proof counts)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from fabric_protos.peer import proposal_pb2, proposal_response_pb2

from zoneshare_protocols.sharing.records import EndorsedQuery, Trust


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


def make(proposal: proposal_pb2.Proposal, responses: Sequence[proposal_response_pb2.ProposalResponse]) -> EndorsedQuery:
    """From a proposal and the peers' answers to it, transient data removed.

    Raises DivergentEndorsements where they differ, Malformed where there are none or one is not a success.
    """
    raise NotImplementedError


def verify(query: EndorsedQuery, trust: Trust, functions: Collection[str], at_ms: int) -> VerifiedQuery:
    """What the query proves to who holds ``trust``, at ``at_ms`` (the checking transaction's time, in milliseconds).

    ``functions`` are those whose answer can be a proof. Raises BadProof, with the reason, for anything else.
    """
    raise NotImplementedError
