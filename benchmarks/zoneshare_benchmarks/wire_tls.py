"""What TLS costs: the same calls to the same gRPC server with it and without, and a connection's beginning."""

import datetime
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from zoneshare_benchmarks.figure import Figure, Sample
from zoneshare_network.pki import Authority, key_pem, new_key

SIZE = 3_000
"""Bytes of a proposal with its certificate, and about as many of its answer."""
CALLS = 1_000
TURNS = 3
CONNECTIONS = 20
_SERVICE, _METHOD = "zoneshare.Echo", "Say"

Channel = Callable[[], grpc.Channel]


@contextmanager
def _server() -> Iterator[dict[str, Channel]]:
    authority = Authority.create("tlsca", "Org1MSP", datetime.datetime.now(datetime.UTC))
    key = new_key()
    certificate = authority.serve(key.public_key(), "peer0", datetime.datetime.now(datetime.UTC))
    server = grpc.server(ThreadPoolExecutor(4))
    echo = grpc.unary_unary_rpc_method_handler(lambda request, _: request, bytes, bytes)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, {_METHOD: echo}),))
    plain = server.add_insecure_port("127.0.0.1:0")
    secured = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key_pem(key), certificate)]))
    server.start()
    roots = grpc.ssl_channel_credentials(authority.pem)
    # Each connection is to be a new one.
    options = (("grpc.use_local_subchannel_pool", 1),)
    yield {
        "plain": lambda: grpc.insecure_channel(f"127.0.0.1:{plain}", options),
        "TLS": lambda: grpc.secure_channel(f"127.0.0.1:{secured}", roots, options),
    }
    server.stop(0).wait()


def _calls(channel: grpc.Channel, count: int) -> float:
    """Seconds of ``count`` calls, one after another."""
    call = channel.unary_unary(f"/{_SERVICE}/{_METHOD}", bytes, bytes)
    data = b"x" * SIZE
    start = time.perf_counter()
    for _ in range(count):
        call(data)
    return time.perf_counter() - start


def _connections(make: Channel) -> float:
    """Seconds of as many connections, with a call each."""
    start = time.perf_counter()
    for _ in range(CONNECTIONS):
        with make() as channel:
            _calls(channel, 1)
    return time.perf_counter() - start


def _against_plain() -> Sample:
    with _server() as make, make["plain"]() as plain, make["TLS"]() as secured:
        channels = {"plain": plain, "TLS": secured}
        calls, connections = dict.fromkeys(channels, 0.0), dict.fromkeys(channels, 0.0)
        for channel in channels.values():
            _calls(channel, CALLS // 10)
        for turn in range(TURNS):
            for name in sorted(channels, reverse=turn % 2 == 1):
                calls[name] += _calls(channels[name], CALLS)
                connections[name] += _connections(make[name])
    parts = {f"{name} call ms": seconds / (TURNS * CALLS) * 1e3 for name, seconds in calls.items()}
    parts |= {f"{name} connection ms": seconds / (TURNS * CONNECTIONS) * 1e3 for name, seconds in connections.items()}
    return Sample(calls["TLS"] / calls["plain"], parts)


FIGURES = (
    Figure(
        "wire.tls",
        f"time of a gRPC call of {SIZE} bytes each way over TLS, over the same without; and of a new connection",
        "x",
        "lower",
        _against_plain,
        runs=3,
    ),
)
