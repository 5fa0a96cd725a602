"""A trade leaves the same records on both zones' ledgers, however the devices reach them."""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fabric_protos.common import common_pb2

from tests.wire.ledger.harness import hfc_network
from tests.wire.ledger.zones import Zones
from tests.wire.trade.fabric_rig import Reach, fabric, in_process
from tests.wire.trade.stories import STORIES
from zoneshare.connection import Connection
from zoneshare.device import Device
from zoneshare.grpc_transport import GrpcTransport
from zoneshare.hfc.adapter import HfcTransport
from zoneshare.hfc.process import Worker
from zoneshare.transport import Transport
from zoneshare_network.server import FabricServer
from zoneshare_network.store import read_only
from zoneshare_protocols.fabric import block as blocks
from zoneshare_protocols.fabric import transaction
from zoneshare_protocols.fabric.flags import TxFlag
from zoneshare_protocols.sharing.records import EndorsedQuery

Records = dict[str, list[tuple[str, list[Any], list[Any]]]]
STORY = "together, two files"
TAG = EndorsedQuery.__struct_config__.tag
FIRST_MOMENT = 10**12
"""Milliseconds since 1970: no amount here is as large."""
ID = re.compile(r"[0-9a-f]{32,}")


def _connection(site: Zones, device: Device, transport: Transport) -> Connection:
    msps = {name: organisation.msp() for name, organisation in site.network.organisations.items()}
    return Connection(device.identity, transport, msps=msps, clock=site.clock)


@contextmanager
def by_gateway(site: Zones) -> Iterator[Callable[[Device], Connection]]:
    server = FabricServer(site.network)
    roots = site.network.organisation("Org1MSP").tls_ca.pem
    yield lambda device: _connection(site, device, GrpcTransport(server.address, roots))
    server.stop(0)


@contextmanager
def by_hfc(site: Zones) -> Iterator[Callable[[Device], Connection]]:
    server = FabricServer(site.network)
    worker = Worker(hfc_network(site.network, server))
    yield lambda device: _connection(site, device, HfcTransport(worker, device.identity, clock=site.clock))
    worker.close()
    server.stop(0)


def plain(value: Any) -> Any:
    """The value with times and ids (what is random, and what follows from it) replaced by a word for them."""
    match value:
        case str():
            return ID.sub("id", value)
        case bytes():
            return _inside(value)
        case list() | tuple():
            # An endorsed query is headers and signatures all through; which one it is, its function says.
            return value[0] if value and value[0] == TAG else [plain(each) for each in value]
        case int() if value >= FIRST_MOMENT:
            return "time"
    return value


def _inside(data: bytes) -> Any:
    """A record, text, or bytes that only their length tells."""
    try:
        found = msgspec.msgpack.decode(data)
        if isinstance(found, list):
            return plain(found)
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        text = data.decode()
        return plain(text) if text.isprintable() else "bytes"
    except UnicodeDecodeError:
        return "bytes"


def records(network: Path, zone: str) -> list[tuple[str, list[Any], list[Any]]]:
    """(function, arguments, what it wrote) of every valid transaction of the chaincode, in the ledger's order."""
    found = []
    with read_only(network / "channels" / f"{zone}.db") as snapshot:
        for number in range(snapshot.height):
            block = common_pb2.Block.FromString(snapshot.block(number) or b"")
            for flag, envelope in zip(blocks.flags(block), block.data.data, strict=True):
                signed = transaction.open_envelope(envelope)
                if flag != TxFlag.VALID or signed.type != common_pb2.ENDORSER_TRANSACTION:
                    continue
                done = transaction.read_action(signed)
                if done.chaincode != "zoneshare":
                    continue
                written = [
                    (plain(write.key), None if write.is_delete else _inside(write.value))
                    for space in done.action.results.namespaces
                    for write in space.writes
                ]
                arguments = [_inside(argument) for argument in done.args[1:]]
                found.append((done.args[0].decode(), arguments, sorted(written, key=repr)))
    return found


def played(folder: Path, reach: Reach) -> Records:
    with fabric(folder, reach) as (rig, _):
        asyncio.run(asyncio.wait_for(STORIES[STORY](rig), 60))
        rig.kill_journals()
        return {zone: records(folder / "net", zone) for zone in ("zone-a", "zone-b")}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Records:
    return played(tmp_path_factory.mktemp("in-process"), in_process)


def test_there_is_something_to_compare(expected: Records) -> None:
    functions = [function for function, _, _ in expected["zone-b"]]
    assert functions[-5:] == [
        "escrow:fund",
        "escrow:commit",
        "escrow:commit",
        "escrow:settle_final",
        "ledger:acknowledge",
    ]
    amounts = [each for _, _, written in expected["zone-b"] for each in _leaves(written) if isinstance(each, int)]
    assert len(amounts) > 20


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _leaves(each)
    else:
        yield value


@pytest.mark.parametrize("reach", [by_gateway, by_hfc])
def test_the_records_of_a_trade_are_the_same(reach: Reach, expected: Records, tmp_path: Path) -> None:
    assert played(tmp_path, reach) == expected
