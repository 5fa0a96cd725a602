"""What the organisations decide while roles run: whom a zone trusts, and how far clocks may be apart."""

import asyncio
from pathlib import Path

import pytest

from tests.support.memory_proofs import trust_in
from tests.support.memory_world import ISSUER, MARGIN, TOLERANCE, approve
from tests.wire.trade.rig import CHUNK, PRICE, SHARED, Rig
from zoneshare.ledger import LedgerUnavailable
from zoneshare.trade.peers import RENEWED_MS
from zoneshare.trade.tower import Tower
from zoneshare_protocols.sharing.records import Trust, ZoneParameters

AWAY = 12
"""Questions that a ledger leaves without an answer: more than are asked in one go."""


def test_a_seller_tells_its_watchtower_once_it_is_trusted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The seller's ledger is away, then trusts strangers only, and a minute later the watchtower's organisation."""
    rig, asked = Rig(tmp_path), list[str]()

    def trusted() -> list[Trust]:
        asked.append("")
        if len(asked) <= AWAY:
            raise LedgerUnavailable("away")
        return [trust_in("zone-b", ("Org2MSP",) if len(asked) == AWAY + 1 else ("Org1MSP", "Org2MSP"))]

    async def play() -> None:
        tower = await rig.watchtower()
        seller = await rig.seller()
        seller.tower = Tower("127.0.0.1", rig.tower_port, rig.party("bob").identity, trusted, rig.clock)
        data = seller.catalogue.add(rig.file(), PRICE, CHUNK).data
        receipt = await rig.buyer().buy(rig.order(data))
        await rig.clock.until(lambda: "the watchtower cannot be reached" in caplog.text)
        assert not tower.watched
        rig.clock.advance(RENEWED_MS)
        await seller.tower.flushed()
        assert receipt.channel in tower.watched
        await seller.stop()
        await tower.stop()

    asyncio.run(asyncio.wait_for(play(), 30))


@pytest.mark.parametrize("role", ["seller", "watchtower"])
def test_a_role_learns_of_a_tolerance_that_is_raised_while_it_runs(
    role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path)
    party = rig.party("bob" if role == "seller" else "carol")
    monkeypatch.setattr(rig, "party", lambda *_: party)

    async def play() -> None:
        server = await (rig.seller() if role == "seller" else rig.watchtower())
        assert party.home.margin == MARGIN
        with SHARED.changed:
            approve(rig.world.b, "parameters", ZoneParameters("zone-b", ISSUER.account, 3 * TOLERANCE, 2))
        assert party.home.margin == MARGIN
        await rig.clock.until(lambda: party.home.margin == 3 * MARGIN, step_ms=RENEWED_MS)
        await server.stop()

    asyncio.run(asyncio.wait_for(play(), 30))
