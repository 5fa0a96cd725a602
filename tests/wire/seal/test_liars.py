"""Liars in whole rounds, over the real contracts: what each of them costs itself, and nobody else."""

import asyncio
from pathlib import Path

from tests.wire.seal.rig import TERMS_HERE, Rig
from zoneshare.seal.auctioneer import Decided
from zoneshare.seal.liar import NeverPays, NeverReleases
from zoneshare_protocols.seal.score import fallback


def test_a_vehicle_that_never_releases_its_key(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    async def play() -> Decided:
        async with rig.flying() as drone, rig.driving("ann", kind=NeverReleases) as (ann,):
            decided = await drone.auction(rig.work(), TERMS_HERE)
            await drone.settled()
            await ann.settled()
        return decided

    decided = asyncio.run(asyncio.wait_for(play(), 60))
    assert decided.outcome is not None
    assert decided.failed == tuple(award.task for award in decided.outcome.awards)
    penalties = sum(fallback(one.task, TERMS_HERE).score for one in decided.work)
    assert rig.gain("ann") == -penalties < 0
    assert rig.gain("dora") == penalties
    rig.books_balance()


def test_a_drone_that_gives_no_payword(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    async def play() -> Decided:
        async with rig.flying(kind=NeverPays) as drone, rig.driving("ann") as (ann,):
            decided = await drone.auction(rig.work(), TERMS_HERE)
            await drone.settled()
            await ann.settled()
        return decided

    decided = asyncio.run(asyncio.wait_for(play(), 60))
    assert decided.outcome is not None
    assert len(decided.results) == len(decided.outcome.awards) > 0
    assert rig.gain("ann") == decided.outcome.paid == -rig.gain("dora")
    rig.books_balance()
