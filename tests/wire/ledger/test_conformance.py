"""What every adapter of the Ledger port must do, on each transport."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.wire.ledger.harness import CHAINCODE, CHANNEL, Site
from zoneshare.gateway import GatewayLedger, Retries
from zoneshare.hfc.adapter import HfcTransport
from zoneshare.ledger import ChaincodeEvent, Conflict, Refused
from zoneshare.transport import Transport
from zoneshare_network.pki import Authority, Role
from zoneshare_network.topology import utc
from zoneshare_protocols.errors import InsufficientFunds
from zoneshare_protocols.fabric import endorsed_query
from zoneshare_protocols.fabric.policy import parse_policy
from zoneshare_protocols.sharing.records import Trust

GATEWAYS_CODES = ("UNAVAILABLE", "FAILED_PRECONDITION")


def test_what_is_submitted_is_read(ledger: GatewayLedger) -> None:
    committed = ledger.submit("put", b"colour", b"blue")
    assert ledger.evaluate("get", b"colour") == b"blue"
    assert committed.block >= 1
    assert len(committed.tx_id) == 64
    assert ledger.outcome(committed.tx_id) == committed.block


def test_the_payload_of_a_submit_is_the_functions_result(ledger: GatewayLedger) -> None:
    ledger.submit("put", b"counter", b"41")
    assert ledger.submit("incr", b"counter").payload == b"42"


def test_evaluate_writes_nothing(ledger: GatewayLedger) -> None:
    ledger.submit("put", b"still", b"7")
    assert ledger.evaluate("incr", b"still") == b"8"
    assert ledger.evaluate("get", b"still") == b"7"


def test_transient_data_reaches_the_contract_and_no_block(ledger: GatewayLedger, running: Site) -> None:
    secret = b"only-for-the-endorsers"
    committed = ledger.submit("tput", b"t", transient={"secret": secret})
    assert ledger.evaluate("get", b"t") == str(len(secret)).encode()
    block = next(iter(running.network.deliver(CHANNEL, committed.block)))
    assert secret not in block.SerializeToString()


def test_a_contracts_error_comes_whole(ledger: GatewayLedger) -> None:
    for call in (ledger.evaluate, ledger.submit, ledger.endorsed_query):
        with pytest.raises(InsufficientFunds) as refused:
            call("refuse")
        assert refused.value.message == "too little"
        assert refused.value.values == {"balance": 1, "needed": 2}


def test_a_chaincodes_own_words_come_with_fabrics_code(ledger: GatewayLedger) -> None:
    with pytest.raises(Refused, match="ValueError: boom") as submitted:
        ledger.submit("boom")
    assert submitted.value.values == {"code": "ABORTED", "status": 500}
    with pytest.raises(Refused, match="unknown function nothing") as evaluated:
        ledger.evaluate("nothing")
    assert evaluated.value.values["code"] == "UNKNOWN"


def test_divergent_endorsements_are_tried_again_and_then_a_conflict(running: Site, transport: Transport) -> None:
    ledger = running.ledger(transport, retries=Retries(conflicts=3, pause=0.0001))
    with pytest.raises(Conflict, match="different results"):
        ledger.submit("nondet")
    assert ledger.conflicts == 3


def test_unknown_channel_and_chaincode(running: Site, transport: Transport) -> None:
    # A gateway has codes of its own for what a peer, asked directly, says as a failed proposal.
    evaluated, endorsed = ("UNKNOWN", "ABORTED") if isinstance(transport, HfcTransport) else GATEWAYS_CODES
    with pytest.raises(Refused, match="zone-x") as no_channel:
        running.ledger(transport, channel="zone-x").evaluate("get", b"a")
    assert no_channel.value.values["code"] == evaluated
    with pytest.raises(Refused, match="nochaincode") as no_chaincode:
        running.ledger(transport, chaincode="nochaincode").submit("put", b"a", b"b")
    assert no_chaincode.value.values["code"] == endorsed


def test_an_identity_of_a_foreign_authority_is_refused(running: Site, transport: Transport) -> None:
    foreign = Authority.create("ca", "Org1MSP", utc(running.network.clock_ms()))
    genuine = running.identity()
    public = genuine.key.public_key()
    certificate = foreign.enrol(public, "user", Role.CLIENT, utc(running.network.clock_ms()))
    ledger = running.ledger(transport, identity=type(genuine)("Org1MSP", certificate, genuine.key))
    with pytest.raises(Refused, match="access denied"):
        ledger.submit("put", b"a", b"b")
    with pytest.raises(Refused, match="access denied"):
        ledger.evaluate("get", b"a")
    with pytest.raises(Refused) as events:
        next(ledger.events(0))
    assert events.value.values["code"] == "PERMISSION_DENIED"


def test_conflicting_submits_are_retried_and_counted(running: Site, transport: Transport) -> None:
    ledger = running.ledger(transport, retries=Retries(conflicts=200, pause=0.002, longest=0.05))
    ledger.submit("put", b"hot", b"0")
    before = ledger.conflicts
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: ledger.submit("incr", b"hot"), range(24)))
    assert ledger.evaluate("get", b"hot") == b"24"
    assert sorted(int(r.payload) for r in results) == list(range(1, 25))
    assert len({r.tx_id for r in results}) == 24
    assert ledger.conflicts > before


def test_phantoms_are_retried(running: Site, transport: Transport) -> None:
    ledger = running.ledger(transport, retries=Retries(conflicts=200, pause=0.002, longest=0.05))
    ledger.submit("put", b"p0", b"1")
    with ThreadPoolExecutor(4) as pool:
        adding = [pool.submit(ledger.submit, "put", f"p{n}".encode(), b"1") for n in range(1, 6)]
        summing = [pool.submit(ledger.submit, "sum", b"p", b"q") for _ in range(3)]
        for done in (*adding, *summing):
            done.result()
    ledger.submit("sum", b"p", b"q")
    assert ledger.evaluate("get", b"total") == b"6"


def test_an_endorsed_query_convinces_who_trusts_the_organisations(ledger: GatewayLedger, running: Site) -> None:
    ledger.submit("put", b"proven", b"yes")
    query = ledger.endorsed_query("get", b"proven")
    policy = parse_policy("AND('Org1MSP.peer','Org2MSP.peer')").SerializeToString(deterministic=True)
    roots = tuple((name, (o.ca.pem,)) for name, o in running.network.organisations.items())
    trust = Trust(CHANNEL, CHANNEL, CHAINCODE, policy, roots, (), 1)
    shown = endorsed_query.verify(query, trust, ("get",), running.network.clock_ms())
    assert (shown.function, shown.args, shown.result) == ("get", (b"proven",), b"yes")


def test_an_endorsed_query_is_never_ordered(ledger: GatewayLedger, running: Site) -> None:
    height = running.network.channel(CHANNEL).height
    ledger.endorsed_query("incr", b"never")
    assert ledger.evaluate("get", b"never") == b""
    assert running.network.channel(CHANNEL).height == height


def test_events_from_a_block_on_in_order(ledger: GatewayLedger) -> None:
    first = ledger.submit("event", b"made", b"1")
    second = ledger.submit("event", b"made", b"2")
    ledger.submit("put", b"quiet", b"no event")
    third = ledger.submit("event", b"made", b"3")
    stream = ledger.events(first.block)
    assert [next(stream) for _ in range(3)] == [
        ChaincodeEvent(each.block, each.tx_id, "made", payload)
        for each, payload in ((first, b"1"), (second, b"2"), (third, b"3"))
    ]
    stream.close()
    later = ledger.events(third.block)
    assert next(later).payload == b"3"
    later.close()


def test_events_from_now_on(ledger: GatewayLedger) -> None:
    old = ledger.submit("event", b"old", b"")
    seen: list[ChaincodeEvent] = []
    stream = ledger.events()
    ready = threading.Event()

    def listen() -> None:
        for event in stream:
            seen.append(event)
            ready.set()

    listener = threading.Thread(target=listen)
    listener.start()
    # The server may subscribe after our next submit has committed, so go on until one is heard.
    while not ready.wait(0.1):
        ledger.submit("event", b"new", b"")
    stream.close()
    listener.join(10)
    assert not listener.is_alive()
    assert {event.name for event in seen} == {"new"}
    assert old.tx_id not in {event.tx_id for event in seen}


def test_a_closed_stream_ends_a_waiting_listener(ledger: GatewayLedger, running: Site) -> None:
    stream = ledger.events(running.network.channel(CHANNEL).height + 5)
    ended = threading.Event()

    def listen() -> None:
        list(stream)
        ended.set()

    listener = threading.Thread(target=listen)
    listener.start()
    assert not ended.wait(0.05)
    stream.close()
    assert ended.wait(10)
    listener.join()


def test_many_threads_may_use_one_ledger(ledger: GatewayLedger) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: ledger.submit("put", f"many{n}".encode(), str(n).encode()), range(64)))
        values = list(pool.map(lambda n: ledger.evaluate("get", f"many{n}".encode()), range(64)))
    assert values == [str(n).encode() for n in range(64)]
