"""What a contract may rely on when a peer runs it through the host: as in Fabric, call by call."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.memory_identity import identity
from tests.support.memory_stub import ContractBroken, Zone
from tests.wire.host.asset import BIG
from tests.wire.host.conftest import NOW_MS
from tests.wire.host.process import ID, HostProcess
from zoneshare_network.ccaas import CcaasChaincode
from zoneshare_protocols.stub import ERROR, Response, composite_key

ME = identity("Org1MSP", "device")


def put_all(zone: Zone, *keys: str) -> None:
    for key in keys:
        zone.submit(ME, "put", key, key.upper())


def test_reads_and_writes(zone: Zone) -> None:
    assert zone.submit(ME, "put", "color", "blue") == b"blue"
    assert zone.evaluate(ME, "get", "color") == b"blue"
    zone.submit(ME, "delete", "color")
    assert zone.snapshot() == {}
    with pytest.raises(ContractBroken, match="KeyError: 'color'"):
        zone.evaluate(ME, "get", "color")


def test_who_where_and_when_are_the_proposals(zone: Zone) -> None:
    simulation = zone.endorse(ME, "whoami")
    assert simulation.result().decode() == f"Org1MSP zone-a {simulation.tx_id} {NOW_MS // 1000}"


def test_transient_data_reaches_the_contract_only_where_it_is_given(zone: Zone) -> None:
    assert zone.endorse(ME, "tput", "s", transient={"secret": b"12345"}).result() == b"5"
    with pytest.raises(ContractBroken, match="KeyError: 'secret'"):
        zone.endorse(ME, "tput", "s").result()


def test_event_is_in_the_completed_message(zone: Zone) -> None:
    zone.submit(ME, "putev", "shape", "round")
    (event,) = zone.events
    assert (event.name, json.loads(event.payload)) == ("put", {"k": "shape", "v": "round"})


def test_64_calls_at_once_each_get_their_own_answer(zone: Zone) -> None:
    put_all(zone, *(f"k{n}" for n in range(64)))
    with ThreadPoolExecutor(64) as pool:
        for _ in range(4):
            answers = list(pool.map(lambda n: zone.evaluate(ME, "get", f"k{n}"), range(64)))
            assert answers == [f"K{n}".encode() for n in range(64)]


def test_64_sleeping_calls_overlap(zone: Zone) -> None:
    with ThreadPoolExecutor(64) as pool:
        slow = [pool.submit(zone.evaluate, ME, "slow", "1.5") for _ in range(63)]
        put_all(zone, "quick")
        assert zone.evaluate(ME, "get", "quick") == b"QUICK"
        assert not any(call.done() for call in slow), "a quick call waited for slow ones"
        assert {call.result() for call in slow} == {b"1.5"}


@pytest.mark.parametrize("function", ["raise", "exit", "none"])
def test_whatever_a_contract_raises_is_answered_without_its_words(zone: Zone, function: str) -> None:
    response = zone.endorse(ME, function, "x").response
    assert response.status == ERROR
    assert response.message.startswith("internal error in the chaincode: ")
    assert "secret" not in response.message


def test_what_a_contract_raises_is_logged_in_one_line_without_its_words(zone: Zone, host: HostProcess) -> None:
    zone.endorse(ME, "raise", "x")
    host.wait_for("ERROR transaction .*: RuntimeError raised at _raise")
    assert not any("secret words" in line or "Traceback" in line for line in host.lines)


def test_unknown_function_is_the_contracts_to_refuse(zone: Zone) -> None:
    assert zone.endorse(ME, "nope").response == Response(ERROR, "KeyError: 'nope'")


def test_a_plain_range_never_gives_composite_keys(zone: Zone) -> None:
    put_all(zone, "a", "b", "c", "\U0010ffffz")
    zone.submit(ME, "cput", "car", "red", "1", "x")
    assert json.loads(zone.evaluate(ME, "range", "", "c")) == [["a", "A"], ["b", "B"]]
    assert [key for key, _ in json.loads(zone.evaluate(ME, "range", "", ""))][:3] == ["a", "b", "c"]
    for start, end in (("\x00car", ""), ("", "\x00d")):
        with pytest.raises(ContractBroken, match="starts or ends with a composite key"):
            zone.evaluate(ME, "range", start, end)


def test_composite_ranges_give_only_their_own_kind(zone: Zone) -> None:
    put_all(zone, "car")
    for colour, number in (("red", "1"), ("red", "2"), ("green", "1")):
        zone.submit(ME, "cput", "car", colour, number, "x")
    zone.submit(ME, "cput", "cart", "red", "9", "x")
    assert json.loads(zone.evaluate(ME, "clist", "car", "red")) == [[["red", "1"], "x"], [["red", "2"], "x"]]
    assert len(json.loads(zone.evaluate(ME, "clist", "car"))) == 3


def test_a_whole_range_longer_than_a_message_is_read_to_its_end(zone: Zone) -> None:
    zone.state = {f"k{n:04}": (b"v", 1) for n in range(301)}
    simulation = zone.endorse(ME, "range", "", "")
    assert [key for key, _ in json.loads(simulation.result())] == sorted(zone.state)
    assert len(simulation.ranges) == 1


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 100, 250])
def test_pages_with_bookmarks_give_every_key_once(zone: Zone, count: int) -> None:
    zone.state = {f"k{n:04}": (b"v", 1) for n in range(count)} | {composite_key("car", "x"): (b"v", 1)}
    size = 3 if count < 50 else 60
    seen: list[str] = []
    bookmark = ""
    while True:
        keys, bookmark = json.loads(zone.evaluate(ME, "paged", "", "", str(size), bookmark))
        seen += keys
        assert len(keys) <= size
        if not bookmark:
            break
    assert seen == [f"k{n:04}" for n in range(count)]


def test_pages_of_composite_keys(zone: Zone) -> None:
    zone.state = {composite_key("car", str(n)): (b"v", 1) for n in range(5)} | {"plain": (b"v", 1)}
    keys, bookmark = json.loads(zone.evaluate(ME, "cpaged", "car", "3", ""))
    assert (keys, bookmark) == (["0", "1", "2"], composite_key("car", "3"))
    assert json.loads(zone.evaluate(ME, "cpaged", "car", "3", bookmark)) == [["3", "4"], ""]


@pytest.mark.parametrize("bookmark", ["\x00car\x00", "z", "a"])
def test_a_bookmark_cannot_lead_out_of_the_range(zone: Zone, bookmark: str) -> None:
    zone.state = dict.fromkeys(("a", "m", "z", composite_key("car", "x")), (b"v", 1))
    with pytest.raises(ContractBroken, match="bookmark is not in the range"):
        zone.evaluate(ME, "paged", "b", "z", "1", bookmark)


def test_a_write_after_a_page_is_refused_in_the_peers_words(zone: Zone) -> None:
    with pytest.raises(ContractBroken, match=r"PeerRefused: PUT_STATE failed: transaction ID: .*paged query must not"):
        zone.submit(ME, "page_and_put")


def test_an_empty_key_is_refused(zone: Zone) -> None:
    for function in (("put", "", "x"), ("delete", "")):
        with pytest.raises(ContractBroken, match="Malformed: a key must not be empty"):
            zone.submit(ME, *function)


def test_history_is_newest_first_and_may_be_left_early(zone: Zone) -> None:
    for n in range(230):
        zone.submit(ME, "put", "k", str(n))
    history = json.loads(zone.evaluate(ME, "history", "k"))
    assert [value for _, value in history] == [str(n) for n in reversed(range(230))]
    assert zone.evaluate(ME, "latest", "k") == b"229229"


def test_values_of_a_megabyte(zone: Zone) -> None:
    assert [zone.submit(ME, "big") for _ in range(2)] == [b"0", str(BIG).encode()]
    assert len(zone.snapshot()["big"]) == BIG


def test_a_contracts_own_threads_take_turns(zone: Zone) -> None:
    put_all(zone, *"abcdefgh")
    assert json.loads(zone.evaluate(ME, "threads", *"abcdefgh")) == {key: key.upper() for key in "abcdefgh"}


def test_a_stub_kept_beyond_its_transaction_is_of_no_use(zone: Zone) -> None:
    zone.evaluate(ME, "keep")
    assert "PeerGone: the transaction is over" in zone.endorse(ME, "use_kept", "a").response.message


def test_two_peers_at_once_have_their_own_state(host: HostProcess) -> None:
    chaincodes = [CcaasChaincode(host.connection, ID) for _ in range(2)]
    zones = [Zone("zone-a", chaincode, lambda: NOW_MS) for chaincode in chaincodes]
    for number, zone in enumerate(zones):
        zone.submit(ME, "put", "k", str(number))
    with ThreadPoolExecutor(32) as pool:
        # The same transaction ids on both: each peer endorses each transaction.
        answers = list(pool.map(lambda n: zones[n % 2].evaluate(ME, "get", "k"), range(200)))
    assert answers == [b"0", b"1"] * 100
    for chaincode in chaincodes:
        chaincode.close()
