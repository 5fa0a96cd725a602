"""What came of an auction: results by vehicles, and those that the drone has computed itself."""

import asyncio
from typing import NamedTuple

from zoneshare.seal.entries import RESULT, Done, Held, place
from zoneshare.seal.work import Work
from zoneshare.trade.journal import Entry, Journal
from zoneshare_protocols.seal.ledger import Auction
from zoneshare_protocols.seal.records import Outcome


class Decided(NamedTuple):
    """What came of an auction's tasks."""

    id: bytes
    outcome: Outcome | None
    """None where it was cancelled."""
    results: tuple[Done, ...]
    work: tuple[Work, ...]
    """What was put up."""

    @property
    def failed(self) -> tuple[int, ...]:
        """Tasks that were sold, and of which there is no result."""
        there = {done.task for done in self.results}
        sold = () if self.outcome is None else self.outcome.awards
        return tuple(award.task for award in sold if award.task not in there)


class Settled(NamedTuple):
    """An auction that is closed: all money is where it belongs."""

    auction: Auction
    paid: int
    """To the winners."""


async def compute_rest(journal: Journal, held: Held, outcome: Outcome | None) -> None:
    """Tasks for the cloud, which is simulated, and those that stay on the drone, are computed here."""
    places = (
        {} if outcome is None else {**dict.fromkeys(outcome.cloud, "cloud"), **dict.fromkeys(outcome.local, "local")}
    )
    for work in held.work:
        where = places.get(work.task.id)
        key = place(held.notice.id, work.task.id)
        if where is not None and journal.get(RESULT, key, Done) is None:
            result = await asyncio.to_thread(work.compute)
            await journal.commit([Entry.of(RESULT, key, Done(work.task.id, where, result))])


def results_of(journal: Journal, held: Held) -> tuple[Done, ...]:
    """All that the drone has."""
    done = [journal.get(RESULT, place(held.notice.id, work.task.id), Done) for work in held.work]
    return tuple(one for one in done if one is not None)
