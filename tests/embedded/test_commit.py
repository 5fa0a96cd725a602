"""From a proposal to the ledger: validation codes, and what a transaction leaves behind."""

import json
import threading
from itertools import islice

import pytest
from fabric_protos.common import common_pb2

from tests.support.embedded import CHANNEL, TIMEOUT, Client, enrol
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_protocols.errors import NotFound
from zoneshare_protocols.fabric import block as blocks
from zoneshare_protocols.fabric import transaction
from zoneshare_protocols.fabric.transaction import DivergentEndorsements
from zoneshare_protocols.fabric.validation import TxFlag


def test_a_write_is_read_back_after_its_block(client: Client) -> None:
    done = client.submit("put", "colour", "blue")
    assert done.flag is TxFlag.VALID
    assert client.evaluate("get", "colour") == b"blue"
    envelope = next(iter(client.network.deliver(CHANNEL, done.block))).data.data[0]
    assert transaction.parse(envelope).tx_id == done.tx_id


def test_of_two_that_read_one_version_the_second_conflicts(client: Client) -> None:
    client.submit("put", "hot", "1")
    first, first_id = client.endorsed("incr", "hot")
    second, second_id = client.endorsed("incr", "hot")
    client.order(second)
    client.order(first)
    assert client.committed(second_id).flag is TxFlag.VALID
    assert client.committed(first_id).flag is TxFlag.MVCC_READ_CONFLICT
    assert client.evaluate("get", "hot") == b"2"


def test_a_key_that_appears_in_a_range_read_is_a_phantom(client: Client) -> None:
    client.submit("put", "ph-b", "1")
    counting, tx_id = client.endorsed("count", "ph-a", "ph-z", "sum-of-ph")
    client.submit("put", "ph-c", "1")
    client.order(counting)
    assert client.committed(tx_id).flag is TxFlag.PHANTOM_READ_CONFLICT
    assert client.submit("count", "ph-a", "ph-z", "sum-of-ph").flag is TxFlag.VALID
    assert client.evaluate("get", "sum-of-ph") == b"2"


def test_a_key_that_changes_in_a_range_read_conflicts(client: Client) -> None:
    client.submit("put", "rc-b", "1")
    counting, tx_id = client.endorsed("count", "rc-a", "rc-z", "sum-of-rc")
    client.submit("put", "rc-b", "2")
    client.order(counting)
    assert client.committed(tx_id).flag is not TxFlag.VALID


def test_a_transaction_counts_once_however_often_it_is_ordered(client: Client) -> None:
    envelope, tx_id = client.endorsed("put", "once", "1")
    client.order(envelope)
    first = client.committed(tx_id)
    client.order(envelope)
    marker = client.submit("put", "after-once", "1")
    assert client.committed(tx_id) == first
    flags = [flag for block in _blocks(client, first.block, marker.block) for flag in blocks.flags(block)]
    assert flags.count(TxFlag.DUPLICATE_TXID) == 1


def test_twice_in_one_block_is_a_duplicate_too(client: Client) -> None:
    envelope, tx_id = client.endorsed("put", "twin", "1")
    client.order(envelope)
    client.order(envelope)
    marker = client.submit("put", "after-twin", "1")
    flags = [f for b in _blocks(client, client.committed(tx_id).block, marker.block) for f in blocks.flags(b)]
    assert flags.count(TxFlag.DUPLICATE_TXID) == 1


def test_a_transaction_id_on_the_ledger_is_refused_at_endorsement(client: Client) -> None:
    proposed, tx_id = client.propose("put", "replayed", "1")
    signed = client.signed(proposed)
    answers = [client.network.process_proposal(mspid, signed) for mspid in client.network.peers]
    client.order(transaction.sign(transaction.assemble(proposed, answers), client.signer.key))
    client.committed(tx_id)
    with pytest.raises(Exception, match=f"duplicate transaction found \\[{tx_id}\\]"):
        client.network.process_proposal("Org1MSP", signed)


def test_one_organisation_alone_cannot_write(client: Client) -> None:
    envelope, tx_id = client.endorsed("put", "lonely", "1", by=("Org2MSP",))
    client.order(envelope)
    assert client.committed(tx_id).flag is TxFlag.ENDORSEMENT_POLICY_FAILURE
    with pytest.raises(Exception, match="lonely"):
        client.evaluate("get", "lonely")


def test_one_peer_twice_is_still_one_organisation(client: Client) -> None:
    envelope, tx_id = client.endorsed("put", "lonely", "1", by=("Org1MSP", "Org1MSP"))
    client.order(envelope)
    assert client.committed(tx_id).flag is TxFlag.ENDORSEMENT_POLICY_FAILURE


def test_peers_simulate_by_themselves_so_a_random_write_diverges(client: Client) -> None:
    with pytest.raises(DivergentEndorsements):
        client.endorsed("nondet", "dice")


def test_results_changed_after_endorsement_are_worth_nothing(client: Client) -> None:
    envelope, tx_id = client.endorsed("put", "price", "10")
    forged = envelope.payload.replace(b"\x0210", b"\x0299")
    assert forged != envelope.payload
    client.order(transaction.sign(forged, client.signer.key))
    assert client.committed(tx_id).flag is not TxFlag.VALID
    assert client.ask("Org1MSP", "get", "price").response.status == 500


def test_history_is_newest_first_and_knows_deletes(client: Client) -> None:
    ids = [client.submit("put", "told", value).tx_id for value in ("a", "b")]
    ids.append(client.submit("delete", "told").tx_id)
    expected = [[ids[2], "", True], [ids[1], "b", False], [ids[0], "a", False]]
    assert json.loads(client.evaluate("history", "told")) == expected


def test_channels_are_private_to_each_other(client: Client) -> None:
    client.submit("put", "secret", "a")
    other = Client(client.network, client.signer, channel="zone-b")
    assert other.ask("Org1MSP", "get", "secret").response.status == 500
    envelope, tx_id = client.endorsed("put", "secret", "b")
    assert client.order(envelope).status == common_pb2.SUCCESS
    client.committed(tx_id)
    assert client.network.commit_status("zone-b", tx_id, 0) is None
    assert other.ask("Org1MSP", "get", "secret").response.status == 500


def test_a_transaction_of_one_channel_is_refused_by_another(network: EmbeddedNetwork, client: Client) -> None:
    envelope, _ = client.endorsed("put", "here", "1")
    payload = common_pb2.Payload.FromString(envelope.payload)
    header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    header.channel_id = "zone-b"
    payload.header.channel_header = header.SerializeToString()
    moved = transaction.sign(payload.SerializeToString(), client.signer.key)
    assert client.order(moved).status == common_pb2.SUCCESS
    tx_id = header.tx_id
    found = network.commit_status("zone-b", tx_id, TIMEOUT)
    assert found is not None
    assert found.flag is not TxFlag.VALID


def test_deliver_goes_on_from_a_block_as_blocks_come(client: Client) -> None:
    start = client.network.channel(CHANNEL).height
    got: list[int] = []
    done = threading.Event()

    def follow() -> None:
        for block in islice(client.network.deliver(CHANNEL, start), 3):
            got.append(block.header.number)
        done.set()

    threading.Thread(target=follow, daemon=True).start()
    for n in range(3):
        client.submit("put", f"followed{n}", "1")
    assert done.wait(TIMEOUT)
    assert got == [start, start + 1, start + 2]


def test_deliver_ends_when_asked_to(client: Client) -> None:
    over = threading.Event()
    channel = client.network.channel(CHANNEL)
    iterator = channel.deliver(channel.height, lambda: not over.is_set())
    ended = threading.Event()

    def follow() -> None:
        list(iterator)
        ended.set()

    threading.Thread(target=follow, daemon=True).start()
    over.set()
    channel.wake()
    assert ended.wait(TIMEOUT)


def test_the_chain_links_and_every_block_is_signed(client: Client) -> None:
    client.submit("put", "linked", "1")
    channel = client.network.channel(CHANNEL)
    previous = None
    for block in _blocks(client, 0, channel.height - 1):
        blocks.check_link(block, previous)
        previous = block.header
        if block.header.number:
            assert [who.mspid for who in blocks.signers(block, channel.config.msps)] == ["OrdererMSP"]


def test_who_waits_for_what_never_comes_is_told_so(client: Client) -> None:
    assert client.network.commit_status(CHANNEL, "f" * 64, 0.01) is None
    with pytest.raises(NotFound):
        client.network.commit_status("zone-x", "f" * 64, 0)


def test_many_clients_at_once_lose_nothing(network: EmbeddedNetwork) -> None:
    clients = [Client(network, enrol(network)) for _ in range(8)]
    flags: list[TxFlag] = []

    def work(which: int) -> None:
        for n in range(5):
            flags.append(clients[which].submit("put", f"many-{which}-{n}", "1").flag)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert flags == [TxFlag.VALID] * 40
    assert len(json.loads(clients[0].evaluate("range", "many-", "many-z"))) == 40


def _blocks(client: Client, first: int, last: int) -> list[common_pb2.Block]:
    return list(islice(client.network.deliver(CHANNEL, first), last - first + 1))
