"""Our chaincode host beside Fabric's runtime for Node, as services to one embedded peer."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from zoneshare.embedded import InProcessTransport
from zoneshare.gateway import GatewayLedger
from zoneshare.identity import Identity
from zoneshare_benchmarks.figure import Figure, Sample
from zoneshare_benchmarks.submits import CHANNEL
from zoneshare_benchmarks.wire_process import node, python, serving
from zoneshare_network.ccaas import CcaasChaincode
from zoneshare_network.ccaas_stream import Connection
from zoneshare_network.gateway import Gateway
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.pki import Role, load_key
from zoneshare_network.topology import Topology

SECONDS = 2.0
TURNS = 3
AT_ONCE = 32
_WARM_UP_S = 0.5


def _free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"


def _calls(ledger: GatewayLedger, seconds: float) -> float:
    """Evaluations a second: nothing is ordered, so that the peer does as little as it can."""
    counts = [0] * AT_ONCE
    start = time.perf_counter()

    def work(number: int) -> None:
        while time.perf_counter() - start < seconds:
            ledger.evaluate("work", b"x" * 100)
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - start)


@contextmanager
def _ledgers(folder: Path, addresses: dict[str, str]) -> Iterator[dict[str, GatewayLedger]]:
    services = {name: CcaasChaincode(Connection(address)) for name, address in addresses.items()}
    with EmbeddedNetwork(folder, Topology(channels=(CHANNEL,)), services) as network:
        enrolled = network.organisation("Org1MSP").enrol("bench", Role.CLIENT, network.clock_ms())
        identity = Identity("Org1MSP", enrolled.certificate, load_key(enrolled.key or b""))
        transport = InProcessTransport(Gateway(network))
        yield {name: GatewayLedger(transport, CHANNEL, identity, chaincode=name) for name in services}
        for service in services.values():
            service.close()


def _against_node() -> Sample:
    addresses = {"ours": _free_address(), "theirs": _free_address()}
    with ExitStack() as running:
        folder = Path(running.enter_context(TemporaryDirectory()))
        command, environ = node("chaincode.js")
        commands = {"ours": python("wire_chaincode"), "theirs": command}
        processes = {
            name: running.enter_context(
                serving(addresses[name], *commands[name], **environ, CHAINCODE_ID=name,
                        CHAINCODE_SERVER_ADDRESS=addresses[name])
            )
            for name in addresses
        }  # fmt: skip
        ledgers = running.enter_context(_ledgers(folder, addresses))
        for ledger in ledgers.values():
            _calls(ledger, _WARM_UP_S)
        before = {name: process.cpu for name, process in processes.items()}
        total = dict.fromkeys(addresses, 0.0)
        for turn in range(TURNS):
            for name in sorted(addresses, reverse=turn % 2 == 1):
                total[name] += _calls(ledgers[name], SECONDS)
        cpu = {name: process.cpu - before[name] for name, process in processes.items()}
    parts = {f"{name}/s": pace / TURNS for name, pace in total.items()}
    parts |= {f"{name} cpu ms": cpu[name] / (total[name] * SECONDS) * 1e3 for name in total}
    return Sample(total["ours"] / total["theirs"], parts)


FIGURES = (
    Figure(
        "host.vs_node",
        f"calls a second of a chaincode on our host over one on Fabric's Node runtime, same peer, {AT_ONCE} at once",
        "x",
        "higher",
        _against_node,
        goal=0.8,
        runs=3,
    ),
)
