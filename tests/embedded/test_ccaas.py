"""A chaincode that is a service: the embedded network calls it, and its ledger is what it is in the process."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.embedded.command import ready, up
from tests.support.embedded import CHANNEL, Client, enrol, running
from tests.wire.hfc.test_same_records import played
from tests.wire.host.process import HostProcess
from tests.wire.ledger.zones import Zones
from tests.wire.trade.fabric_rig import in_process
from zoneshare.connection import Connection as DeviceConnection
from zoneshare.device import Device
from zoneshare.gateway import GatewayLedger
from zoneshare.grpc_transport import GrpcTransport
from zoneshare.identity import Identity
from zoneshare_network import host
from zoneshare_network.ccaas import CcaasChaincode
from zoneshare_network.ccaas_stream import Connection
from zoneshare_network.network import now_ms
from zoneshare_network.pki import Role, load_key
from zoneshare_protocols.errors import LedgerFailed


def real_contracts() -> HostProcess:
    chaincode_id = "zoneshare_1.0:" + "0" * 64
    return HostProcess(
        "-m", "zoneshare_chaincode.host", ZONESHARE_ORGANISATIONS="Org1MSP,Org2MSP", CHAINCODE_ID=chaincode_id
    )


@contextmanager
def by_ccaas(site: Zones) -> Iterator[Callable[[Device], DeviceConnection]]:
    with real_contracts() as contracts:
        service = CcaasChaincode(contracts.connection)
        site.network.chaincodes["zoneshare"] = service
        yield lambda device: device.connection
        service.close()


def test_the_records_of_a_trade_are_the_same(tmp_path: Path) -> None:
    assert played(tmp_path / "service", by_ccaas) == played(tmp_path / "process", in_process)


@pytest.fixture(scope="module")
def asset() -> Iterator[HostProcess]:
    with HostProcess() as running_asset:
        yield running_asset


@pytest.fixture
def client(asset: HostProcess, tmp_path: Path) -> Iterator[Client]:
    service = CcaasChaincode(Connection(asset.address))
    with running(tmp_path, {"asset": service}) as network:
        yield Client(network, enrol(network))
        service.close()


def test_writes_events_and_errors(client: Client) -> None:
    done = client.submit("putev", "car", "red")
    assert (done.flag, client.evaluate("get", "car")) == (0, b"red")
    with pytest.raises(LedgerFailed, match="KeyError: 'nothing'"):
        client.evaluate("get", "nothing")
    assert client.submit("incr", "count").flag == 0
    assert client.evaluate("range", "c", "d") == b'[["car", "red"], ["count", "1"]]'


def test_the_chaincode_gets_the_proposal_as_it_was_signed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    class Recording:
        def invoke(self, stub: object) -> object:
            seen.append(stub.signed_proposal)  # type: ignore[attr-defined]  # what ccaas passes on
            return service.invoke(stub)  # type: ignore[arg-type]

    service = client.network.chaincodes["asset"]
    monkeypatch.setitem(client.network.chaincodes, "asset", Recording())
    signed = client.signed(client.propose("whoami")[0])
    client.network.process_proposal("Org1MSP", signed)
    assert seen == [signed]


def test_a_chaincode_that_is_away_is_an_error_until_it_is_back(client: Client, asset: HostProcess) -> None:
    away = CcaasChaincode(Connection("127.0.0.1:1", dial_timeout_s=0.5))
    there = client.network.chaincodes["asset"]
    client.network.chaincodes["asset"] = away
    with pytest.raises(LedgerFailed, match="failed to execute transaction"):
        client.evaluate("get", "k")
    client.network.chaincodes["asset"] = there
    assert client.submit("put", "k", "v").flag == 0


def test_from_the_command_line(asset: HostProcess, tmp_path: Path) -> None:
    process = up(tmp_path, "--port", "0", "--chaincode", f"asset={asset.address}")
    lines = ready(process)
    assert any(line.startswith("chaincodes") and "asset" in line and "zoneshare" in line for line in lines)
    member = host.organisations(tmp_path)["Org2MSP"]
    made = member.enrol("car", Role.CLIENT, now_ms())
    peer = host.nodes(tmp_path)[1]
    transport = GrpcTransport(peer.address, member.tls_ca.pem)
    identity = Identity("Org2MSP", made.certificate, load_key(made.key or b""))
    ledger = GatewayLedger(transport, CHANNEL, identity, chaincode="asset")
    assert ledger.submit("put", b"k", b"v").payload == b"v"
    assert ledger.evaluate("get", b"k") == b"v"
    transport.close()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[1] == ""


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("asset", "a chaincode is given as NAME=HOST:PORT"),
        ("asset=here", "chaincode asset: not HOST:PORT, and no connection.json"),
        ("asset=none.json", "cannot be read: No such file or directory"),
    ],
)
def test_a_wrong_option_is_one_line(tmp_path: Path, option: str, words: str) -> None:
    _, error = up(tmp_path / "net", "--chaincode", option).communicate(timeout=30)
    assert error.startswith("error: ")
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "net").exists()
