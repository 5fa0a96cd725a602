"""When a block is cut, and what is too big for one."""

from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path

import msgspec
from fabric_protos.common import common_pb2
from hypothesis import given
from hypothesis import strategies as st

from tests.support.embedded import CHANNEL, FAST, Client, enrol, running
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.orderer import BlockCutter
from zoneshare_network.topology import Batch
from zoneshare_protocols.fabric.config import BatchLimits

LONG = 60_000


def test_count_cuts_at_once(tmp_path: Path) -> None:
    with _network(tmp_path, Batch(timeout_ms=LONG, max_count=3)) as network:
        client = Client(network, enrol(network))
        envelopes = [client.endorsed("put", f"k{n}", "v") for n in range(6)]
        for envelope, _ in envelopes:
            client.order(envelope)
        found = [client.committed(tx_id).block for _, tx_id in envelopes]
        assert found == [2, 2, 2, 3, 3, 3]


def test_bytes_cut_before_the_one_that_is_too_much(tmp_path: Path) -> None:
    limits = Batch(timeout_ms=LONG, preferred_max_bytes=30_000)
    with _network(tmp_path, limits) as network:
        client = Client(network, enrol(network))
        envelopes = [client.endorsed("big", f"k{n}", "10000") for n in range(3)]
        for envelope, _ in envelopes:
            client.order(envelope)
        assert [client.committed(tx_id).block for _, tx_id in envelopes[:2]] == [2, 2]
        assert network.commit_status(CHANNEL, envelopes[2][1], 0) is None
        alone, alone_id = client.endorsed("big", "k9", "40000")
        client.order(alone)
        assert client.committed(envelopes[2][1]).block == 3
        assert client.committed(alone_id).block == 4
        (block,) = islice(network.deliver(CHANNEL, 4), 1)
        assert len(block.data.data) == 1


def test_time_cuts_what_waits(tmp_path: Path) -> None:
    with _network(tmp_path, Batch(timeout_ms=150)) as network:
        client = Client(network, enrol(network))
        envelopes = [client.endorsed("put", f"k{n}", "v") for n in range(2)]
        for envelope, _ in envelopes:
            client.order(envelope)
        assert [client.committed(tx_id).block for _, tx_id in envelopes] == [2, 2]


def test_those_who_come_later_do_not_keep_the_first_waiting(tmp_path: Path) -> None:
    with _network(tmp_path, Batch(timeout_ms=300)) as network:
        client = Client(network, enrol(network))
        envelopes = [client.endorsed("put", f"k{n}", "v") for n in range(100)]
        first_id = envelopes[0][1]
        for envelope, _ in envelopes:
            client.order(envelope)
            if network.commit_status(CHANNEL, first_id, 0.02) is not None:
                break
        else:
            raise AssertionError("the batch timeout began anew with every envelope")


def test_stopping_commits_what_was_taken(tmp_path: Path) -> None:
    with _network(tmp_path, Batch(timeout_ms=LONG)) as network:
        client = Client(network, enrol(network))
        envelope, tx_id = client.endorsed("put", "k", "v")
        assert client.order(envelope).status == common_pb2.SUCCESS
    assert client.order(envelope).status == common_pb2.SERVICE_UNAVAILABLE
    with running(tmp_path) as network:
        assert network.commit_status(CHANNEL, tx_id, 0) is not None


def test_what_no_block_can_hold_is_refused(tmp_path: Path) -> None:
    limits = Batch(timeout_ms=5, preferred_max_bytes=20_000, absolute_max_bytes=20_000)
    with _network(tmp_path, limits) as network:
        client = Client(network, enrol(network))
        answer = client.order(client.endorsed("big", "k", "30000")[0])
        assert answer.status == common_pb2.BAD_REQUEST
        assert "exceeds maximum allowed 20000 bytes" in answer.info
        assert client.submit("big", "k", "10000").flag == 0


@given(st.lists(st.integers(1, 60), max_size=60), st.integers(1, 8), st.integers(1, 100))
def test_batches_hold_everything_in_order_and_keep_the_limits(sizes: list[int], count: int, preferred: int) -> None:
    cutter = BlockCutter(BatchLimits(max_messages=count, preferred_bytes=preferred))
    envelopes = [bytes([n]) * size for n, size in enumerate(sizes)]
    batches = [batch for envelope in envelopes for batch in cutter.add(envelope)]
    if cutter.pending:
        batches.append(cutter.cut())
    assert [envelope for batch in batches for envelope in batch] == envelopes
    for batch in batches:
        assert 1 <= len(batch) <= count
        assert len(batch) == 1 or sum(map(len, batch)) <= preferred


def _network(folder: Path, batch: Batch) -> AbstractContextManager[EmbeddedNetwork]:
    return running(folder, shape=msgspec.structs.replace(FAST, batch=batch))
