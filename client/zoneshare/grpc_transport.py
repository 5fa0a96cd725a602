"""The Gateway service over gRPC and TLS."""

from collections.abc import Callable, Iterator
from typing import Any

import grpc
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from zoneshare.grpc_options import KEEPALIVE_MS, MAX_MESSAGE, channel_options
from zoneshare.identity import ClientTls
from zoneshare.transport import TransportFailure

_DETAILS = "grpc-status-details-bin"


class GrpcTransport:
    """A peer's gateway at ``endpoint`` (host:port), whose TLS certificate must chain to ``tls_roots`` (PEM)."""

    def __init__(
        self,
        endpoint: str,
        tls_roots: bytes,
        server_name: str | None = None,
        max_message: int = MAX_MESSAGE,
        keepalive_ms: int = KEEPALIVE_MS,
        *,
        client: ClientTls | None = None,
    ) -> None:
        """``client`` is shown to a server that asks who connects."""
        options = channel_options(server_name, max_message, keepalive_ms)
        shown = (client.key, client.certificate) if client else (None, None)
        credentials = grpc.ssl_channel_credentials(tls_roots, *shown)
        self._channel = grpc.secure_channel(endpoint, credentials, options)
        self._stub = gateway_pb2_grpc.GatewayStub(self._channel)

    def evaluate(self, request: gateway_pb2.EvaluateRequest, timeout: float) -> gateway_pb2.EvaluateResponse:
        return _call(self._stub.Evaluate, request, timeout)

    def endorse(self, request: gateway_pb2.EndorseRequest, timeout: float) -> gateway_pb2.EndorseResponse:
        return _call(self._stub.Endorse, request, timeout)

    def submit(self, request: gateway_pb2.SubmitRequest, timeout: float) -> gateway_pb2.SubmitResponse:
        return _call(self._stub.Submit, request, timeout)

    def commit_status(
        self, request: gateway_pb2.SignedCommitStatusRequest, timeout: float
    ) -> gateway_pb2.CommitStatusResponse:
        return _call(self._stub.CommitStatus, request, timeout)

    def chaincode_events(self, request: gateway_pb2.SignedChaincodeEventsRequest) -> "_Events":
        try:
            return _Events(self._stub.ChaincodeEvents(request))
        except ValueError as cause:  # gRPC's word for a channel that was closed
            raise TransportFailure("CANCELLED", str(cause)) from cause

    def close(self) -> None:
        self._channel.close()


class _Events:
    def __init__(self, call: Any) -> None:
        self._call = call

    def __iter__(self) -> Iterator[gateway_pb2.ChaincodeEventsResponse]:
        try:
            yield from self._call
        except grpc.RpcError as error:
            raise _failure(error) from error

    def cancel(self) -> None:
        self._call.cancel()


def _call(method: Callable[..., Any], request: Any, timeout: float) -> Any:
    try:
        return method(request, timeout=timeout)
    except grpc.RpcError as error:
        raise _failure(error) from error
    except ValueError as cause:  # gRPC's word for a channel that was closed
        raise TransportFailure("CANCELLED", str(cause)) from cause


def _failure(error: Any) -> TransportFailure:
    return TransportFailure(error.code().name, error.details() or "", _details(error))


def _details(error: Any) -> tuple[str, ...]:
    for name, value in error.trailing_metadata() or ():
        if name == _DETAILS:
            try:
                status = status_pb2.Status.FromString(value)
                return tuple(gateway_pb2.ErrorDetail.FromString(detail.value).message for detail in status.details)
            except DecodeError:
                return ()
    return ()
