"""An auction's timers, served at the start of every call, and what follows from each."""

from msgspec.structs import replace

from zoneshare_chaincode import auction_state as state
from zoneshare_chaincode.base import Context
from zoneshare_protocols.codec import digest
from zoneshare_protocols.seal import phases
from zoneshare_protocols.seal.bids import MAX_BIDDERS
from zoneshare_protocols.seal.ledger import Auction, BidList, bids_digest, taking_part
from zoneshare_protocols.seal.phases import Event


def serve(context: Context, id: bytes) -> Auction:
    """The auction, with every timer served that has run out: nobody has to be waited for. Raises NotFound.

    The caller goes on with what it gets; what a timer changes is written with what the caller writes.
    """
    present = state.auction(context, id)
    while True:
        event = phases.timed_out(
            present.phase, present.timers, context.now, funded=present.deposit > 0, margin=context.margin
        )
        if event is None:
            return present
        present = state.put_auction(context, _run_out(context, present, event))
        state.tell(context, event, present)


def enter(context: Context, present: Auction, event: Event) -> Auction:
    """The auction as ``event`` moves it, in time. Raises WrongPhase, TooLate. Written by the caller."""
    phases.check_time(event, present.timers, context.now)
    return replace(present, phase=phases.move(present.phase, event))


def _run_out(context: Context, present: Auction, event: Event) -> Auction:
    after = replace(present, phase=phases.move(present.phase, event))
    match event:
        case Event.T_INIT:
            return _close_bids(context, after)
        case Event.T_DEP:
            return _close_deposits(context, after)
        case Event.T_AUC | Event.T_COM:
            return replace(after, at_fault=True)
    return after


def _close_bids(context: Context, after: Auction) -> Auction:
    found = sorted(state.bidders(context, after.id), key=lambda one: one.order)
    for one in found[MAX_BIDDERS:]:
        context.delete(state.key(state.BIDDER, after.id, one.bidder))
    kept = tuple(sorted((one.bidder, one.bid) for one in found[:MAX_BIDDERS]))
    bids = BidList(after.id, kept)
    context.put(state.key(state.BIDS, after.id), bids)
    return replace(after, bids=bids_digest(bids), bidders=len(kept))


def _close_deposits(context: Context, after: Auction) -> Auction:
    names = [bidder for bidder, _ in state.bids(context, after.id).bids]
    dwell = dict(zip(names, state.observed(context, after.id).dwell, strict=True))
    found = taking_part(after.id, state.bidders(context, after.id), dwell)
    context.put(state.key(state.BID_SET, after.id), found)
    return replace(after, bid_set=digest(found))
