"""To the end of a channel on the ledger, whatever the other side does: post, answer, open the window, settle."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import NamedTuple

from zoneshare.trade.moment import AWAY, Clock, answered
from zoneshare.trade.party import Zone
from zoneshare_protocols.errors import LedgerFailed, NotFound, RuleBroken
from zoneshare_protocols.sharing.application import application
from zoneshare_protocols.sharing.records import Channel, Evidence, Phase, RevealedKey, SignedState

log = logging.getLogger(__name__)

LOOK_MS = 30_000
"""A channel is looked at so often, at least, should an event of its be missed."""
AWAY_MS = 2_000
"""Between attempts, while the ledger does not answer."""


class Act(StrEnum):
    WAIT = "wait"
    CLOSE = "close"
    CHALLENGE = "challenge"
    BEGIN_CHALLENGE = "begin_challenge"
    SETTLE = "settle"
    SETTLE_FINAL = "settle_final"
    DONE = "done"


class Step(NamedTuple):
    act: Act
    at: int = 0
    """For a wait: until when, in ms."""


class Holding(NamedTuple):
    """What a party, or its watchtower, can show: the newest state with both signatures, and the keys it owes."""

    signed: SignedState
    keys: tuple[RevealedKey, ...] = ()
    answers: bool = True
    """Whether an older posted state is answered: A has no reason to answer one, since older states pay B less."""


def next_step(channel: Channel, holding: Holding, now: int, margin: int) -> Step:
    """What to do next about ``channel`` as the ledger has it; ``now`` and ``margin`` in ms. Pure."""
    state = holding.signed.state
    if channel.phase is Phase.SETTLED:
        return Step(Act.DONE)
    if state.final:
        return Step(Act.SETTLE_FINAL)
    if channel.posted is None:
        return Step(Act.CLOSE) if now >= state.lock else Step(Act.WAIT, state.lock)
    if holding.answers and _supersedes(channel, channel.posted, holding):
        return Step(Act.CHALLENGE)
    if channel.phase is Phase.CLOSING:
        return Step(Act.BEGIN_CHALLENGE)
    due = channel.challenge_from + channel.terms.challenge + margin
    return Step(Act.SETTLE) if now >= due else Step(Act.WAIT, due)


def _supersedes(channel: Channel, posted: SignedState, holding: Holding) -> bool:
    state = holding.signed.state
    if state.version != posted.state.version:
        return state.version > posted.state.version
    complete = application(state.app).complete(state.app_state, holding.keys)
    return complete and len(holding.keys) > len(channel.revealed)


async def guard(
    zone: Zone, clock: Clock, channel: str, holding: Callable[[], Holding], changed: asyncio.Event
) -> Channel:
    """See a channel of ``zone`` through to its settlement, however long its ledger is away meanwhile."""
    while True:
        try:
            await asyncio.to_thread(lambda: zone.margin)
            return await Settler(zone, clock).drive(channel, holding, changed)
        except (LedgerFailed, NotFound) as failed:
            # NotFound: a peer that is behind, or lies; the channel is there, or it would not be guarded.
            log.warning("the ledger of %s is away; the channel %s is looked at again: %s", zone.name, channel, failed)
            await clock.wait(AWAY_MS, changed)


class Settler:
    """Drives channels of one zone, whose margin is known."""

    def __init__(self, zone: Zone, clock: Clock) -> None:
        self._zone, self._escrow, self._clock = zone, zone.escrow, clock

    async def drive(
        self,
        channel: str,
        holding: Callable[[], Holding],
        changed: asyncio.Event,
        look: Callable[[Channel], Awaitable[None]] | None = None,
    ) -> Channel:
        """See a channel through to its settlement; the settled channel.

        ``holding`` is asked anew before every step. ``changed`` wakes it (an event of the channel, a newer state).
        ``look`` sees the channel as the ledger has it before anything is done, for instance to complain.
        """
        while True:
            # Cleared first: what happens from here on will wake the wait below.
            changed.clear()
            present = await answered(self._clock, lambda: self._escrow.channel(channel))
            if look is not None:
                await look(present)
            now = self._clock.now_ms()
            step = next_step(present, held := holding(), now, self._zone.margin)
            if step.act is Act.DONE:
                return present
            if step.act is Act.WAIT:
                await self._clock.wait(max(1, min(step.at - now, LOOK_MS)), changed)
                continue
            try:
                await asyncio.to_thread(self._act, channel, step.act, held)
            except RuleBroken as refused:
                # Another was faster, or the endorser's clock is behind ours: look again.
                log.info("%s of %s was refused: %s", step.act, channel, refused)
                await self._clock.wait(1_000, changed)
            except LedgerFailed as failed:
                tell = AWAY.get()
                if tell is None:
                    log.warning("%s of %s failed, and is tried again: %s", step.act, channel, failed)
                else:
                    tell(failed)
                await self._clock.wait(1_000, changed)

    def _act(self, channel: str, act: Act, holding: Holding) -> None:
        match act:
            case Act.CLOSE:
                self._escrow.close(holding.signed, Evidence(holding.keys))
            case Act.CHALLENGE:
                self._escrow.challenge(holding.signed, Evidence(holding.keys))
            case Act.BEGIN_CHALLENGE:
                self._escrow.begin_challenge(channel)
            case Act.SETTLE:
                self._escrow.settle(channel)
            case Act.SETTLE_FINAL:
                self._escrow.settle_final(holding.signed)
            case _:
                pass
