"""What a chaincode sees of the ledger, and what its read-write set says of that."""

import json
from pathlib import Path

import pytest

from tests.support.embedded import Client, Raising, enrol, running
from zoneshare_network import lifecycle
from zoneshare_protocols.fabric.endorsement import Action, decode_action
from zoneshare_protocols.fabric.rwset import NamespaceSet, Version
from zoneshare_protocols.stub import composite_key


def _action(client: Client, function: str, *args: str) -> Action:
    answer = client.ask("Org1MSP", function, *args)
    assert answer.response.status == 200, answer.response.message
    return decode_action(answer.payload)


def _own(action: Action) -> NamespaceSet:
    return next(space for space in action.results.namespaces if space.namespace == "asset")


def test_own_writes_are_not_visible(client: Client) -> None:
    action = _action(client, "blind", "unseen", "new")
    assert action.response.payload == b"absent"
    own = _own(action)
    assert [(write.key, write.value) for write in own.writes] == [("unseen", b"new")]
    assert [(read.key, read.version) for read in own.reads] == [("unseen", None)]


def test_reads_carry_the_version_of_the_last_write(client: Client) -> None:
    done = client.submit("put", "versioned", "1")
    assert [read.version for read in _own(_action(client, "get", "versioned")).reads] == [Version(done.block, 0)]


def test_every_transaction_reads_the_chaincodes_definition(client: Client) -> None:
    definition = _action(client, "put", "x", "y").results.namespaces[0]
    assert definition.namespace == lifecycle.NAMESPACE
    assert [(read.key, read.version) for read in definition.reads] == [(lifecycle.sequence_key("asset"), Version(1, 0))]


def test_a_range_is_whole_and_guarded(client: Client) -> None:
    for key in ("rg-a", "rg-b", "rg-c"):
        client.submit("put", key, "1")
    action = _action(client, "range", "rg-a", "rg-c")
    assert json.loads(action.response.payload) == ["rg-a", "rg-b"]
    (query,) = _own(action).range_queries
    assert (query.start, query.end, query.exhausted) == ("rg-a", "rg-c", True)
    assert [read.key for read in query.reads] == ["rg-a", "rg-b"]


def test_composite_keys_are_no_part_of_plain_ranges(client: Client) -> None:
    client.submit("cput", "kind", "a", "1")
    client.submit("cput", "kind", "ab", "2")
    assert not [key for key in json.loads(client.evaluate("range", "", "")) if key.startswith("\x00")]
    assert json.loads(client.evaluate("clist", "kind", "a")) == [composite_key("kind", "a", "1")]
    assert len(json.loads(client.evaluate("clist", "kind"))) == 2
    assert client.ask("Org1MSP", "range", "\x00kind", "").response.status == 500


def test_keys_are_ordered_by_their_bytes(client: Client) -> None:
    keys = ["ord-z", "ord-é", "ord-\uffff", "ord-\U0001f600"]
    for key in reversed(keys):
        client.submit("put", key, "1")
    assert json.loads(client.evaluate("range", "ord-", "ord-\U0010ffff")) == keys


def test_pages_go_on_at_the_bookmark(client: Client) -> None:
    for n in range(5):
        client.submit("put", f"pg-{n}", "1")
    seen: list[str] = []
    bookmark = ""
    sizes = []
    while True:
        keys, bookmark = json.loads(client.evaluate("page", "pg-", "pg-z", "2", bookmark))
        seen += keys
        sizes.append(len(keys))
        if not bookmark:
            break
    assert seen == [f"pg-{n}" for n in range(5)]
    assert sizes == [2, 2, 1]
    assert json.loads(client.evaluate("page", "pg-", "pg-z", "5", "")) == [seen, ""]


@pytest.mark.parametrize("function", ["page_and_put", "put_and_page"])
def test_pages_and_writes_do_not_mix(client: Client, function: str) -> None:
    client.submit("put", "pw", "1")
    answer = client.ask("Org1MSP", function, "pw")
    assert answer.response.status == 500
    assert not answer.HasField("endorsement")


def test_the_last_event_counts(client: Client) -> None:
    event = _action(client, "putev", "k", "v").event
    assert event is not None
    assert (event.name, event.payload, event.chaincode) == ("put", b"v", "asset")


def test_transient_data_reaches_the_chaincode_and_not_the_ledger(client: Client) -> None:
    secret = b"a very private value"
    envelope, tx_id = client.endorsed("tput", "length", transient={"secret": secret})
    assert secret not in envelope.payload
    client.order(envelope)
    client.committed(tx_id)
    assert client.evaluate("get", "length") == str(len(secret)).encode()


def test_the_stub_knows_creator_channel_id_and_time(client: Client) -> None:
    mspid, channel, tx_id, timestamp = client.evaluate("whoami").decode().split()
    assert (mspid, channel, len(tx_id)) == ("Org1MSP", "zone-a", 64)
    assert abs(int(timestamp) - client.network.clock_ms()) < 60_000


def test_a_failing_chaincode_is_answered_without_an_endorsement(client: Client) -> None:
    answer = client.ask("Org1MSP", "fail")
    assert (answer.response.status, answer.response.message) == (500, "ValueError: boom")
    assert not answer.HasField("endorsement")
    assert client.ask("Org1MSP", "nosuch").response.message == "unknown function nosuch"


def test_an_empty_key_or_event_name_is_refused(client: Client) -> None:
    assert client.ask("Org1MSP", "put", "", "1").response.status == 500


def test_unknown_chaincode_and_channel(client: Client) -> None:
    elsewhere = Client(client.network, client.signer, chaincode="nochaincode")
    assert elsewhere.ask("Org1MSP", "get", "k").response.message.endswith("chaincode nochaincode not found")
    nowhere = Client(client.network, client.signer, channel="zone-x")
    assert nowhere.ask("Org1MSP", "get", "k").response.message == "channel 'zone-x' not found"


def test_chaincodes_do_not_see_each_other_and_one_that_raises_is_answered(tmp_path: Path) -> None:
    from tests.support.embedded import Asset

    with running(tmp_path, {"asset": Asset(), "other": Asset(), "raising": Raising()}) as network:
        signer = enrol(network)
        asset, other = Client(network, signer), Client(network, signer, chaincode="other")
        asset.submit("put", "k", "mine")
        assert other.ask("Org1MSP", "get", "k").response.status == 500
        answer = Client(network, signer, chaincode="raising").ask("Org2MSP", "any")
        assert (answer.response.status, answer.response.message) == (500, "RuntimeError: out of order")
