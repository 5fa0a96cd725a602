"""A file is sold between two zones on a running network, and the blocks say so."""

import asyncio
from pathlib import Path

import pytest
from fabric_protos.common import common_pb2, ledger_pb2

from tests.live.network import Live
from tests.wire.trade.fabric_rig import FabricRig
from tests.wire.trade.stories import STORIES, table
from zoneshare.accounts import Accounts
from zoneshare.audit import audit_network
from zoneshare.crossing import send_across
from zoneshare.device import Device
from zoneshare.gateway import GatewayLedger, now_ms
from zoneshare_protocols.fabric import block as blocks
from zoneshare_protocols.fabric import transaction
from zoneshare_protocols.fabric.flags import TxFlag
from zoneshare_protocols.sharing.accounts import account_of
from zoneshare_protocols.sharing.records import OutboundStatus

MONEY = 10_000
STORY = "together, two files"


class Blocks:
    """What the devices wrote in a zone since it was made, by the peer's system chaincode."""

    def __init__(self, device: Device, zone: str) -> None:
        connection = device.connection
        transport = connection.ledger(zone)._transport
        self._qscc = GatewayLedger(transport, zone, device.identity, chaincode="qscc")
        self._zone = zone
        self._start = self._height()

    def _height(self) -> int:
        answer = self._qscc.evaluate("GetChainInfo", self._zone.encode())
        return int(ledger_pb2.BlockchainInfo.FromString(answer).height)

    def writes(self, names: dict[str, str]) -> list[tuple[str, str]]:
        """(who, function) of every valid transaction of ``names``, accounts to names, in the ledger's order."""
        found = []
        for number in range(self._start, self._height()):
            data = self._qscc.evaluate("GetBlockByNumber", self._zone.encode(), str(number).encode())
            block = common_pb2.Block.FromString(data)
            for flag, envelope in zip(blocks.flags(block), block.data.data, strict=True):
                parsed = transaction.parse(envelope)
                who = names.get(account_of(parsed.creator.mspid, parsed.creator.certificate))
                if who and flag == TxFlag.VALID:
                    found.append((who, parsed.args[0].decode()))
        return found


@pytest.fixture(scope="module")
def devices(site: Live) -> dict[str, Device]:
    """alice of zone-a and bob of zone-b, each of an organisation of its own, with money; carol, who watches."""
    issuer = site.issuer()
    made = {
        "alice": site.device("zone-a"),
        "bob": site.device("zone-b", "Org2MSP"),
        "carol": site.device("zone-b"),
    }
    for name, zone in (("alice", "zone-a"), ("bob", "zone-b")):
        Accounts(issuer.ledger(zone)).issue(made[name].account, MONEY)
    return made


def test_a_whole_trade_and_its_records(site: Live, devices: dict[str, Device], tmp_path: Path) -> None:
    rig = FabricRig(tmp_path, now_ms, lambda _: None, devices, pause_s=0.05)
    zones = [Blocks(devices["alice"], "zone-a"), Blocks(devices["bob"], "zone-b")]
    asyncio.run(asyncio.wait_for(STORIES[STORY](rig), 120))
    rig.kill_journals()
    names = {device.account: name for name, device in devices.items()}
    assert tuple(zone.writes(names) for zone in zones) == table()[STORY]
    assert sum(rig.money) == 2 * MONEY
    assert rig.money[1] > MONEY
    for number in range(2):
        assert (tmp_path / f"{number}.got").read_bytes() == (tmp_path / f"{number}.bin").read_bytes()


def test_money_crosses_zones_and_back(site: Live, devices: dict[str, Device]) -> None:
    alice, bob = devices["alice"], devices["bob"]
    before = bob.accounts().balance(bob.account)
    alice.open_account("zone-b")
    sent = send_across(alice.accounts(), alice.accounts("zone-b"), bob.account, 25)
    assert sent.status is OutboundStatus.RECEIVED
    assert bob.accounts().balance(bob.account) == before + 25


def test_what_is_held_is_what_was_issued(site: Live, devices: dict[str, Device]) -> None:
    found = audit_network([site.issuer().ledger(zone) for zone in site.zones])
    assert found.issued == found.held >= 2 * MONEY
