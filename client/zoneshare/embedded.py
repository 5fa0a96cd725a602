"""The embedded Fabric in this process as a transport: the same messages, handed over without a wire.

The SDK does not know the emulator; it takes any object with the methods of :class:`InProcessGateway`.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

from fabric_protos.gateway import gateway_pb2

from zoneshare.transport import TransportFailure
from zoneshare_protocols.errors import LedgerFailed

Answer = TypeVar("Answer")


class InProcessGateway(Protocol):
    """The Gateway service's logic. Refusals are LedgerFailed with gRPC's status name as ``code``, and ``details``."""

    def evaluate(self, request: gateway_pb2.EvaluateRequest) -> gateway_pb2.EvaluateResponse: ...
    def endorse(self, request: gateway_pb2.EndorseRequest) -> gateway_pb2.EndorseResponse: ...
    def submit(self, request: gateway_pb2.SubmitRequest) -> gateway_pb2.SubmitResponse: ...
    def commit_status(
        self, signed: gateway_pb2.SignedCommitStatusRequest, wait: Callable[[Any, str], Any]
    ) -> gateway_pb2.CommitStatusResponse:
        """``wait`` gets the channel and the transaction's id."""

    def chaincode_events(
        self, signed: gateway_pb2.SignedChaincodeEventsRequest, going_on: Callable[[], bool]
    ) -> tuple[Any, Iterator[gateway_pb2.ChaincodeEventsResponse]]:
        """The channel, and its events while ``going_on`` says so; the channel's ``wake`` has it asked again."""


class InProcessTransport:
    """A ``Transport`` to a gateway in this process."""

    def __init__(self, gateway: InProcessGateway) -> None:
        self._gateway = gateway

    def evaluate(self, request: gateway_pb2.EvaluateRequest, timeout: float) -> gateway_pb2.EvaluateResponse:  # noqa: ARG002  # nothing waits here
        return _answer(lambda: self._gateway.evaluate(request))

    def endorse(self, request: gateway_pb2.EndorseRequest, timeout: float) -> gateway_pb2.EndorseResponse:  # noqa: ARG002  # nothing waits here
        return _answer(lambda: self._gateway.endorse(request))

    def submit(self, request: gateway_pb2.SubmitRequest, timeout: float) -> gateway_pb2.SubmitResponse:  # noqa: ARG002  # nothing waits here
        return _answer(lambda: self._gateway.submit(request))

    def commit_status(
        self, request: gateway_pb2.SignedCommitStatusRequest, timeout: float
    ) -> gateway_pb2.CommitStatusResponse:
        return _answer(
            lambda: self._gateway.commit_status(request, lambda channel, tx_id: channel.wait(tx_id, timeout))
        )

    def chaincode_events(self, request: gateway_pb2.SignedChaincodeEventsRequest) -> "_Events":
        return _Events(self._gateway, request)

    def close(self) -> None:
        """The gateway is its owner's to close."""


class _Events:
    """Refusals are raised when the first event is asked for, as over gRPC."""

    def __init__(self, gateway: InProcessGateway, request: gateway_pb2.SignedChaincodeEventsRequest) -> None:
        self._cancelled = threading.Event()
        self._channel: Any = None
        self._events: Iterator[gateway_pb2.ChaincodeEventsResponse] | None = None
        self._refused: TransportFailure | None = None
        try:
            self._channel, self._events = _answer(
                lambda: gateway.chaincode_events(request, lambda: not self._cancelled.is_set())
            )
        except TransportFailure as failure:
            self._refused = failure

    def __iter__(self) -> Iterator[gateway_pb2.ChaincodeEventsResponse]:
        if self._events is None:
            raise self._refused or TransportFailure("INTERNAL", "no events")
        events = self._events
        while (response := _answer(lambda: next(events, None))) is not None:
            yield response

    def cancel(self) -> None:
        self._cancelled.set()
        if self._channel is not None:
            self._channel.wake()


def _answer(serve: Callable[[], Answer]) -> Answer:
    try:
        return serve()
    except LedgerFailed as refused:
        code = str(refused.values.get("code", "UNAVAILABLE"))
        details = tuple(str(detail.message) for detail in getattr(refused, "details", ()))
        raise TransportFailure(code, refused.message, details) from refused
