"""What a party does next about a channel on the ledger: every phase, every holding."""

import asyncio
from typing import cast

import pytest
from msgspec.structs import replace

from zoneshare.ledger import LedgerUnavailable
from zoneshare.trade.party import Zone
from zoneshare.trade.settler import Act, Holding, Step, guard, next_step
from zoneshare_protocols.codec import encode
from zoneshare_protocols.sharing.records import (
    Channel,
    ChannelTerms,
    ChunkLeaf,
    Payment,
    Phase,
    RevealedKey,
    SignedState,
    State,
)

MARGIN = 10
TERMS = ChannelTerms("a", "p", bytes(32), "b", "q", bytes(32), 100, 50, 1000, 1, 200, bytes(16))
KEYS = tuple(RevealedKey(ChunkLeaf(n, bytes(32), bytes(32), bytes(32), 1), (), bytes(32)) for n in range(2))


def state(version: int, final: bool = False, count: int = 2, acked: int = 0) -> SignedState:
    payment = Payment(0, bytes(32), 1, count, acked)
    lock = 0 if final else TERMS.refund_from - version
    return SignedState(State("c", version, lock, final, "payment", encode(payment)), None, None)


def channel(phase: Phase, posted: SignedState | None = None, revealed: tuple[RevealedKey, ...] = ()) -> Channel:
    return Channel(TERMS, phase, 0, posted, revealed, 2000 if phase is Phase.CHALLENGE else 0, (), 0, 0)


OPEN = channel(Phase.OPEN)
DUE = 2000 + TERMS.challenge + MARGIN


@pytest.mark.parametrize(
    ("present", "holding", "now", "step"),
    [
        (channel(Phase.SETTLED), Holding(state(5)), 0, Step(Act.DONE)),
        (channel(Phase.SETTLED), Holding(state(6, final=True)), 0, Step(Act.DONE)),
        (OPEN, Holding(state(6, final=True)), 0, Step(Act.SETTLE_FINAL)),
        (channel(Phase.CHALLENGE, state(5)), Holding(state(6, final=True)), 0, Step(Act.SETTLE_FINAL)),
        (OPEN, Holding(state(5)), 994, Step(Act.WAIT, 995)),
        (OPEN, Holding(state(5)), 995, Step(Act.CLOSE)),
        (OPEN, Holding(state(0)), 999, Step(Act.WAIT, 1000)),
        (channel(Phase.CLOSING, state(4)), Holding(state(5)), 0, Step(Act.CHALLENGE)),
        (channel(Phase.CHALLENGE, state(4)), Holding(state(5)), 9999, Step(Act.CHALLENGE)),
        (channel(Phase.CHALLENGE, state(4)), Holding(state(5), answers=False), 0, Step(Act.WAIT, DUE)),
        (channel(Phase.CLOSING, state(5)), Holding(state(5), KEYS), 0, Step(Act.CHALLENGE)),
        (channel(Phase.CLOSING, state(5)), Holding(state(5), KEYS[:1]), 0, Step(Act.BEGIN_CHALLENGE)),
        (channel(Phase.CLOSING, state(5), KEYS), Holding(state(5), KEYS), 0, Step(Act.BEGIN_CHALLENGE)),
        (channel(Phase.CLOSING, state(6)), Holding(state(5), KEYS), 0, Step(Act.BEGIN_CHALLENGE)),
        (channel(Phase.CHALLENGE, state(5), KEYS), Holding(state(5), KEYS), DUE - 1, Step(Act.WAIT, DUE)),
        (channel(Phase.CHALLENGE, state(5), KEYS), Holding(state(5), KEYS), DUE, Step(Act.SETTLE)),
        (channel(Phase.CHALLENGE, state(6)), Holding(state(5), KEYS), DUE, Step(Act.SETTLE)),
    ],
)
def test_the_next_step(present: Channel, holding: Holding, now: int, step: Step) -> None:
    assert next_step(present, holding, now, MARGIN) == step


def test_a_newer_state_than_the_posted_one_is_never_left_unanswered() -> None:
    for posted in range(1, 6):
        for held in range(posted + 1, 7):
            for phase in (Phase.CLOSING, Phase.CHALLENGE):
                for keys in ((), KEYS):
                    present = replace(channel(phase, state(posted)), revealed=keys)
                    assert next_step(present, Holding(state(held)), 99_999, MARGIN).act is Act.CHALLENGE


class Away:
    """A zone whose ledger does not answer ``times`` times; then the channel is settled."""

    name = "zone-b"

    def __init__(self, times: int) -> None:
        self.times, self.escrow = times, self

    @property
    def margin(self) -> int:
        self.answer()
        return MARGIN

    def channel(self, id: str) -> Channel:
        self.answer()
        return channel(Phase.SETTLED)

    def answer(self) -> None:
        self.times -= 1
        if self.times >= 0:
            raise LedgerUnavailable("no answer")


class Hasty:
    """A clock for which every wait is over."""

    def now_ms(self) -> int:
        return 0

    async def wait(self, span_ms: int, event: asyncio.Event | None = None) -> None:
        await asyncio.sleep(0)


@pytest.mark.parametrize("times", [0, 1, 50])
def test_a_guard_outlives_a_ledger_that_is_away(times: int) -> None:
    zone = Away(times)
    asyncio.run(guard(cast(Zone, zone), Hasty(), "c", lambda: Holding(state(5)), asyncio.Event()))
    assert zone.times < 0
