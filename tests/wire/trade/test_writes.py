"""docs/trade-writes.md holds: every whole channel it lists is played on an embedded Fabric, and the transactions in
each zone's blocks are those of its table, no more and no fewer."""

import asyncio
from pathlib import Path

import pytest

from tests.wire.trade.fabric_rig import fabric
from tests.wire.trade.rig import MONEY
from tests.wire.trade.stories import STORIES, table


def test_every_story_of_the_document_is_played() -> None:
    assert set(table()) == set(STORIES)


@pytest.mark.parametrize("story", STORIES)
def test_the_blocks_hold_what_the_document_says(story: str, tmp_path: Path) -> None:
    with fabric(tmp_path) as (rig, reader):
        asyncio.run(asyncio.wait_for(STORIES[story](rig), 60))
        rig.kill_journals()
        assert (reader.writes("zone-a"), reader.writes("zone-b")) == table()[story]
        assert sum(rig.money) == 2 * MONEY
