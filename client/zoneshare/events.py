"""Chaincode events from a gateway: resumed where they stopped when the connection is lost."""

import threading
from collections.abc import Callable, Iterator
from typing import Self

from fabric_protos.gateway import gateway_pb2
from fabric_protos.orderer import ab_pb2

from zoneshare.identity import Identity
from zoneshare.ledger import ChaincodeEvent
from zoneshare.refusals import refusal
from zoneshare.transport import EventCall, Transport, TransportFailure

_LOST = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"})
_PAUSES = (0.05, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Between attempts to connect again, in seconds; after the last the failure is raised."""


class GatewayEvents:
    """An iterator of ChaincodeEvent in ledger order. ``close``, from any thread, ends it."""

    def __init__(
        self,
        transport: Transport,
        identity: Identity,
        channel: str,
        chaincode: str,
        *,
        from_block: int | None,
        sleep: Callable[[float], None],
    ) -> None:
        self._transport = transport
        self._identity = identity
        self._channel = channel
        self._chaincode = chaincode
        self._block = from_block
        self._after = ""
        self._sleep = sleep
        self._lock = threading.Lock()
        self._closed = False
        self._call: EventCall | None = None
        self._connect()
        self._events = self._run()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ChaincodeEvent:
        return next(self._events)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            call = self._call
        if call is not None:
            call.cancel()

    def _run(self) -> Iterator[ChaincodeEvent]:
        attempt = 0
        while not self._is_closed():
            try:
                for event in self._received():
                    attempt = 0
                    yield event
                failure = TransportFailure("UNAVAILABLE", "the server ended the events")
            except TransportFailure as cause:
                failure = cause
            if self._is_closed():
                return
            if failure.code not in _LOST or attempt >= len(_PAUSES):
                raise refusal(failure) from failure
            self._sleep(_PAUSES[attempt])
            attempt += 1
            self._connect()

    def _is_closed(self) -> bool:
        with self._lock:
            return self._closed

    def _received(self) -> Iterator[ChaincodeEvent]:
        if self._call is None:
            return
        for response in self._call:
            for event in response.events:
                self._block, self._after = response.block_number, event.tx_id
                yield ChaincodeEvent(response.block_number, event.tx_id, event.event_name, event.payload)
            # A block without one of our events is behind us as well.
            if not response.events:
                self._block, self._after = response.block_number + 1, ""

    def _connect(self) -> None:
        question = gateway_pb2.ChaincodeEventsRequest(
            channel_id=self._channel,
            chaincode_id=self._chaincode,
            identity=self._identity.serialized,
            start_position=self._start(),
            after_transaction_id=self._after,
        ).SerializeToString()
        request = gateway_pb2.SignedChaincodeEventsRequest(request=question, signature=self._identity.sign(question))
        try:
            call = self._transport.chaincode_events(request)
        except TransportFailure as failure:
            raise refusal(failure) from failure
        with self._lock:
            self._call = call
            closed = self._closed
        if closed:
            call.cancel()

    def _start(self) -> ab_pb2.SeekPosition:
        if self._block is None:
            return ab_pb2.SeekPosition(next_commit=ab_pb2.SeekNextCommit())
        return ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=self._block))
