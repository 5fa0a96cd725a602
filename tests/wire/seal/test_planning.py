"""What is fixed of an auction when it is planned, and holds to its end."""

import asyncio
from pathlib import Path

from tests.support.memory_world import ISSUER, MARGIN, TOLERANCE, approve
from tests.wire.seal.rig import SPANS, TERMS_HERE, Rig
from zoneshare.seal.outcomes import Decided
from zoneshare.seal.planning import Spans
from zoneshare_protocols.sharing.records import ZoneParameters


def test_an_auction_keeps_its_own_sample_whoever_sees_it_to_its_end(tmp_path: Path) -> None:
    """Everything is computed again, though the drone that finishes it looks at nothing of new auctions."""
    rig = Rig(tmp_path, speed=3)

    async def play() -> Decided:
        async with rig.flying(sample=1.0) as drone:
            held = await drone.plan(rig.work(), TERMS_HERE)
            await rig.journal_of("dora").commit([drone.entry(held)])
        async with rig.flying(sample=0.0) as drone, rig.driving("ann") as (ann,):
            decided = await drone.take_up(drone.held(held.notice.id))
            await drone.settled()
            await ann.settled()
        return decided

    decided = asyncio.run(asyncio.wait_for(play(), 60))
    assert [done.sampled for done in decided.results] == [True, True]


def test_grace_follows_the_margin_unless_it_is_said(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    async def planned(spans: Spans) -> int:
        async with rig.flying(spans=spans) as drone:
            return (await drone.plan(rig.work(), TERMS_HERE)).notice.timers.grace

    assert asyncio.run(planned(SPANS._replace(grace=None))) == MARGIN + 2_000
    with rig.changed:
        approve(rig.zone, "parameters", ZoneParameters(rig.zone.name, ISSUER.account, 2 * TOLERANCE, 2))
    assert asyncio.run(planned(SPANS._replace(grace=None))) == 2 * MARGIN + 2_000
    assert asyncio.run(planned(SPANS)) == SPANS.grace
