"""The official Node client of the Fabric Gateway against the embedded server: what it submits, reads and is refused."""

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import ledger_pb2
from fabric_protos.peer import transaction_pb2

from tests.node.rig import identity, served
from tests.support.embedded import CHANNEL
from zoneshare_benchmarks.node_tools import installed, node
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.server import FabricServer

HERE = Path(__file__).parent
ABORTED, UNKNOWN, FAILED_PRECONDITION, UNAVAILABLE = 10, 2, 9, 14


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedNetwork, FabricServer]]:
    with served(tmp_path_factory.mktemp("net")) as made:
        yield made


@pytest.fixture
def network(running: tuple[EmbeddedNetwork, FabricServer]) -> EmbeddedNetwork:
    return running[0]


@pytest.fixture
def server(running: tuple[EmbeddedNetwork, FabricServer]) -> FabricServer:
    return running[1]


class NodeClient:
    """tests/node/gateway.js as a process; call it with a command and get its answer."""

    def __init__(self, folder: Path) -> None:
        modules, (program, _) = installed(HERE), node()
        command = [str(program), str(HERE / "gateway.js"), str(folder), CHANNEL, "asset"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"NODE_PATH": str(modules)}
        )

    def __call__(self, do: str, **values: Any) -> Any:
        """The value; raises KeyError with the whole answer where it is an error."""
        answer = self.told(do, **values)
        if "value" not in answer:
            raise KeyError(answer)
        return answer["value"]

    def told(self, do: str, **values: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **values}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the Node client has ended"
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(20) == 0


@pytest.fixture(scope="module")
def client(
    running: tuple[EmbeddedNetwork, FabricServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NodeClient]:
    made = NodeClient(identity(running[0], tmp_path_factory.mktemp("identity"), "car", "Org2MSP"))
    yield made
    made.close()


def test_it_writes_and_reads(client: NodeClient, network: EmbeddedNetwork) -> None:
    assert client("submit", name="put", args=["color", "blue"]) == "blue"
    assert client("evaluate", name="get", args=["color"]) == "blue"
    assert client("evaluate", name="whoami", args=[]).startswith("Org2MSP zone-a ")
    assert client("transient", name="tput", args=["length"], transient={"secret": "12345"}) == "5"
    done = client("async", name="incr", args=["count"])
    assert done["successful"] is True
    found = network.channel(CHANNEL).status(done["id"])
    assert found is not None
    assert found.block == done["block"]


def test_it_reads_events_from_a_block_and_from_a_checkpoint(client: NodeClient, network: EmbeddedNetwork) -> None:
    start = network.channel(CHANNEL).height
    for value in ("one", "two", "three"):
        client("submit", name="putev", args=["event", value])
    found = client("events", start=start, count=3)
    payloads = [json.loads(payload)["v"] for _, payload, _ in found]
    assert ([name for name, _, _ in found], payloads) == (["put"] * 3, ["one", "two", "three"])
    resumed = client("resumed", block=start, transaction=found[0][2], count=2)
    assert resumed == found[1:]


def test_it_reads_blocks(client: NodeClient, network: EmbeddedNetwork) -> None:
    assert client("blocks", start=0, count=2) == [0, 1]
    assert client("filtered", start=1, count=2) == [[1, 1], [2, 1]]
    assert client("private", start=0, count=2) == [[0, 0], [1, 0]]
    info = ledger_pb2.BlockchainInfo.FromString(base64.b64decode(client("chain", name="GetChainInfo", args=[CHANNEL])))
    assert info.height == network.channel(CHANNEL).height


def test_what_the_chaincode_refuses(client: NodeClient, server: FabricServer) -> None:
    refused = client.told("submit", name="fail", args=["boom"])
    assert (refused["error"], refused["code"]) == ("EndorseError", ABORTED)
    message = "chaincode response 500, ValueError: boom"
    assert refused["details"] == [{"mspId": "Org2MSP", "message": message, "address": server.nodes[1].address}]
    refused = client.told("evaluate", name="get", args=["nothing"])
    assert (refused["error"], refused["code"]) == ("GatewayError", UNKNOWN)
    assert refused["details"][0]["message"] == "chaincode response 500, KeyError: 'nothing'"


def test_what_the_network_refuses(client: NodeClient) -> None:
    diverged = client.told("submit", name="nondet", args=["dice"])
    assert (diverged["error"], diverged["code"]) == ("EndorseError", ABORTED)
    assert [(one["mspId"], one["message"]) for one in diverged["details"]] == [
        ("Org1MSP", "ProposalResponsePayloads do not match")
    ]
    lonely = client.told("by", name="put", args=["lonely", "1"], endorsers=["Org1MSP"])
    assert (lonely["error"], lonely["code"]) == ("CommitError", transaction_pb2.ENDORSEMENT_POLICY_FAILURE)
    codes = client("conflict", name="incr", args=["hot"])
    assert codes == [transaction_pb2.VALID, transaction_pb2.MVCC_READ_CONFLICT]
    unknown = client.told("elsewhere", channel=CHANNEL, chaincode="nochaincode")
    assert unknown["code"] == FAILED_PRECONDITION
    assert client.told("elsewhere", channel="zone-x", chaincode="asset")["code"] == UNAVAILABLE


def test_who_was_revoked(network: EmbeddedNetwork, server: FabricServer, tmp_path: Path) -> None:
    leaver = NodeClient(identity(network, tmp_path, "leaver"))
    assert leaver("submit", name="put", args=["leaver", "1"]) == "1"
    network.organisation("Org1MSP").revoke("leaver", network.clock_ms())
    network.reconcile()
    refused = leaver.told("submit", name="put", args=["leaver", "2"])
    assert (refused["error"], refused["code"]) == ("EndorseError", ABORTED)
    assert "access denied" in refused["details"][0]["message"]
    leaver.close()


def test_many_at_once(client: NodeClient) -> None:
    assert client("many", name="put", count=64) > 0
    assert client("evaluate", name="get", args=["many63"]) == "many63"
