"""Every node of an embedded network on a port of its own, on loopback, over TLS."""

import asyncio
import socket
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from fabric_protos.discovery import protocol_pb2_grpc
from fabric_protos.gateway import gateway_pb2_grpc
from fabric_protos.orderer import ab_pb2_grpc
from fabric_protos.peer import events_pb2_grpc, peer_pb2_grpc

from zoneshare_network.calls import Calls
from zoneshare_network.discovery import Discovery
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.nodes import Kind, Node, layout
from zoneshare_network.orderer_services import OrdererService
from zoneshare_network.peer_services import DeliverService, DiscoveryService, EndorserService, GatewayService
from zoneshare_protocols.errors import Misuse

MAX_MESSAGE = 16 * 1024 * 1024
"""Bytes of a request or an answer; gRPC refuses what is bigger with RESOURCE_EXHAUSTED."""
_THREADS = 256
"""A thread each for proposals under way, which may wait for a chaincode; streams and waits for a commit need none."""
MIN_PING_MS = 10_000
"""A client that pings more often is told to go away; a real peer allows a ping a minute."""
_OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    # Who connects and says nothing, or is gone without a word, is let go of.
    ("grpc.server_handshake_timeout_ms", 5_000),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


class FabricServer:
    """Serves ``network`` on 127.0.0.1: each organisation's peer (gateway included) and the orderer.

    ``where`` says where, or is the port of the first peer while the other nodes take free ones; a port of 0 is a free
    one; ``min_ping_ms`` how often a client may ping. Raises Misuse when a port is taken.
    """

    def __init__(
        self, network: EmbeddedNetwork, where: int | Sequence[Node] = 0, *, min_ping_ms: int = MIN_PING_MS
    ) -> None:
        self._network = network
        self._options = (*_OPTIONS, ("grpc.http2.min_ping_interval_without_data_ms", min_ping_ms))
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_quiet)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="node")
        self._thread = threading.Thread(target=self._loop.run_forever, name="nodes", daemon=True)
        self._thread.start()
        self._servers: list[grpc.aio.Server] = []
        try:
            wanted = layout(network.topology, {}, where) if isinstance(where, int) else where
            self.nodes: tuple[Node, ...] = self._await(self._start(wanted))
        except BaseException:
            self.stop(0)
            raise
        self.address = self.nodes[0].address
        """Of the first organisation's peer."""

    def stop(self, grace_s: float = 1.0) -> None:
        """Take no new calls, give those under way ``grace_s`` seconds, then cut them off."""
        self._await(self._stop(grace_s))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _await(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()

    async def _start(self, wanted: Sequence[Node]) -> tuple[Node, ...]:
        self._calls = Calls(self._pool)
        nodes: list[Node] = []
        for node in wanted:
            server = grpc.aio.server(options=self._options)
            self._servers.append(server)
            certificate, key = self._network.tls_server(node.mspid)
            asked = self._network.tls_clients()
            credentials = grpc.ssl_server_credentials(
                [(key, certificate)], asked, require_client_auth=asked is not None
            )
            nodes.append(_bind(server, node, credentials))
        for server, node in zip(self._servers, nodes, strict=True):
            self._add_services(server, node, nodes)
            await server.start()
        return tuple(nodes)

    def _add_services(self, server: grpc.aio.Server, node: Node, nodes: Sequence[Node]) -> None:
        network, calls = self._network, self._calls
        if node.kind is Kind.ORDERER:
            ab_pb2_grpc.add_AtomicBroadcastServicer_to_server(OrdererService(network, calls), server)
            return
        gateway_pb2_grpc.add_GatewayServicer_to_server(GatewayService(network, node, nodes, calls), server)
        peer_pb2_grpc.add_EndorserServicer_to_server(EndorserService(network, node, calls), server)
        discovery = DiscoveryService(Discovery(network, node, nodes), calls)
        protocol_pb2_grpc.add_DiscoveryServicer_to_server(discovery, server)
        events_pb2_grpc.add_DeliverServicer_to_server(DeliverService(network, calls), server)

    async def _stop(self, grace_s: float) -> None:
        await asyncio.gather(*(server.stop(grace_s) for server in self._servers))
        self._calls.close()


def check_port(node: Node) -> None:
    """Raises Misuse where the node cannot listen."""
    try:
        with socket.create_server((node.host, node.port)):
            pass
    except OSError as cause:
        raise _taken(node) from cause


def _bind(server: grpc.aio.Server, node: Node, credentials: grpc.ServerCredentials) -> Node:
    # gRPC says the same in a log line of its own, which is no answer to a person.
    check_port(node)
    try:
        bound = server.add_secure_port(node.address, credentials)
    except RuntimeError as cause:
        raise _taken(node) from cause
    return Node(node.name, node.kind, node.mspid, f"{node.host}:{bound}")


def _taken(node: Node) -> Misuse:
    return Misuse(
        f"port {node.port} of {node.host} is in use, or may not be used: say another with --port, 0 for a free one"
    )


def _quiet(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # gRPC's poller wakes every loop of the process, and complains of those for which there was nothing.
    if not isinstance(context.get("exception"), BlockingIOError):
        loop.default_exception_handler(context)
