"""RefundAll: rests, deposits and penalties when an auction is over; and how a loser has its deposit before that."""

from msgspec.structs import replace

from zoneshare_chaincode import auction_state as state
from zoneshare_chaincode import vault
from zoneshare_chaincode.base import Context
from zoneshare_protocols.errors import AlreadyExists, NotAllowed, WrongPhase
from zoneshare_protocols.seal import phases
from zoneshare_protocols.seal.deposits import Ending, share_out
from zoneshare_protocols.seal.ledger import Auction, BidderRecord
from zoneshare_protocols.seal.phases import Event, Phase
from zoneshare_protocols.seal.score import fallback
from zoneshare_protocols.seal.tasks import settled

FREE = (Phase.COMMIT, Phase.EXCHANGE, Phase.CLAIM)
"""From the result on a loser's deposit is its own; at the end everybody is paid by the refund."""


def refund(context: Context, present: Auction) -> Auction:
    """Pay everybody what :func:`share_out` says, less what it has had already. Raises WrongPhase."""
    ended = _over(context, present)
    closed = replace(ended, phase=phases.move(ended.phase, Event.REFUND))
    found = state.bidders(context, present.id)
    drone, left = _left(context, ended, found)
    for place, amount in left.items():
        _pay(context, found[place - 1].bidder, amount)
    _pay(context, present.drone, drone)
    state.tell(context, Event.REFUND, closed)
    return state.put_auction(context, closed)


def collect(context: Context, present: Auction) -> int:
    """The caller's own share. Raises WrongPhase, NotFound for who has no part, AlreadyExists when nothing is left."""
    ended = _over(context, present)
    phases.move(ended.phase, Event.REFUND)
    found = state.bidders(context, present.id)
    drone, left = _left(context, ended, found)
    if context.account == present.drone:
        amount, ended = drone, replace(ended, collected=ended.collected + drone)
    else:
        record = state.bidder(context, present.id, context.account)
        amount = left.get(found.index(record) + 1, 0)
        state.put_bidder(context, replace(record, withdrawn=record.withdrawn + amount))
    if not amount:
        raise AlreadyExists("nothing is left", account=context.account)
    _pay(context, context.account, amount)
    state.tell(context, Event.REFUND, ended)
    if ended != present:
        state.put_auction(context, ended)
    return amount


def withdraw(context: Context, present: Auction) -> BidderRecord:
    """By a bidder that has not won, from the result on: its deposit, less the stalling charge.

    Raises WrongPhase, NotFound, NotAllowed for a winner, AlreadyExists when nothing is left.
    """
    if present.phase not in FREE:
        allowed = ", ".join(phase.value for phase in FREE)
        raise WrongPhase("no withdraw now", phase=present.phase.value, event="withdraw", allowed=allowed)
    record = state.bidder(context, present.id, context.account)
    seats = {entry.bidder: entry.seat for entry in state.bid_set(context, present.id).entries}
    if seats.get(record.bidder) in state.recorded(context, present.id).result.outcome.winners:
        raise NotAllowed("a winner's deposit stays until the end", bidder=record.bidder)
    charge = state.opening(context, present.id).notice.terms.stall if record.silent else 0
    amount = record.deposit - charge - record.withdrawn
    if amount <= 0:
        raise AlreadyExists("nothing of the deposit is left", withdrawn=record.withdrawn)
    vault.credit(context, record.bidder, amount)
    return state.put_bidder(context, replace(record, withdrawn=record.withdrawn + amount))


def held(context: Context, present: Auction) -> int:
    """What is in escrow: all deposits, less what was withdrawn and claimed; nothing of a closed auction."""
    if present.phase is Phase.CLOSED:
        return 0
    bidders = sum(one.deposit - one.withdrawn for one in state.bidders(context, present.id))
    return (
        present.deposit - present.collected + bidders - sum(one.credited for one in state.claims(context, present.id))
    )


def _over(context: Context, present: Auction) -> Auction:
    """In REFUND or CANCELLED; from EXCHANGE and CLAIM there, once every winner has claimed.

    Where results can be disputed, deposits stay until claims end: a wrong result costs its winner's.
    """
    if present.phase in (Phase.EXCHANGE, Phase.CLAIM) and state.opening(context, present.id).notice.jobs:
        return present
    if present.phase is Phase.EXCHANGE and _all_claimed(context, present):
        present = replace(present, phase=phases.move(present.phase, Event.ALL_DECIDED))
    if present.phase is Phase.CLAIM and _all_claimed(context, present):
        present = replace(present, phase=phases.move(present.phase, Event.ALL_CLAIMED))
    return present


def _all_claimed(context: Context, present: Auction) -> bool:
    return all(
        state.claimed(context, present.id, winner.seat) is not None for winner in state.winners(context, present.id)
    )


def _left(context: Context, ended: Auction, found: list[BidderRecord]) -> tuple[int, dict[int, int]]:
    """What the drone and every bidder that paid in are still due; a bidder's number is its place among ``found``."""
    ending = _ending(context, ended, found)
    shares = share_out(ending, state.opening(context, ended.id).notice.terms)
    seats = {winner.seat: winner.bidder for winner in state.winners(context, ended.id)}
    credited = {seats[one.seat]: one.credited for one in state.claims(context, ended.id)}
    left = {
        place: share - found[place - 1].withdrawn - credited.get(found[place - 1].bidder, 0)
        for place, share in shares.bidders.items()
    }
    return shares.drone - ended.collected, left


def _ending(context: Context, closed: Auction, found: list[BidderRecord]) -> Ending:
    """How it ended; a bidder's number is its place among all who bid."""
    notice = state.opening(context, closed.id).notice
    winners = {winner.bidder: winner for winner in state.winners(context, closed.id)}
    penalties = {task.id: fallback(task, notice.terms).score for task in notice.tasks} if winners else {}
    claims, faults = {}, {}
    for place, one in enumerate(found, 1):
        winner = winners.get(one.bidder)
        if winner is None:
            continue
        paid = state.claimed(context, closed.id, winner.seat)
        if paid is not None:
            claims[place] = paid.paid
        tasks = [settled(task, context.now, closed.timers.grace) for task in state.sold_tasks(context, winner)]
        faults[place] = sum(
            penalties[task.award.task] for task in tasks if task.at_fault and (closed.blames or task.refuted)
        )
    return Ending(
        closed.deposit,
        {place: one.deposit for place, one in enumerate(found, 1) if one.deposit},
        claims,
        faults,
        frozenset(place for place, one in enumerate(found, 1) if one.silent and closed.bid_set is not None),
        cancelled=closed.at_fault,
    )


def _pay(context: Context, account: str, amount: int) -> None:
    if amount:
        vault.credit(context, account, amount)
