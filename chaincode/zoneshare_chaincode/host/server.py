"""The gRPC server that peers connect to."""

import asyncio
import logging
from contextlib import suppress
from typing import Any

import grpc

from zoneshare_chaincode.host.conversation import Conversation, StreamBroken
from zoneshare_chaincode.host.settings import Settings
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.stub import Chaincode

log = logging.getLogger(__name__)

MAX_MESSAGE = 100 * 1024 * 1024
"""Bytes; Fabric's own default on both sides."""
DRAIN_S = 5.0
"""Seconds that running transactions have to end when the host stops."""

_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    # As the Go shim: ask a silent peer after a minute, and count it as gone 20 s later.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # A peer pings every minute; half of that, so that one a little early is not sent away.
    ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 30_000),
    # Two hosts on one address would share its peers by chance.
    ("grpc.so_reuseport", 0),
]


class Host:
    """Serves one chaincode to any number of peers."""

    def __init__(self, settings: Settings, chaincode: Chaincode) -> None:
        self._settings, self._chaincode = settings, chaincode
        self._conversations: dict[Conversation, asyncio.Queue[bytes]] = {}
        self._server = grpc.aio.server(options=_OPTIONS)
        connect: Any = grpc.stream_stream_rpc_method_handler(self._connect)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("protos.Chaincode", {"Connect": connect}),)
        )

    async def start(self) -> str:
        """Listen; the address, with the port that was free if port 0 was asked for. Raises Misuse if it is taken."""
        host, tls = self._settings.host, self._settings.tls
        address = f"{host}:{self._settings.port}"
        try:
            if tls is None:
                port = self._server.add_insecure_port(address)
            else:
                credentials = grpc.ssl_server_credentials(
                    [(tls.key, tls.certificate)], tls.client_ca, require_client_auth=tls.client_ca is not None
                )
                port = self._server.add_secure_port(address, credentials)
        except RuntimeError as cause:
            raise Misuse(f"cannot listen on {address}: taken, or no address of this machine") from cause
        await self._server.start()
        return f"{host}:{port}"

    async def stop(self) -> None:
        """Refuse new transactions, let running ones end (DRAIN_S at most), then leave the peers."""
        for conversation in self._conversations:
            conversation.refuse_new()
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while any(c.running for c in self._conversations):
                    await asyncio.sleep(0.01)
                for outbox in self._conversations.values():
                    await outbox.join()
        await self._server.stop(grace=0.1)

    async def _connect(self, _: Any, context: Any) -> None:
        """protos.Chaincode/Connect. Messages stay bytes here, so that an unreadable one gets its line in the log."""
        peer = context.peer()
        loop = asyncio.get_running_loop()
        outbox: asyncio.Queue[bytes] = asyncio.Queue()

        def send(data: bytes) -> None:
            loop.call_soon_threadsafe(outbox.put_nowait, data)

        conversation = Conversation(self._settings.chaincode_id, self._chaincode, send, peer)
        self._conversations[conversation] = outbox
        writer = asyncio.create_task(_write(outbox, context))
        log.info("peer %s connected", peer)
        try:
            conversation.start()
            while (data := await context.read()) is not grpc.aio.EOF:
                conversation.receive(data)
        except StreamBroken as broken:
            log.warning("peer %s: stream closed: %s", peer, broken)
            await context.abort(grpc.StatusCode.UNKNOWN, f"error handling message: {broken}")
        except asyncio.CancelledError:
            # gRPC's way to say that the peer is lost, or that the server stops; raised further it would be logged.
            log.debug("peer %s: stream cancelled", peer)
        finally:
            unanswered = conversation.running
            conversation.close()
            del self._conversations[conversation]
            writer.cancel()
            log.info("peer %s gone, %d transactions unanswered", peer, unanswered)


async def _write(outbox: "asyncio.Queue[bytes]", context: Any) -> None:
    """The stream's one writer."""
    while True:
        await context.write(await outbox.get())
        outbox.task_done()
