"""What hfc leaves to its caller: fail-over between nodes, comparing endorsements, the right verdict for each."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fabric_protos.gateway import gateway_pb2

from tests.wire.ledger.harness import CHAINCODE, CHANNEL, Site, site
from zoneshare.connection import ADAPTER, Connection, Profile
from zoneshare.gateway import Deadlines, GatewayLedger, Retries
from zoneshare.grpc_transport import GrpcTransport
from zoneshare.hfc.adapter import HfcTransport
from zoneshare.hfc.messages import Network, Node
from zoneshare.hfc.process import Worker
from zoneshare.identity import write_identity
from zoneshare.ledger import Committed, CommitUnknown, Conflict, LedgerUnavailable
from zoneshare_network.host import encoded
from zoneshare_network.identities import connection_profile
from zoneshare_network.members import Organisation
from zoneshare_network.server import FabricServer
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.fabric.flags import TxFlag

QUICK = Deadlines(evaluate=5, endorse=5, submit=5, commit=5, inquiry=0.3)
ONCE = Retries(conflicts=1, unclear=2, pause=0.0001)
Reach = Callable[..., GatewayLedger]


@pytest.fixture
def reach(running: Site, worker: Worker) -> Reach:
    """A ledger over a worker whose network is changed first."""

    def made(change: Callable[[Network], Network], **options: object) -> GatewayLedger:
        worker._network = change(running.hfc_network())
        return running.ledger(HfcTransport(worker, running.identity()), **options)

    return made


def _dead(like: Node) -> Node:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return msgspec.structs.replace(like, name="dead", endpoint=f"127.0.0.1:{probe.getsockname()[1]}")


def test_an_orderer_that_is_gone_is_passed_over(reach: Reach) -> None:
    ledger = reach(lambda net: Network(net.peers, (_dead(net.orderers[0]), *net.orderers)))
    assert ledger.submit("put", b"over", b"1").block > 0
    assert ledger.submit("put", b"over", b"2").block > 0
    assert ledger.evaluate("get", b"over") == b"2"


def test_without_any_orderer_nobody_claims_to_know(reach: Reach, running: Site) -> None:
    ledger = reach(lambda net: Network(net.peers, (_dead(net.orderers[0]),)), deadlines=QUICK, retries=ONCE)
    height = running.network.channel(CHANNEL).height
    with pytest.raises(CommitUnknown):
        ledger.submit("put", b"never", b"1")
    assert running.network.channel(CHANNEL).height == height


def test_a_peer_that_is_gone_is_passed_over(reach: Reach) -> None:
    ledger = reach(lambda net: Network(tuple((_dead(peers[0]), *peers) for peers in net.peers), net.orderers))
    first = ledger.submit("event", b"passed", b"1")
    assert ledger.evaluate("get", b"passed") == b"1"
    stream = ledger.events(first.block)
    assert next(stream).tx_id == first.tx_id
    stream.close()


def test_an_organisation_without_a_peer_leaves_nothing_endorsed(reach: Reach) -> None:
    ledger = reach(lambda net: Network((net.peers[0], (_dead(net.peers[1][0]),)), net.orderers))
    assert ledger.evaluate("get", b"a") == b""
    with pytest.raises(LedgerUnavailable, match="dead"):
        ledger.submit("put", b"a", b"b")


@pytest.fixture
def silent() -> Iterator[Callable[[Node], Node]]:
    """A node that takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        yield lambda like: msgspec.structs.replace(like, name="silent", endpoint=address)


def test_silent_nodes_are_passed_over_in_time(reach: Reach, silent: Callable[[Node], Node]) -> None:
    def first(net: Network) -> Network:
        peers = tuple((silent(each[0]), *each) for each in net.peers)
        return Network(peers, (silent(net.orderers[0]), *net.orderers))

    ledger = reach(first, deadlines=Deadlines(evaluate=2, endorse=2, submit=6, commit=20))
    assert ledger.submit("put", b"silence", b"1").block > 0
    assert ledger.evaluate("get", b"silence") == b"1"


def test_a_silent_peer_alone_ends_with_the_deadline(reach: Reach, silent: Callable[[Node], Node]) -> None:
    deadlines = Deadlines(evaluate=0.3, endorse=0.3)
    ledger = reach(lambda net: Network(((silent(net.peers[0][0]),),), net.orderers), deadlines=deadlines)
    for call in (ledger.evaluate, ledger.submit, ledger.endorsed_query):
        with pytest.raises(LedgerUnavailable) as late:
            call("get", b"a")
        assert late.value.values["code"] == "DEADLINE_EXCEEDED"


def test_divergent_endorsements_are_seen_before_anything_is_ordered(ledger: GatewayLedger, running: Site) -> None:
    height = running.network.channel(CHANNEL).height
    ledger._retries = ONCE
    with pytest.raises(Conflict, match="different results"):
        ledger.submit("nondet")
    assert running.network.channel(CHANNEL).height == height


def test_32_at_once_have_32_right_verdicts(running: Site, worker: Worker) -> None:
    """hfc alone mixes them up, and calls an MVCC loser a success."""
    ledger = running.ledger(HfcTransport(worker, running.identity()), retries=ONCE)
    ledger.submit("put", b"hot", b"0")
    together = threading.Barrier(32)

    def run(number: int) -> tuple[str, str, Committed | None]:
        together.wait()
        try:
            if number % 2:
                done = ledger.submit("incr", b"hot")
            else:
                done = ledger.submit("event", f"cold{number}".encode(), b"")
        except Conflict as conflict:
            # Without an id: the endorsers were a block apart, and nothing was ordered.
            return str(conflict.values.get("tx_id", "")), str(conflict.values["code"]), None
        return done.tx_id, "VALID", done

    losers = counted = 0
    while not losers:
        with ThreadPoolExecutor(32) as pool:
            verdicts = list(pool.map(run, range(32)))
        ordered = [verdict for verdict in verdicts if verdict[0]]
        assert len({tx_id for tx_id, *_ in ordered}) == len(ordered)
        for tx_id, code, done in ordered:
            found = running.network.commit_status(CHANNEL, tx_id, 0)
            assert found is not None
            assert TxFlag(found.flag).name == code
            assert done is None or done.block == found.block
        assert [code for _, code, _ in verdicts[::2]] == ["VALID"] * 16
        assert {code for _, code, _ in verdicts[1::2]} <= {"VALID", "MVCC_READ_CONFLICT", "ABORTED"}
        losers = [code for _, code, _ in ordered].count("MVCC_READ_CONFLICT")
        results = sorted(int(done.payload) for _, _, done in verdicts[1::2] if done)
        assert results == list(range(counted + 1, counted + 1 + len(results)))
        counted += len(results)
    assert ledger.evaluate("get", b"hot") == str(counted).encode()


def test_another_workers_transaction_is_looked_up_by_its_id(running: Site, worker: Worker) -> None:
    done = running.ledger(running.transport("grpc")).submit("put", b"elsewhere", b"1")
    running.ledger(running.transport("grpc")).submit("put", b"elsewhere", b"2")
    ledger = running.ledger(HfcTransport(worker, running.identity()), deadlines=QUICK)
    assert ledger.outcome(done.tx_id) == done.block
    with pytest.raises(CommitUnknown):
        ledger.outcome("f" * 64)


def test_a_transaction_that_was_sent_twice_has_the_verdict_of_the_first(
    running: Site, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[gateway_pb2.SubmitRequest] = []
    transport = running.transport("grpc")
    submit = transport.submit

    def keep(request: gateway_pb2.SubmitRequest, timeout: float) -> Any:
        sent.append(request)
        return submit(request, timeout)

    monkeypatch.setattr(transport, "submit", keep)
    done = running.ledger(transport).submit("put", b"twice", b"1")
    again = HfcTransport(worker, running.identity())
    again.submit(sent[0], 20)
    assert running.ledger(again).outcome(done.tx_id, 20) == done.block


def test_events_from_a_block_far_ahead_wait_for_it(ledger: GatewayLedger, running: Site) -> None:
    first = running.network.channel(CHANNEL).height + 2
    stream = ledger.events(first)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, stream)
        done = [ledger.submit("event", b"ahead", str(n).encode()) for n in range(4)]
        assert waiting.result(20).tx_id == next(each for each in done if each.block >= first).tx_id
    stream.close()


def test_a_network_that_restarts_is_found_again(tmp_path: Path) -> None:
    with site(tmp_path) as running:
        nodes = running.server.nodes
        ledger = running.ledger(running.transport("hfc"), deadlines=replace(QUICK, commit=20))
        before = ledger.submit("event", b"before", b"1")
        stream = ledger.events(before.block)
        assert next(stream).tx_id == before.tx_id
        running.server.stop(0)
        with pytest.raises(LedgerUnavailable):
            ledger.evaluate("get", b"before")
        running.server = FabricServer(running.network, nodes)
        after = None
        while after is None:
            try:
                after = ledger.submit("event", b"after", b"2")
            except LedgerUnavailable:  # gRPC waits a moment before it connects again
                continue
        assert next(stream).tx_id == after.tx_id
        stream.close()


@pytest.fixture
def folder(running: Site, tmp_path: Path) -> Path:
    roots = {
        node.mspid: Organisation(node.mspid, running.network.folder / "orgs" / node.mspid).tls_ca.pem.decode()
        for node in running.server.nodes
    }
    profile = encoded(connection_profile("Org1MSP", (CHANNEL,), running.server.nodes, roots, {}))
    identities = {mspid: msp.roots for mspid, msp in running.msps.items()}
    write_identity(tmp_path / "id", running.identity(), profile, identities)
    return tmp_path / "id"


@pytest.mark.parametrize("by", ["environment", "profile"])
def test_an_identitys_folder_reaches_the_ledger_by_hfc(folder: Path, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADAPTER, raising=False)
    with Connection.open(folder) as plain:
        assert isinstance(plain._transport, GrpcTransport)
    if by == "environment":
        monkeypatch.setenv(ADAPTER, "hfc")
    else:
        profile = json.loads((folder / "connection.json").read_text())
        profile["client"]["x-adapter"] = "hfc"
        (folder / "connection.json").write_text(json.dumps(profile))
    with Connection.open(folder) as connection:
        assert isinstance(connection._transport, HfcTransport)
        ledger = connection.ledger(CHANNEL)
        ledger.chaincode = CHAINCODE
        assert ledger.submit("incr", b"by-hfc").payload in (b"1", b"2")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: p.pop("orderers"), "names no orderers"),
        (lambda p: p["orderers"]["orderer0.OrdererMSP"].update(url="grpc://127.0.0.1:1"), "grpcs:// only"),
        (lambda p: p["organizations"]["Org2MSP"].update(peers=["nobody"]), "KeyError 'nobody'"),
        (lambda p: p["orderers"].update(o={}), "KeyError 'url'"),
        (lambda p: p["client"].update({"x-adapter": "telex"}), "no such adapter; there are gateway, hfc"),
    ],
)
def test_a_profile_that_hfc_cannot_use(
    folder: Path, change: Callable[[object], object], says: str, monkeypatch: pytest.MonkeyPatch, running: Site
) -> None:
    monkeypatch.delenv(ADAPTER, raising=False)
    profile = json.loads((folder / "connection.json").read_text())
    profile["client"]["x-adapter"] = "hfc"
    change(profile)
    with pytest.raises(Misuse, match=says):
        Profile(json.dumps(profile).encode(), folder).transport(running.identity())
