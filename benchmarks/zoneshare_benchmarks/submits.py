"""Submits a second on the embedded Fabric, and where their time goes."""

import threading
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from zoneshare.embedded import InProcessTransport
from zoneshare.gateway import GatewayLedger
from zoneshare.identity import Identity
from zoneshare_benchmarks.figure import Figure, Sample
from zoneshare_network.gateway import Gateway
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.pki import Role, load_key
from zoneshare_network.topology import Topology
from zoneshare_protocols.stub import OK, Response, Stub

CHANNEL, CHAINCODE = "zone-a", "put"
SECONDS = 4.0


class Put:
    """The smallest transaction: one key written, named by the transaction, so that none conflict."""

    def invoke(self, stub: Stub) -> Response:
        stub.put_state(stub.tx_id, stub.args[1])
        return Response(OK)


class _Timed:
    """A transport that adds up the seconds its calls take, by their name."""

    def __init__(self, transport: InProcessTransport) -> None:
        self._transport = transport
        self.seconds: dict[str, float] = defaultdict(float)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._transport, name)

        def timed(*args: Any, **options: Any) -> Any:
            start = perf_counter()
            try:
                return call(*args, **options)
            finally:
                self.seconds[name] += perf_counter() - start

        return timed


def submits(clients: int) -> Sample:
    """``clients`` threads, each submitting one after another for a while; the block's timeout is the embedded's own."""
    with (
        TemporaryDirectory() as folder,
        EmbeddedNetwork(Path(folder), Topology(channels=(CHANNEL,)), {CHAINCODE: Put()}) as network,
    ):
        gateway = Gateway(network)
        enrolled = network.organisation("Org1MSP").enrol("bench", Role.CLIENT, network.clock_ms())
        identity = Identity("Org1MSP", enrolled.certificate, load_key(enrolled.key or b""))
        transports = [_Timed(InProcessTransport(gateway)) for _ in range(clients)]
        counts = [0] * clients
        end = perf_counter() + SECONDS

        def client(number: int) -> None:
            ledger = GatewayLedger(transports[number], CHANNEL, identity, chaincode=CHAINCODE)
            while perf_counter() < end:
                ledger.submit("put", b"x" * 100)
                counts[number] += 1

        threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
        start = perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = perf_counter() - start
    total = sum(counts)
    inside = {name: sum(timed.seconds[name] for timed in transports) for name in ("endorse", "submit", "commit_status")}
    parts = {f"{name} ms": spent / total * 1e3 for name, spent in inside.items()}
    parts["client ms"] = (seconds * clients - sum(inside.values())) / total * 1e3
    return Sample(total / seconds, parts)


FIGURES = tuple(
    Figure(
        f"embedded.submit.{clients}",
        f"submits a second on the embedded Fabric in one process, {clients} at once; the parts are a submit's time",
        "submits/s",
        "higher",
        partial(submits, clients),
        runs=3,
    )
    for clients in (1, 32)
)
