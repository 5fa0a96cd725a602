"""The network's process killed (SIGKILL) at every kind of ledger write of a channel, before its block is durable and
just after, and started again on the same folder and port: every story comes to the same end."""

import asyncio
from pathlib import Path

import pytest

from tests.wire.trade.fabric_rig import mortal
from tests.wire.trade.rig import MONEY
from tests.wire.trade.stories import STORIES, table
from zoneshare.audit import audit_network
from zoneshare.trade.moment import answered
from zoneshare_protocols.fabric.validation import TxFlag

SENT_AGAIN = (TxFlag.DUPLICATE_TXID, TxFlag.MVCC_READ_CONFLICT)
"""Whoever was not told sends the same transaction again, or makes another one."""

EVERY_WRITE = ("together (T_n)", "A posts an older T_j", "B sold garbage, and is silent", "never funded")


@pytest.mark.parametrize("point", ["before commit", "after block"])
@pytest.mark.parametrize("story", EVERY_WRITE)
def test_killed_at_every_kind_of_write(story: str, point: str, tmp_path: Path) -> None:
    with mortal(tmp_path, point) as (rig, reader, shared):
        shared.armed = True
        asyncio.run(asyncio.wait_for(STORIES[story](rig), 120))
        shared.armed = False
        rig.kill_journals()
        home, abroad = table()[story]
        assert reader.writes("zone-a", allowed=SENT_AGAIN) == home
        assert reader.writes("zone-b", allowed=SENT_AGAIN) == abroad
        killed = (tmp_path / "net.killed").read_text().split()
        written = {f"zone-a/{function}" for _, function in home} | {f"zone-b/{function}" for _, function in abroad}
        assert sorted(killed) == sorted(written)
        # The network may be on its way up again: the last write killed it, and the devices know its end from the event.
        money = asyncio.run(answered(rig.clock, lambda: rig.money))
        assert sum(money) == 2 * MONEY
        ledgers = [rig.devices["bob"].connection.ledger(zone) for zone in ("zone-a", "zone-b")]
        assert audit_network(ledgers).issued == 2 * MONEY
