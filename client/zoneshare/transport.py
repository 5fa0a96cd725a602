"""How the gateway adapter's messages travel: the five calls of Fabric's Gateway service, by wire or in the process."""

from collections.abc import Iterator
from typing import Any, Protocol

from fabric_protos.gateway import gateway_pb2


class TransportFailure(Exception):
    """A call failed: gRPC's status by name, its message, and the messages of Fabric's ErrorDetails."""

    def __init__(self, code: str, message: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.details = details


class EventCall(Protocol):
    """ChaincodeEventsResponse messages as they come. ``cancel``, from any thread, ends the iteration."""

    def __iter__(self) -> Iterator[gateway_pb2.ChaincodeEventsResponse]: ...
    def cancel(self) -> Any: ...


class Transport(Protocol):
    """Each call raises TransportFailure; ``timeout`` is in seconds. Safe to call from many threads."""

    def evaluate(self, request: gateway_pb2.EvaluateRequest, timeout: float) -> gateway_pb2.EvaluateResponse: ...
    def endorse(self, request: gateway_pb2.EndorseRequest, timeout: float) -> gateway_pb2.EndorseResponse: ...
    def submit(self, request: gateway_pb2.SubmitRequest, timeout: float) -> gateway_pb2.SubmitResponse: ...
    def commit_status(
        self, request: gateway_pb2.SignedCommitStatusRequest, timeout: float
    ) -> gateway_pb2.CommitStatusResponse: ...
    def chaincode_events(self, request: gateway_pb2.SignedChaincodeEventsRequest) -> EventCall: ...
    def close(self) -> None: ...
