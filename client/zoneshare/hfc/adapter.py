"""fabric-sdk-py (hfc) as a way to the ledger: its worker does, node by node, what a gateway does for its clients.

For networks without a gateway (Fabric before 2.4), and where hfc is wanted. Proposals, transactions and requests for
blocks are built and signed here, by the same functions as for a gateway; the worker sees no key.
"""

import threading
import time
from collections.abc import Callable, Iterator

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2

from zoneshare.gateway import FAILURE_STATUS, new_nonce, now_ms
from zoneshare.hfc.messages import Answer, Await, Endorse, Evaluate, Expect, Open, Order, Request, Settle, Verdict
from zoneshare.hfc.process import Worker
from zoneshare.hfc.seeks import chaincode_events, flag_of, seek
from zoneshare.identity import ClientTls, Identity
from zoneshare.transport import TransportFailure
from zoneshare_protocols.errors import Malformed
from zoneshare_protocols.fabric import proposal as proposals
from zoneshare_protocols.fabric import transaction as transactions
from zoneshare_protocols.fabric import wire

SYSTEM_QUERIES = "qscc"
OPEN_S = 15.0


class HfcTransport:
    """A ``Transport`` of one identity over a worker. Safe to use from many threads; closes the worker."""

    def __init__(
        self,
        worker: Worker,
        identity: Identity,
        *,
        clock: Callable[[], int] = now_ms,
        nonce: Callable[[], bytes] = new_nonce,
        shown: ClientTls | None = None,
    ) -> None:
        """``shown`` is what the worker shows to nodes that ask who connects."""
        self.worker = worker
        self._tls_hash = shown.hash if shown else b""
        self._identity = identity
        self._clock = clock
        self._nonce = nonce

    def evaluate(self, request: gateway_pb2.EvaluateRequest, timeout: float) -> gateway_pb2.EvaluateResponse:
        """The answer of one of the own organisation's peers."""
        (answer,) = self._parts(Evaluate(wire.write(request.proposed_transaction)), timeout)
        return gateway_pb2.EvaluateResponse(result=_response(answer).response)

    def endorse(self, request: gateway_pb2.EndorseRequest, timeout: float) -> gateway_pb2.EndorseResponse:
        """Endorsed by a peer of every organisation in the profile."""
        signed = request.proposed_transaction
        answers = self._parts(Endorse(wire.write(signed)), timeout)
        try:
            proposal = wire.read(proposal_pb2.Proposal, signed.proposal_bytes)
            payload = transactions.assemble(proposal, [_response(answer) for answer in answers])
        except (Malformed, transactions.DivergentEndorsements) as cause:
            raise TransportFailure("ABORTED", cause.message) from cause
        return gateway_pb2.EndorseResponse(prepared_transaction=common_pb2.Envelope(payload=payload))

    def submit(self, request: gateway_pb2.SubmitRequest, timeout: float) -> gateway_pb2.SubmitResponse:
        """To the first orderer that takes it, with the verdict expected before it is sent."""
        envelope, channel = wire.write(request.prepared_transaction), request.channel_id
        self.worker.call(Order(channel, request.transaction_id, envelope, self._newest(channel)), timeout)
        return gateway_pb2.SubmitResponse()

    def commit_status(
        self, request: gateway_pb2.SignedCommitStatusRequest, timeout: float
    ) -> gateway_pb2.CommitStatusResponse:
        """The verdict that the worker waits for, or what the ledger has of a transaction it did not send."""
        asked = gateway_pb2.CommitStatusRequest.FromString(request.request)
        channel, tx_id, until = asked.channel_id, asked.transaction_id, time.monotonic() + timeout
        try:
            return self._await(channel, tx_id, timeout)
        except TransportFailure as failure:
            if failure.code not in ("NOT_FOUND", "DEADLINE_EXCEEDED"):
                raise
            late = failure if failure.code == "DEADLINE_EXCEEDED" else None
        if late is None:
            self.worker.call(Expect(channel, tx_id, self._newest(channel)), timeout)
        found = self._look_up(channel, tx_id, timeout)
        if found is not None:
            flag = transaction_pb2.TxValidationCode.Name(found.result)
            self.worker.call(Settle(channel, tx_id, Verdict(flag, found.block_number)), timeout)
            return found
        if late is not None:
            raise late
        return self._await(channel, tx_id, max(0.0, until - time.monotonic()))

    def chaincode_events(self, request: gateway_pb2.SignedChaincodeEventsRequest) -> "_Events":
        return _Events(self, gateway_pb2.ChaincodeEventsRequest.FromString(request.request))

    def close(self) -> None:
        self.worker.close()

    def seek(self, channel: str, from_block: int | None) -> bytes:
        """A signed request for blocks from a number on, or from the newest on."""
        return seek(
            self._identity,
            channel,
            nonce=self._nonce(),
            timestamp_ms=self._clock(),
            tls_hash=self._tls_hash,
            from_block=from_block,
        )

    def _newest(self, channel: str) -> bytes:
        return self.seek(channel, None)

    def _parts(self, request: Request, timeout: float) -> tuple[bytes, ...]:
        answer = self.worker.call(request, timeout)
        return answer.parts if isinstance(answer, Answer) else ()

    def _await(self, channel: str, tx_id: str, timeout: float) -> gateway_pb2.CommitStatusResponse:
        verdict = self.worker.call(Await(channel, tx_id), timeout)
        if not isinstance(verdict, Verdict):
            raise TransportFailure("INTERNAL", "the hfc worker answered something else")
        return gateway_pb2.CommitStatusResponse(
            result=transaction_pb2.TxValidationCode.Value(verdict.flag), block_number=verdict.block
        )

    def _look_up(self, channel: str, tx_id: str, timeout: float) -> gateway_pb2.CommitStatusResponse | None:
        proposal, _ = proposals.build(
            channel,
            SYSTEM_QUERIES,
            (b"GetBlockByTxID", channel.encode(), tx_id.encode()),
            creator=self._identity.serialized,
            nonce=self._nonce(),
            timestamp_ms=self._clock(),
        )
        (answer,) = self._parts(Evaluate(wire.write(proposals.sign(proposal, self._identity.key))), timeout)
        response = _response(answer).response
        if response.status >= FAILURE_STATUS:
            return None
        block = wire.read(common_pb2.Block, response.payload)
        flag = flag_of(block, tx_id)
        if flag is None:
            return None
        return gateway_pb2.CommitStatusResponse(result=flag, block_number=block.header.number)


class _Events:
    """What a gateway makes of a peer's blocks. Refusals are raised when the first event is asked for, as over gRPC."""

    def __init__(self, transport: HfcTransport, request: gateway_pb2.ChaincodeEventsRequest) -> None:
        self._transport = transport
        self._channel: str = request.channel_id
        self._chaincode: str = request.chaincode_id
        self._after: str = request.after_transaction_id
        specified = request.start_position.WhichOneof("Type") == "specified"
        self._start: int | None = request.start_position.specified.number if specified else None
        self._lock = threading.Lock()
        self._cancelled = False
        self._refused: TransportFailure | None = None
        try:
            self._open(self._start, skip_first=not specified)
        except TransportFailure as failure:
            self._refused = failure

    def _open(self, start: int | None, *, skip_first: bool) -> None:
        opening = Open(self._transport.seek(self._channel, start), skip_first)
        stream = self._transport.worker.begin(opening, OPEN_S)
        with self._lock:
            self._stream = stream
            cancelled = self._cancelled
        if cancelled:
            stream.shut()

    def __iter__(self) -> Iterator[gateway_pb2.ChaincodeEventsResponse]:
        if self._refused is not None:
            raise self._refused
        for block in self._blocks():
            events = list(chaincode_events(block, self._chaincode))
            seen = [event.tx_id for event in events]
            if self._after in seen:
                events = events[seen.index(self._after) + 1 :]
            self._after = ""
            yield gateway_pb2.ChaincodeEventsResponse(block_number=block.header.number, events=events)

    def _blocks(self) -> Iterator[common_pb2.Block]:
        while True:
            try:
                block = wire.read(common_pb2.Block, self._stream.next())
            except TransportFailure as failure:
                # A peer does not wait for a block that is further ahead than the next one: a gateway does.
                if failure.code != "NOT_FOUND" or self._start is None:
                    raise
                self._open(None, skip_first=False)
                continue
            if self._start is None or block.header.number >= self._start:
                yield block

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            stream = None if self._refused is not None else self._stream
        if stream is not None:
            stream.shut()


def _response(data: bytes) -> proposal_response_pb2.ProposalResponse:
    return wire.read(proposal_response_pb2.ProposalResponse, data)
