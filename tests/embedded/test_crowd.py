"""A crowd at the server: who comes and goes, reads slowly or says nothing holds nobody up and leaves nothing."""

import socket
import ssl
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil
import pytest
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2_grpc
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2_grpc

from tests.embedded.command import ready, up
from tests.embedded.test_services import EVER, OLDEST, at, seek
from tests.support.embedded import CHANNEL, Client
from tests.wire.host.process import HostProcess
from zoneshare.gateway import GatewayLedger
from zoneshare.grpc_transport import GrpcTransport
from zoneshare.identity import Identity
from zoneshare_network import host
from zoneshare_network.members import Organisation, Signer
from zoneshare_network.network import now_ms
from zoneshare_network.pki import Role, load_key
from zoneshare_protocols.stub import Creator

MEBIBYTE = 2**20
VISITORS, SILENT, SLOW, LISTENERS = 1000, 100, 30, 300
PROMPT_S = 15.0
"""Within which others are served, on a busy machine; alone it takes milliseconds."""


@dataclass
class Crowded:
    folder: Path
    address: str
    server: psutil.Process
    member: Organisation
    signer: Signer

    def client(self) -> Client:
        clock = type("Clock", (), {"clock_ms": staticmethod(now_ms)})()
        return Client(clock, self.signer, CHANNEL)

    def connect(self) -> grpc.Channel:
        return grpc.secure_channel(self.address, grpc.ssl_channel_credentials(self.member.tls_ca.pem))

    def resident(self) -> float:
        """Mebibytes of the server."""
        return float(self.server.memory_info().rss) / MEBIBYTE


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowded]:
    folder = tmp_path_factory.mktemp("crowd")
    with HostProcess() as asset:
        process = up(folder, "--port", "0", "--batch-timeout", "5", "--chaincode", f"asset={asset.address}")
        try:
            ready(process)
            member = host.organisations(folder)["Org1MSP"]
            made = member.enrol("one", Role.CLIENT, now_ms())
            signer = Signer(Creator("Org1MSP", made.certificate), load_key(made.key or b""))
            yield Crowded(folder, host.address(folder), psutil.Process(process.pid), member, signer)
        finally:
            process.terminate()
            said, complained = process.communicate(timeout=30)
            assert "PRIVATE KEY" not in said + complained
            assert complained == "", "nobody in the crowd made the server complain"


@pytest.fixture
def ledger(crowded: Crowded) -> Iterator[GatewayLedger]:
    transport = GrpcTransport(crowded.address, crowded.member.tls_ca.pem)
    identity = Identity("Org1MSP", crowded.signer.creator.certificate, crowded.signer.key)
    yield GatewayLedger(transport, CHANNEL, identity, chaincode="asset")
    transport.close()


def served_promptly(ledger: GatewayLedger, key: str) -> None:
    started = time.monotonic()
    ledger.submit("put", key.encode(), b"v")
    assert ledger.evaluate("get", key.encode()) == b"v"
    assert time.monotonic() - started < PROMPT_S


def come_and_go(crowded: Crowded, count: int) -> None:
    """TLS connections that are closed with no goodbye, by eight visitors at a time."""
    context = ssl.create_default_context(cadata=crowded.member.tls_ca.pem.decode())
    context.set_alpn_protocols(["h2"])
    name, port = crowded.address.split(":")

    def visit() -> None:
        for _ in range(count // 8):
            with socket.create_connection((name, int(port)), timeout=30) as raw:
                context.wrap_socket(raw, server_hostname="localhost").close()

    visitors = [threading.Thread(target=visit) for _ in range(8)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()


def test_a_thousand_come_and_go_and_leave_nothing(crowded: Crowded, ledger: GatewayLedger) -> None:
    come_and_go(crowded, VISITORS // 4)
    served_promptly(ledger, "before")
    before, open_before = crowded.resident(), crowded.server.num_fds()
    come_and_go(crowded, VISITORS)
    served_promptly(ledger, "after")
    until = time.monotonic() + 10
    while crowded.server.num_fds() > open_before + 8 and time.monotonic() < until:
        time.sleep(0.05)
    assert crowded.server.num_fds() <= open_before + 8
    assert crowded.resident() < before + 16


def test_who_connects_and_says_nothing_holds_nobody_up(crowded: Crowded, ledger: GatewayLedger) -> None:
    name, port = crowded.address.split(":")
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection((name, int(port)))) for _ in range(SILENT)]
        served_promptly(ledger, "silent")
        silent[0].settimeout(30)
        assert silent[0].recv(1) == b"", "the server ends a handshake that does not begin"


def test_slow_readers_and_many_listeners_hold_nobody_up(crowded: Crowded, ledger: GatewayLedger) -> None:
    for _ in range(8):
        ledger.submit("big")
    client = crowded.client()
    before = crowded.resident()
    with ExitStack() as stack:
        calls = []
        for _ in range(SLOW):
            # A connection each, so that nobody's flow control is another's; they read one block, and then no more.
            stub = events_pb2_grpc.DeliverStub(stack.enter_context(crowded.connect()))
            calls.append(stub.Deliver(iter([seek(client, OLDEST, at(EVER))])))
            next(calls[-1])
        gateway = gateway_pb2_grpc.GatewayStub(stack.enter_context(crowded.connect()))
        calls += [gateway.ChaincodeEvents(client.events_request()) for _ in range(LISTENERS)]
        for number in range(5):
            served_promptly(ledger, f"slow{number}")
        assert crowded.resident() < before + 200, "what slow readers have not read is not kept for them"
        slow = calls[0]
        for answer in slow:
            if answer.block.header.number >= 8:
                break
        for call in calls:
            call.cancel()
    served_promptly(ledger, "gone")


def test_keys_are_their_owners_only(crowded: Crowded) -> None:
    keys = list(crowded.folder.rglob("key.pem"))
    assert len(keys) > 8
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    others = [path for path in crowded.folder.rglob("*") if path.is_file() and path.name != "key.pem"]
    assert not [path for path in others if b"PRIVATE KEY" in path.read_bytes()]


def test_the_seek_of_these_tests_is_a_good_one(crowded: Crowded) -> None:
    with crowded.connect() as channel:
        stub = events_pb2_grpc.DeliverStub(channel)
        info = ab_pb2.SeekInfo.FAIL_IF_NOT_READY
        *_, last = stub.Deliver(iter([seek(crowded.client(), at(0), at(0), behavior=info)]))
        assert last.status == common_pb2.SUCCESS
