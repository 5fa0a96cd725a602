"""How our clients' gRPC connections behave, whichever process makes them."""

from typing import Any

MAX_MESSAGE = 100 * 1024 * 1024
"""Bytes; what a peer takes by default."""
KEEPALIVE_MS = 120_000
"""Between pings on a quiet connection: a Fabric peer lets a client go that pings more often than every minute."""


def channel_options(
    server_name: str | None = None, max_message: int = MAX_MESSAGE, keepalive_ms: int = KEEPALIVE_MS
) -> list[tuple[str, Any]]:
    """With ``server_name`` the certificate must be for it, not for the address."""
    options: list[tuple[str, Any]] = [
        ("grpc.max_send_message_length", max_message),
        ("grpc.max_receive_message_length", max_message),
        ("grpc.keepalive_time_ms", keepalive_ms),
        # Else gRPC stops pinging a connection on which nothing is said, and a dead peer is never found out.
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        # A channel of one's own: connections of other parts of the process have other roots.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if server_name:
        options.append(("grpc.ssl_target_name_override", server_name))
    return options
