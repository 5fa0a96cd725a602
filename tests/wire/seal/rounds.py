"""Whole rounds of one drone and one vehicle, either of which may be a liar, over the real contracts."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from tests.wire.seal.rig import SPANS, TERMS_HERE, Rig
from zoneshare.seal.auctioneer import Auctioneer
from zoneshare.seal.bidder import Bidder
from zoneshare.seal.outcomes import Decided
from zoneshare_protocols.seal.score import fallback

QUICK = SPANS._replace(deciding=10_000, committing=10_000, claiming=5_000, grace=12_000)
"""Where a round takes until its claims are over."""


async def a_round(rig: Rig, drone_kind: type[Auctioneer] = Auctioneer, ann_kind: type[Bidder] = Bidder,
                  **options: Any) -> Decided:  # fmt: skip
    async with rig.flying(kind=drone_kind, **options) as drone, rig.driving("ann", kind=ann_kind) as (ann,):
        decided = await drone.auction(rig.work(), TERMS_HERE)
        await drone.settled()
        await ann.settled()
    rig.books_balance()
    assert decided.outcome is not None
    assert decided.outcome.awards
    return decided


def play(rig: Rig, *kinds: Any, **options: Any) -> Decided:
    return asyncio.run(asyncio.wait_for(a_round(rig, *kinds, **options), 60))


def together(*rounds: Coroutine[Any, Any, Decided]) -> list[Decided]:
    async def all_of_them() -> list[Decided]:
        return await asyncio.gather(*rounds)

    return asyncio.run(asyncio.wait_for(all_of_them(), 60))


def penalties(decided: Decided) -> int:
    """Of all tasks that were put up."""
    return sum(fallback(one.task, TERMS_HERE).score for one in decided.work)
