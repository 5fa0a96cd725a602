"""From what a gateway answers when it does not do as asked to the typed error for it."""

import re

from zoneshare.ledger import Conflict, LedgerUnavailable, Refused
from zoneshare.transport import TransportFailure
from zoneshare_protocols.errors import ZoneshareError, from_wire

VALID = "VALID"
CONFLICTS = frozenset({"MVCC_READ_CONFLICT", "PHANTOM_READ_CONFLICT"})
UNCLEAR = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN", "INTERNAL"})
"""After these a transaction that was sent to be ordered may be on the ledger or not."""
_TRY_AGAIN = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"})
_CHAINCODE = re.compile(r"chaincode response (\d+), (.*)", re.DOTALL)
_AWAY = re.compile(r"could not launch chaincode .*connection to|chaincode stream terminated", re.DOTALL)
"""The peer cannot reach the chaincode, which may be starting again."""
_DIVERGENT = "ProposalResponsePayloads do not match"
_NO_CHANNEL = "failed to get config for channel"
_TOO_LARGE = "larger than max"

_NOBODY = re.compile(r"^failed to connect to all addresses.*ipv[46]:(\S+?): Failed to connect", re.DOTALL)
_STRANGER = re.compile(r"^failed to connect to all addresses.*ipv[46]:(\S+?): .*CERTIFICATE_VERIFY_FAILED", re.DOTALL)


def refusal(failure: TransportFailure) -> ZoneshareError:
    """The error for a call that failed before anything was ordered.

    A contract's own error comes back whole. Divergent endorsements are a Conflict: endorsers at different heights
    read different states.
    """
    texts = (*failure.details, failure.message)
    for text in texts:
        contract = from_wire(text)
        if contract is not None:
            return contract
    for text in texts:
        found = _known(text, failure.code)
        if found is not None:
            return found
    text = texts[0] or "no reason given"
    busy = failure.code == "RESOURCE_EXHAUSTED" and _TOO_LARGE not in text
    if busy or failure.code in _TRY_AGAIN:
        return LedgerUnavailable(_no_answer(text), code=failure.code)
    return Refused(text, code=failure.code)


def _no_answer(text: str) -> str:
    if nobody := _NOBODY.match(text):
        return f"nobody listens at {nobody.group(1)}: is the network running?"
    if stranger := _STRANGER.match(text):
        return f"who listens at {stranger.group(1)} is not of this network: its CA did not make that certificate"
    return f"no answer: {text}"


def _known(text: str, code: str) -> ZoneshareError | None:
    """The error for what a peer is known to say."""
    if _AWAY.search(text):
        return LedgerUnavailable(f"the chaincode is away: {text}", code=code)
    answer = _CHAINCODE.search(text)
    if answer is not None:
        return Refused(f"the chaincode refused: {answer.group(2)}", code=code, status=int(answer.group(1)))
    if _DIVERGENT in text:
        return Conflict("the endorsers came to different results", code=code)
    return Refused(text, code=code) if _NO_CHANNEL in text else None


def invalid(code: str, tx_id: str) -> ZoneshareError:
    """The error for a transaction that its block found invalid, with Fabric's validation code."""
    if code in CONFLICTS:
        return Conflict("another transaction was first", code=code, tx_id=tx_id)
    return Refused("the network found the transaction invalid", code=code, tx_id=tx_id)
