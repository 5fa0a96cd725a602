"""The Gateway and Endorser services on loopback, over TLS."""

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import grpc
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from fabric_protos.peer import peer_pb2_grpc, proposal_pb2, proposal_response_pb2
from google.protobuf import any_pb2
from google.rpc import status_pb2

from zoneshare_network.channel import Channel, CommitStatus
from zoneshare_network.endorser import ProposalRefused
from zoneshare_network.gateway import Gateway, GatewayRefused
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_protocols.errors import LedgerFailed, Misuse

MAX_MESSAGE = 16 * 1024 * 1024
"""Bytes of a request or an answer; gRPC refuses what is bigger with RESOURCE_EXHAUSTED."""
_THREADS = 256
"""A thread each for every call under way, among them streams of events and waits for a commit."""
_HOST = "127.0.0.1"

Answer = TypeVar("Answer")


class GatewayServer:
    """Serves ``network`` on 127.0.0.1; a port of 0 takes a free one. Raises Misuse when the port is taken."""

    def __init__(self, network: EmbeddedNetwork, port: int = 0) -> None:
        options = [
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", MAX_MESSAGE),
            ("grpc.max_send_message_length", MAX_MESSAGE),
        ]
        self._server = grpc.server(ThreadPoolExecutor(_THREADS, thread_name_prefix="gateway"), options=options)
        certificate, key = network.tls_server()
        credentials = grpc.ssl_server_credentials([(key, certificate)])
        try:
            # gRPC says the same in a log line of its own, which is no answer to a person.
            with socket.create_server((_HOST, port)):
                pass
            bound = self._server.add_secure_port(f"{_HOST}:{port}", credentials)
        except (OSError, RuntimeError) as cause:
            raise Misuse(f"port {port} of {_HOST} is in use, or may not be used") from cause
        self.address = f"{_HOST}:{bound}"
        servicer = _Servicer(network, self.address)
        gateway_pb2_grpc.add_GatewayServicer_to_server(servicer, self._server)
        peer_pb2_grpc.add_EndorserServicer_to_server(servicer, self._server)
        self._server.start()

    def stop(self, grace_s: float = 1.0) -> None:
        """Take no new calls, give those under way ``grace_s`` seconds, then cut them off."""
        self._server.stop(grace_s).wait()


class _Servicer(gateway_pb2_grpc.GatewayServicer, peer_pb2_grpc.EndorserServicer):  # type: ignore[misc]  # generated
    """gRPC's methods carry the names of the services' protobuf."""

    def __init__(self, network: EmbeddedNetwork, address: str) -> None:
        self._network = network
        self._gateway = Gateway(network)
        self._address = address

    def Evaluate(self, request: gateway_pb2.EvaluateRequest, context: grpc.ServicerContext) -> Any:
        return self._answer(context, lambda: self._gateway.evaluate(request))

    def Endorse(self, request: gateway_pb2.EndorseRequest, context: grpc.ServicerContext) -> Any:
        return self._answer(context, lambda: self._gateway.endorse(request))

    def Submit(self, request: gateway_pb2.SubmitRequest, context: grpc.ServicerContext) -> Any:
        return self._answer(context, lambda: self._gateway.submit(request))

    def CommitStatus(self, request: gateway_pb2.SignedCommitStatusRequest, context: grpc.ServicerContext) -> Any:
        def wait(channel: Channel, tx_id: str) -> CommitStatus | None:
            given_up = threading.Event()
            if not context.add_callback(given_up.set):
                given_up.set()
            return channel.wait(tx_id, event=given_up)

        return self._answer(context, lambda: self._gateway.commit_status(request, wait))

    def ChaincodeEvents(
        self, request: gateway_pb2.SignedChaincodeEventsRequest, context: grpc.ServicerContext
    ) -> Iterator[gateway_pb2.ChaincodeEventsResponse]:
        channel, events = self._answer(context, lambda: self._gateway.chaincode_events(request, context.is_active))
        context.add_callback(channel.wake)
        yield from events

    def ProcessProposal(
        self, request: proposal_pb2.SignedProposal, context: grpc.ServicerContext
    ) -> proposal_response_pb2.ProposalResponse:
        home = self._network.topology.organisations[0]
        return self._answer(context, lambda: self._network.process_proposal(home, request))

    def _answer(self, context: grpc.ServicerContext, serve: Callable[[], Answer]) -> Answer:
        try:
            return serve()
        except GatewayRefused as refused:
            self._abort(context, refused)
        except ProposalRefused as refused:
            context.abort(grpc.StatusCode.UNKNOWN, refused.message)
        except LedgerFailed as failed:
            context.abort(grpc.StatusCode.UNAVAILABLE, str(failed))
        raise RuntimeError("abort has raised")  # grpc's abort never returns

    def _abort(self, context: grpc.ServicerContext, refused: GatewayRefused) -> None:
        code = grpc.StatusCode[refused.code]
        if refused.details:
            status = status_pb2.Status(code=code.value[0], message=refused.message)
            for detail in refused.details:
                packed = any_pb2.Any()
                packed.Pack(gateway_pb2.ErrorDetail(address=self._address, msp_id=detail.mspid, message=detail.message))
                status.details.append(packed)
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(code, refused.message)
