"""Several peers of one organisation: whichever answers."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.wire.ledger.harness import CHAINCODE, CHANNEL, Site
from zoneshare.connection import Profile
from zoneshare.embedded import InProcessTransport
from zoneshare.failover import FailoverTransport
from zoneshare.gateway import Deadlines, GatewayLedger, Retries
from zoneshare.grpc_transport import GrpcTransport
from zoneshare.ledger import CommitUnknown, LedgerUnavailable
from zoneshare.transport import Transport, TransportFailure
from zoneshare_network.server import FabricServer
from zoneshare_protocols.errors import Misuse, NotFound, to_wire

QUICK = Deadlines(evaluate=5, endorse=5, submit=5, commit=5, inquiry=0.3)
FAST = Retries(unclear=2, pause=0.0001)


class Peer:
    """A way to the network that a test may cut, before a call is heard or before its answer is."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.calls: list[str] = []
        self.deaf: dict[str, str] = {}
        """By call: the code it fails with, unheard."""
        self.mute: dict[str, str] = {}
        """By call: the code that comes in the place of its answer."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            self.calls.append(name)
            if name in self.deaf:
                raise TransportFailure(self.deaf[name], "gone")
            answer = getattr(self._inner, name)(*args)
            if name in self.mute:
                raise TransportFailure(self.mute[name], "gone")
            return answer

        return call


@pytest.fixture
def two(running: Site) -> tuple[Peer, Peer, GatewayLedger]:
    first, second = (Peer(InProcessTransport(running.gateway)) for _ in range(2))
    return first, second, running.ledger(FailoverTransport([first, second]), deadlines=QUICK, retries=FAST)


Two = tuple[Peer, Peer, GatewayLedger]


def test_the_first_peer_does_all_while_it_answers(two: Two) -> None:
    first, second, ledger = two
    ledger.submit("put", b"one", b"1")
    assert ledger.evaluate("get", b"one") == b"1"
    assert first.calls == ["endorse", "submit", "commit_status", "evaluate"]
    assert second.calls == []


@pytest.mark.parametrize("call", ["evaluate", "endorse", "commit_status"])
def test_what_only_reads_is_asked_of_the_next_at_once_and_stays_there(two: Two, call: str) -> None:
    first, second, ledger = two
    first.deaf[call] = "UNAVAILABLE"
    ledger.submit("put", b"over", b"1")
    assert ledger.evaluate("get", b"over") == b"1"
    assert call in second.calls
    first.deaf.clear()
    first.calls.clear()
    ledger.evaluate("get", b"over")
    assert first.calls == []


def test_a_submit_without_an_answer_is_asked_for_at_the_next_peer_before_anything_is_sent(two: Two) -> None:
    first, second, ledger = two
    ledger.submit("put", b"n", b"0")
    first.mute["submit"] = "UNAVAILABLE"
    assert ledger.submit("incr", b"n").payload == b"1"
    assert second.calls == ["commit_status"]
    assert ledger.evaluate("get", b"n") == b"1"


def test_a_submit_that_never_arrived_is_sent_again_by_the_next_peer_after_asking(two: Two) -> None:
    first, second, ledger = two
    ledger.submit("put", b"m", b"0")
    first.calls.clear()
    first.deaf["submit"] = "UNAVAILABLE"
    assert ledger.submit("incr", b"m").payload == b"1"
    assert first.calls == ["endorse", "submit"]
    assert second.calls == ["commit_status", "submit", "commit_status"]


def test_a_peer_that_does_not_answer_in_time_is_not_the_first_to_be_asked_again(two: Two) -> None:
    first, second, ledger = two
    first.deaf["evaluate"] = "DEADLINE_EXCEEDED"
    with pytest.raises(LedgerUnavailable):
        ledger.evaluate("get", b"a")
    assert ledger.evaluate("get", b"a") == b""
    assert second.calls == ["evaluate"]


def test_a_peer_without_a_plan_is_passed_over_and_a_refusal_is_not(two: Two) -> None:
    first, second, ledger = two
    first.deaf["endorse"] = "FAILED_PRECONDITION"
    assert ledger.submit("put", b"plan", b"1").block > 0
    assert second.calls == ["endorse"]
    first.deaf["endorse"] = "PERMISSION_DENIED"
    with pytest.raises(Exception, match="gone"):
        ledger.submit("put", b"plan", b"2")
    assert second.calls == ["endorse"]


def test_when_all_are_gone_it_is_unavailable_or_unknown(two: Two) -> None:
    first, second, ledger = two
    for peer in (first, second):
        peer.deaf["evaluate"] = peer.deaf["submit"] = peer.deaf["commit_status"] = "UNAVAILABLE"
    with pytest.raises(LedgerUnavailable):
        ledger.evaluate("get", b"a")
    with pytest.raises(CommitUnknown):
        ledger.submit("put", b"a", b"b")


def test_a_proof_of_what_a_lagging_endorser_has_not_yet_is_asked_for_again(two: Two) -> None:
    first, _, ledger = two
    ledger.submit("put", b"new", b"1")
    answers = iter(range(3))
    inner = first._inner

    class Lagging:
        def endorse(self, *args: Any) -> Any:
            if next(answers, None) is not None:
                raise TransportFailure("ABORTED", "failed to endorse", (to_wire(NotFound("no such key")),))
            return inner.endorse(*args)

    first._inner = Lagging()  # type: ignore[assignment]
    assert ledger.endorsed_query("get", b"new").endorsements
    answers = iter(range(1000))
    first.calls.clear()
    with pytest.raises(NotFound):
        ledger.endorsed_query("get", b"new")
    assert len(first.calls) == FAST.lagging


@pytest.fixture
def servers(running: Site) -> Iterator[tuple[FabricServer, FabricServer]]:
    """Two more peers' worth of servers on the site's network."""
    made = FabricServer(running.network), FabricServer(running.network)
    yield made
    made[1].stop(0)


def test_a_server_killed_under_load_costs_nothing(running: Site, servers: tuple[FabricServer, FabricServer]) -> None:
    transport = FailoverTransport([GrpcTransport(server.address, running.tls_roots) for server in servers])
    ledger = running.ledger(transport, deadlines=Deadlines(inquiry=0.5), retries=Retries(conflicts=500, longest=0.05))
    ledger.submit("put", b"load", b"0")
    stream = ledger.events(ledger.submit("event", b"begin", b"").block)
    heard: list[bytes] = []
    all_heard = threading.Event()
    halfway = threading.Semaphore(0)

    def listen() -> None:
        for event in stream:
            heard.append(event.payload)
            if len(heard) == 1 + 64:
                all_heard.set()

    listener = threading.Thread(target=listen)
    listener.start()

    def work(number: int) -> str:
        done = ledger.submit("event", f"key{number}".encode(), str(number).encode())
        halfway.release()
        return done.tx_id

    with ThreadPoolExecutor(8) as pool:
        running_ones = [pool.submit(work, number) for number in range(64)]
        for _ in range(16):
            halfway.acquire()
        servers[0].stop(0)
        ids = {each.result() for each in running_ones}
    assert len(ids) == 64
    assert all_heard.wait(10)
    stream.close()
    listener.join(10)
    assert heard[0] == b""
    assert sorted(map(int, heard[1:])) == list(range(64))
    transport.close()


def test_a_profile_names_all_of_an_organisations_peers(
    running: Site, servers: tuple[FabricServer, FabricServer], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    root = {"pem": running.tls_roots.decode()}
    urls = {"peer0": f"127.0.0.1:{nobody}", "peer1": servers[0].address, "foreign": "127.0.0.1:1"}
    profile = {
        "client": {"organization": "Org1MSP"},
        "channels": {CHANNEL: {}},
        "organizations": {"Org1MSP": {"peers": ["peer0", "peer1"]}, "Org2MSP": {"peers": ["foreign"]}},
        "peers": {name: {"url": f"grpcs://{at}", "tlsCACerts": root} for name, at in urls.items()},
    }
    found = Profile(json.dumps(profile).encode(), tmp_path)
    assert [peer.name for peer in found.peers] == ["peer0", "peer1"]
    identity = running.identity()
    transport = found.transport(identity)
    ledger = GatewayLedger(transport, CHANNEL, identity, chaincode=CHAINCODE)
    assert ledger.submit("put", b"profile", b"1").block > 0
    transport.close()
    profile["organizations"]["Org1MSP"]["peers"] = []  # type: ignore[index]
    with pytest.raises(Misuse, match="no peer"):
        Profile(json.dumps(profile).encode(), tmp_path)
    with pytest.raises(Misuse, match="no peer"):
        FailoverTransport([])
