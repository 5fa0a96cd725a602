"""How A's money comes into a channel, and how it comes home. Every step can be taken again after any failure."""

from typing import NamedTuple

from zoneshare.crossing import finish
from zoneshare.trade.messages import Offer
from zoneshare.trade.moment import Clock, answered, ensure
from zoneshare.trade.party import Zone
from zoneshare_protocols.codec import MAX_AMOUNT
from zoneshare_protocols.errors import BadAmount, Misuse, NotFound
from zoneshare_protocols.sharing.channel import initial_state, updates_left
from zoneshare_protocols.sharing.records import (
    Channel,
    ChannelTerms,
    Inbound,
    InboundStatus,
    Outbound,
    OutboundStatus,
    SignedState,
)

OPENING_MS = 30_000
"""What opening a channel may take of its lock."""


class Plan(NamedTuple):
    """How A opens channels; spans in ms. A channel takes about (lifetime - margin) / tick updates."""

    lifetime: int = 3_600_000
    """From now to M, from when on A can take everything back that B does not claim."""
    tick: int = 50
    challenge: int = 60_000
    funding: int = 300_000
    """How long zone B takes the money; it must leave the margin before M."""


def check_opening(offer: Offer, terms: ChannelTerms, now: int, margin: int) -> None:
    """Whether ``offer`` can be bought over a channel of these terms; before anything is signed.

    ``now`` and ``margin`` in ms. Raises BadAmount for a price or deposit that does not do, Misuse for
    a lock or challenge window that does not.
    """
    cost = offer.price * offer.chunks
    if cost > MAX_AMOUNT:
        raise BadAmount("the file costs more than there can be", value=cost, limit=MAX_AMOUNT)
    if terms.deposit < cost:
        raise BadAmount(f"the deposit does not suffice: the file costs {cost}", deposit=terms.deposit)
    steps = offer.chunks + 2
    if updates_left(terms, 0, now + margin) < steps:
        least = seconds(steps * terms.tick + margin + OPENING_MS)
        raise Misuse(f"the lock is too short for {offer.chunks} chunks: at least {least} s are needed (--lock {least})")
    if terms.challenge < offer.min_challenge:
        least = seconds(offer.min_challenge)
        raise Misuse(f"the challenge window is too short: the seller wants {least} s at least (--challenge {least})")
    most = offer.max_lock // 1000 - seconds(terms.challenge)
    if terms.refund_from + terms.challenge - now > offer.max_lock:
        raise Misuse(
            f"the lock is too long: with this challenge window the seller takes {most} s at most (--lock {most})"
            if most > 0
            else f"the challenge window is too long: with the lock the seller takes {offer.max_lock // 1000} s at most"
        )


def seconds(span_ms: int) -> int:
    """Rounded up."""
    return -(-span_ms // 1000)


async def fund(terms: ChannelTerms, refund: bytes, home: Zone, abroad: Zone, clock: Clock) -> Channel:
    """tx3^A and tx3^B: lock in zone A, fund in zone B with the proof, acknowledge in zone A.

    Raises TooLate when zone B does not take the money any more; :func:`reclaim` brings it back then.
    """
    money = f"channel.{terms.channel}"
    half_signed = SignedState(initial_state(terms), None, refund)

    def show() -> None:
        abroad.escrow.fund(terms, half_signed, home.accounts.prove_outbound(money))

    def acknowledge() -> None:
        home.accounts.acknowledge(money, abroad.accounts.prove_inbound(home.name, money))

    await ensure(clock, lambda: _outbound(home, money), lambda: home.accounts.submit("lock_outbound", terms))
    channel = await ensure(clock, lambda: abroad.escrow.find(terms.channel), show)
    await ensure(clock, lambda: _outbound(home, money, OutboundStatus.RECEIVED), acknowledge)
    return channel


async def reclaim(terms: ChannelTerms, home: Zone, abroad: Zone, clock: Clock) -> bool:
    """Take A's money back from a channel that was never funded; waits for the deadline and its margin.

    False when there is nothing to take back: it was never locked, or the channel was funded after all.
    """
    money = f"channel.{terms.channel}"
    if await answered(clock, lambda: _outbound(home, money, OutboundStatus.LOCKED)) is None:
        return False
    await clock.wait(max(0, terms.fund_before + abroad.margin - clock.now_ms()))

    def bury() -> None:
        abroad.accounts.tombstone(home.name, home.accounts.prove_outbound(money))

    def take_back() -> None:
        home.accounts.reclaim(money, abroad.accounts.prove_inbound(home.name, money))

    answer = await ensure(clock, lambda: _inbound(abroad, home.name, money), bury)
    if answer.status is not InboundStatus.TOMBSTONE:
        return False
    await ensure(clock, lambda: _outbound(home, money, OutboundStatus.RECLAIMED), take_back)
    return True


async def bring_home(settled: Channel, home: Zone, abroad: Zone, clock: Clock) -> None:
    """What is left of A's money, into its account: received in zone A, acknowledged in zone B."""
    if settled.returned:
        rest = f"rest.{settled.terms.channel}"
        await answered(clock, lambda: finish(abroad.accounts, home.accounts, rest))


def _outbound(zone: Zone, id: str, status: OutboundStatus | None = None) -> Outbound | None:
    try:
        found = zone.accounts.outbound(id)
    except NotFound:
        return None
    return found if status is None or found.status is status else None


def _inbound(zone: Zone, source: str, id: str) -> Inbound | None:
    try:
        return zone.accounts.inbound(source, id)
    except NotFound:
        return None


def locked(terms: ChannelTerms, home: Zone) -> bool:
    """Whether A's money for this channel has left its account, and is not back."""
    found = _outbound(home, f"channel.{terms.channel}")
    return found is not None and found.status is not OutboundStatus.RECLAIMED
