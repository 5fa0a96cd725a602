"""A network's folder: gone on with after a stop and after any crash, and one process's at a time."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from fabric_protos.common import common_pb2

from tests.support.embedded import CHANNEL, FAST, Asset, Client, enrol, running
from zoneshare_network import topology
from zoneshare_network.network import EmbeddedNetwork
from zoneshare_network.store import read_only
from zoneshare_network.topology import Topology
from zoneshare_network.verify import verify_ledger
from zoneshare_protocols.errors import BadProof, BadSignature, LedgerFailed, Misuse
from zoneshare_protocols.fabric import block as blocks
from zoneshare_protocols.fabric.validation import TxFlag

DRIVER = "tests.support.embedded_crash"
ROOT = Path(__file__).parents[2]


def _driver(*args: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", DRIVER, *args], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=dict(os.environ)
    )


def test_a_second_start_goes_on_from_the_first(tmp_path: Path) -> None:
    with running(tmp_path) as network:
        signer = enrol(network)
        done = Client(network, signer).submit("put", "k", "1")
        height = network.channel(CHANNEL).height
    with running(tmp_path, shape=Topology(channels=("ignored",))) as network:
        assert network.channels == FAST.channels
        client = Client(network, signer)
        assert network.channel(CHANNEL).height == height
        assert client.committed(done.tx_id) == done
        assert client.evaluate("get", "k") == b"1"
        assert client.submit("put", "k", "2").block == height
        with network.channel(CHANNEL).store.snapshot() as snapshot:
            assert verify_ledger(snapshot).blocks == height + 1


def test_a_zone_is_added_later_and_stays(tmp_path: Path) -> None:
    with running(tmp_path) as network:
        signer = enrol(network)
        network.add_channel("zone-c")
        network.add_channel("zone-c")
        assert Client(network, signer, "zone-c").submit("put", "k", "1").flag is TxFlag.VALID
        for bad in ("", "Zone", "zone c", "../zone"):
            with pytest.raises(Misuse):
                network.add_channel(bad)
    with running(tmp_path) as network:
        assert network.channels == ("zone-a", "zone-b", "zone-c")
        assert Client(network, signer, "zone-c").evaluate("get", "k") == b"1"


def test_a_chaincode_that_comes_later_is_defined_and_a_new_version_too(tmp_path: Path) -> None:
    with running(tmp_path, {}) as network:
        assert network.channel(CHANNEL).height == 1
        signer = enrol(network)
    with running(tmp_path) as network:
        early, early_id = Client(network, signer).endorsed("put", "k", "1")
        shape = network.topology
    topology.write(tmp_path, Topology(channels=shape.channels, version="2.0", batch=shape.batch))
    with running(tmp_path) as network:
        client = Client(network, signer)
        client.order(early)
        assert client.committed(early_id).flag is not TxFlag.VALID, "endorsed by the version before"
        assert client.submit("put", "k", "1").flag is TxFlag.VALID


@pytest.mark.parametrize("reports", [1, 25, 120])
def test_kill_under_load_loses_nothing_that_was_reported(tmp_path: Path, reports: int) -> None:
    process = _driver("load", str(tmp_path))
    assert process.stdout is not None
    committed = [process.stdout.readline().strip() for _ in range(reports)]
    process.kill()
    committed += process.stdout.read().split("\n")[:-1]
    process.wait()
    assert all(len(tx_id) == 64 for tx_id in committed)
    with running(tmp_path) as network:
        for tx_id in committed:
            found = network.commit_status(CHANNEL, tx_id, 0)
            assert found is not None
            assert found.flag is TxFlag.VALID
        for channel in network.channels:
            with network.channel(channel).store.snapshot() as snapshot:
                verify_ledger(snapshot)
        assert Client(network, enrol(network)).submit("put", "k", "1").flag is TxFlag.VALID


def test_a_crash_at_any_durable_write_is_survived(tmp_path: Path) -> None:
    process = _driver("points", str(tmp_path))
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert int(out) >= 35


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with running(tmp_path), pytest.raises(Misuse, match="another process runs the network"):
        EmbeddedNetwork(tmp_path)
    with running(tmp_path):
        pass


def test_a_folder_that_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Misuse):
        EmbeddedNetwork(tmp_path / "file")
    for bad in ("", "{}x", '{"organisations": []}', '{"channels": ["a", "a"]}', '{"unknown": 1}', '{"format": 2}'):
        (tmp_path / topology.FILE).write_text(bad)
        with pytest.raises(Misuse, match="is not the file of a network"):
            EmbeddedNetwork(tmp_path)


def test_a_ledger_that_cannot_be_written_fails_clearly_and_keeps_what_it_has(tmp_path: Path) -> None:
    failing = False

    def fault(point: str) -> None:
        if failing and point == "before commit":
            raise sqlite3.OperationalError("database or disk is full")

    with running(tmp_path, fault=fault) as network:
        client = Client(network, enrol(network))
        client.submit("put", "k", "1")
        failing = True
        envelope, tx_id = client.endorsed("put", "k", "2")
        client.order(envelope)
        with pytest.raises(LedgerFailed, match="disk is full"):
            client.committed(tx_id)
        answer = client.order(envelope)
        assert answer.status == common_pb2.SERVICE_UNAVAILABLE
        assert "disk is full" in answer.info
        assert client.evaluate("get", "k") == b"1"
        assert Client(network, client.signer, "zone-b").evaluate("range", "", "") == b"[]"
    with running(tmp_path) as network:
        assert Client(network, client.signer).submit("put", "k", "3").flag is TxFlag.VALID


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE blocks SET block = grey(block) WHERE number = 2",
        "UPDATE blocks SET block = unsigned(block) WHERE number = 3",
        "UPDATE blocks SET block = all_invalid(block) WHERE number = 3",
        "UPDATE blocks SET hash = zeroblob(32) WHERE number = 1",
        "DELETE FROM blocks WHERE number = 2",
        "UPDATE state SET value = CAST('grey' AS BLOB) WHERE key = CAST('colour' AS BLOB)",
        "DELETE FROM state WHERE key = CAST('colour' AS BLOB)",
        "INSERT INTO state VALUES ('asset', CAST('more' AS BLOB), CAST('v' AS BLOB), 2, 0)",
    ],
)
def test_a_ledger_that_was_tampered_with_is_found_out(tmp_path: Path, damage: str) -> None:
    with running(tmp_path) as network:
        client = Client(network, enrol(network))
        client.submit("put", "colour", "blue")
        client.submit("put", "shape", "round")
    path = tmp_path / "channels" / f"{CHANNEL}.db"
    with read_only(path) as snapshot:
        assert verify_ledger(snapshot) == (4, 3, 3)
    database = sqlite3.connect(path)
    database.create_function("grey", 1, lambda block: block.replace(b"blue", b"grey"))
    database.create_function("unsigned", 1, _unsigned)
    database.create_function("all_invalid", 1, _all_invalid)
    assert database.execute(damage).rowcount == 1
    database.commit()
    database.close()
    with read_only(path) as snapshot, pytest.raises((BadProof, BadSignature)):
        verify_ledger(snapshot)


def _unsigned(data: bytes) -> bytes:
    block = common_pb2.Block.FromString(data)
    metadata = common_pb2.Metadata.FromString(block.metadata.metadata[common_pb2.SIGNATURES])
    metadata.signatures[0].signature = metadata.signatures[0].signature[:-1] + b"\x00"
    block.metadata.metadata[common_pb2.SIGNATURES] = metadata.SerializeToString()
    return bytes(block.SerializeToString())


def _all_invalid(data: bytes) -> bytes:
    block = common_pb2.Block.FromString(data)
    blocks.set_flags(block, [TxFlag.MVCC_READ_CONFLICT])
    return bytes(block.SerializeToString())


def test_three_organisations_and_a_policy_of_two(tmp_path: Path) -> None:
    shape = Topology(
        organisations=("A", "B", "C"),
        channels=(CHANNEL,),
        policy="OutOf(2, 'A.peer', 'B.peer', 'C.peer')",
        batch=FAST.batch,
    )
    with EmbeddedNetwork(tmp_path, shape, {"asset": Asset()}) as network:
        client = Client(network, enrol(network, "B"))
        assert client.submit("put", "k", "1", by=("A", "C")).flag is TxFlag.VALID
        assert client.submit("put", "k", "2", by=("B",)).flag is TxFlag.ENDORSEMENT_POLICY_FAILURE
