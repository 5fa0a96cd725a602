"""The Ledger port over Fabric's Gateway service, whatever transport carries its messages."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_pb2, transaction_pb2
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random_exponential,
)

from zoneshare.events import GatewayEvents
from zoneshare.identity import Identity
from zoneshare.ledger import BadAnswer, Committed, CommitUnknown, Conflict
from zoneshare.refusals import UNCLEAR, VALID, invalid, refusal
from zoneshare.transport import Transport, TransportFailure
from zoneshare_protocols.errors import NotFound, RuleBroken
from zoneshare_protocols.fabric import proposal as proposals
from zoneshare_protocols.fabric import transaction as transactions
from zoneshare_protocols.fabric.endorsement import verify_endorsement
from zoneshare_protocols.fabric.msp import Msp
from zoneshare_protocols.sharing.records import EndorsedQuery

CHAINCODE = "zoneshare"
NONCE_SIZE = 24
FAILURE_STATUS = 400

R = TypeVar("R")


def now_ms() -> int:
    """This machine's time, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def new_nonce() -> bytes:
    return os.urandom(NONCE_SIZE)


@dataclass(frozen=True)
class Deadlines:
    """How long each call may take, in seconds."""

    evaluate: float = 15.0
    endorse: float = 30.0
    submit: float = 15.0
    commit: float = 60.0
    """From an accepted submit to the verdict of its block."""
    inquiry: float = 5.0
    """Asking about a transaction whose submit had no clear answer."""


@dataclass(frozen=True)
class Retries:
    """Attempts, and how the pauses between them grow, in seconds."""

    conflicts: int = 10
    unclear: int = 3
    lagging: int = 7
    """Of an endorsed query for what is not found: an endorser may be some blocks behind. 1.3 s in all."""
    pause: float = 0.02
    longest: float = 1.0


class _Unclear(Exception):
    """Ordered or not: nobody has said."""


class GatewayLedger:
    """One channel, seen by one identity. Safe to use from many threads.

    With ``msps`` (the organisations' MSPs by id) the endorsers' signatures are checked before anything is signed.
    """

    def __init__(
        self,
        transport: Transport,
        channel: str,
        identity: Identity,
        *,
        chaincode: str = CHAINCODE,
        msps: Mapping[str, Msp] | None = None,
        clock: Callable[[], int] = now_ms,
        nonce: Callable[[], bytes] = new_nonce,
        sleep: Callable[[float], None] = time.sleep,
        deadlines: Deadlines = Deadlines(),
        retries: Retries = Retries(),
    ) -> None:
        self.channel = channel
        self.identity = identity
        self.chaincode = chaincode
        self.conflicts = 0
        """MVCC and phantom conflicts, and divergent endorsements, so far: counted apart from failures."""
        self._transport = transport
        self._msps = msps
        self._clock = clock
        self._nonce = nonce
        self._sleep = sleep
        self._deadlines = deadlines
        self._retries = retries
        self._lock = threading.Lock()

    def evaluate(self, function: str, *args: bytes) -> bytes:
        """As the port says: one peer's answer, not signed."""
        proposal, tx_id = self._proposal(function, args, None)
        request = gateway_pb2.EvaluateRequest(
            transaction_id=tx_id, channel_id=self.channel, proposed_transaction=self._signed(proposal)
        )
        try:
            result = self._transport.evaluate(request, self._deadlines.evaluate).result
        except TransportFailure as failure:
            raise refusal(failure) from failure
        if result.status >= FAILURE_STATUS:
            text = f"chaincode response {result.status}, {result.message}"
            raise refusal(TransportFailure("UNKNOWN", text))
        return bytes(result.payload)

    def submit(self, function: str, *args: bytes, transient: dict[str, bytes] | None = None) -> Committed:
        """As the port says. Every retry after a conflict is a new proposal, with an id of its own."""
        return self._again(self._submit_once, function, args, transient)

    def endorsed_query(self, function: str, *args: bytes) -> EndorsedQuery:
        """The gateway's Endorse without Submit: the endorsers sign, nothing is ordered."""
        again = Retrying(
            retry=retry_if_exception_type(NotFound),
            stop=stop_after_attempt(self._retries.lagging),
            wait=wait_exponential(multiplier=self._retries.pause, max=self._retries.longest),
            sleep=self._sleep,
            reraise=True,
        )
        return again(lambda: self._again(self._query_once, function, args))

    def _query_once(self, function: str, args: tuple[bytes, ...]) -> EndorsedQuery:
        proposal, tx_id = self._proposal(function, args, None)
        answer = self._endorse(proposal, tx_id)
        header = common_pb2.Header.FromString(proposal.header)
        return EndorsedQuery(
            channel_header=header.channel_header,
            signature_header=header.signature_header,
            proposal_payload=proposals.without_transient(proposal.payload),
            response_payload=answer.response_payload,
            endorsements=answer.endorsements,
        )

    def events(self, from_block: int | None = None) -> GatewayEvents:
        """Chaincode events from a block on (included), or from now on."""
        return GatewayEvents(
            self._transport, self.identity, self.channel, self.chaincode, from_block=from_block, sleep=self._sleep
        )

    def outcome(self, tx_id: str, wait: float | None = None) -> int:
        """The block that holds the transaction, once it is there; waits at most ``wait`` seconds.

        For a CommitUnknown, before anything is tried again. Raises Conflict or Refused when its block found it
        invalid, CommitUnknown when nobody can say yet.
        """
        try:
            return self._verdict(tx_id, self._deadlines.inquiry if wait is None else wait)
        except _Unclear as cause:
            raise CommitUnknown(
                f"nobody can say yet whether the transaction is on the ledger: {cause}", tx_id
            ) from cause

    def _submit_once(self, function: str, args: tuple[bytes, ...], transient: dict[str, bytes] | None) -> Committed:
        proposal, tx_id = self._proposal(function, args, transient)
        answer = self._endorse(proposal, tx_id)
        block = self._order(answer.payload, tx_id)
        return Committed(tx_id, block, answer.action.response.payload)

    def _again(self, attempt: Callable[..., R], *args: Any) -> R:
        def counted() -> R:
            try:
                return attempt(*args)
            except Conflict:
                with self._lock:
                    self.conflicts += 1
                raise

        again = Retrying(
            retry=retry_if_exception_type(Conflict),
            stop=stop_after_attempt(self._retries.conflicts),
            wait=wait_random_exponential(multiplier=self._retries.pause, max=self._retries.longest),
            sleep=self._sleep,
            reraise=True,
        )
        return again(counted)

    def _endorse(self, proposal: proposal_pb2.Proposal, tx_id: str) -> transactions.Transaction:
        request = gateway_pb2.EndorseRequest(
            transaction_id=tx_id, channel_id=self.channel, proposed_transaction=self._signed(proposal)
        )
        try:
            envelope = self._transport.endorse(request, self._deadlines.endorse).prepared_transaction
        except TransportFailure as failure:
            raise refusal(failure) from failure
        try:
            answer = transactions.parse(envelope.SerializeToString())
            self._check(answer, proposal)
        except RuleBroken as cause:
            raise BadAnswer(f"the gateway's answer cannot be trusted: {cause}", tx_id=tx_id) from cause
        return answer

    def _check(self, answer: transactions.Transaction, proposal: proposal_pb2.Proposal) -> None:
        """That the endorsements are over our proposal, whole and unchanged, and by whom they say."""
        header = common_pb2.Payload.FromString(answer.payload).header
        if header != common_pb2.Header.FromString(proposal.header):
            raise RuleBroken("it is headed otherwise than the proposal")
        payload = proposals.without_transient(proposal.payload)
        wanted = proposals.proposal_hash(header.channel_header, header.signature_header, payload)
        if answer.action.proposal_hash != wanted:
            raise RuleBroken("it is for another proposal", wanted=wanted.hex(), hash=answer.action.proposal_hash.hex())
        if answer.action.chaincode != self.chaincode:
            raise RuleBroken("another chaincode answered", chaincode=answer.action.chaincode)
        if not answer.endorsements:
            raise RuleBroken("nobody has endorsed it")
        if self._msps is not None:
            for endorser, signature in answer.endorsements:
                verify_endorsement(answer.response_payload, endorser, signature, self._msps, self._clock())

    def _order(self, payload: bytes, tx_id: str) -> int:
        """Send the signed transaction and wait for its block.

        Where the answer is lost, ask by the id, then send the same envelope again: a ledger takes an id once only.
        """
        envelope = common_pb2.Envelope(payload=payload, signature=self.identity.sign(payload))
        request = gateway_pb2.SubmitRequest(
            transaction_id=tx_id, channel_id=self.channel, prepared_transaction=envelope
        )
        again = Retrying(
            retry=retry_if_exception_type(_Unclear),
            stop=stop_after_attempt(self._retries.unclear),
            wait=wait_random_exponential(multiplier=10 * self._retries.pause, max=self._retries.longest),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return again(self._send, request)
        except _Unclear as cause:
            raise CommitUnknown(f"sent, and no clear answer: {cause}", tx_id) from cause

    def _send(self, request: gateway_pb2.SubmitRequest) -> int:
        wait = self._deadlines.commit
        try:
            self._transport.submit(request, self._deadlines.submit)
        except TransportFailure as failure:
            if failure.code not in UNCLEAR:
                raise refusal(failure) from failure
            wait = self._deadlines.inquiry
        return self._verdict(request.transaction_id, wait)

    def _verdict(self, tx_id: str, wait: float) -> int:
        question = gateway_pb2.CommitStatusRequest(
            transaction_id=tx_id, channel_id=self.channel, identity=self.identity.serialized
        ).SerializeToString()
        request = gateway_pb2.SignedCommitStatusRequest(request=question, signature=self.identity.sign(question))
        try:
            status = self._transport.commit_status(request, wait)
        except TransportFailure as failure:
            raise _Unclear(str(failure)) from failure
        code = transaction_pb2.TxValidationCode.Name(status.result)
        if code != VALID:
            raise invalid(code, tx_id)
        return int(status.block_number)

    def _proposal(
        self, function: str, args: tuple[bytes, ...], transient: dict[str, bytes] | None
    ) -> tuple[proposal_pb2.Proposal, str]:
        return proposals.build(
            self.channel,
            self.chaincode,
            (function.encode(), *args),
            creator=self.identity.serialized,
            nonce=self._nonce(),
            timestamp_ms=self._clock(),
            transient=transient,
        )

    def _signed(self, proposal: proposal_pb2.Proposal) -> proposal_pb2.SignedProposal:
        return proposals.sign(proposal, self.identity.key)
