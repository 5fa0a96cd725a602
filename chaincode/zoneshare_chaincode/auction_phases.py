"""An auction's timers, served at the start of every call, and what follows from each."""

from msgspec.structs import replace

from zoneshare_chaincode import auction_state as state
from zoneshare_chaincode.base import Context
from zoneshare_protocols.codec import digest
from zoneshare_protocols.errors import WrongPhase
from zoneshare_protocols.seal import phases
from zoneshare_protocols.seal.bids import MAX_BIDDERS
from zoneshare_protocols.seal.ledger import Auction, BidList, bids_digest, taking_part
from zoneshare_protocols.seal.phases import Event, Phase


def serve(context: Context, id: bytes) -> Auction:
    """The auction, with every timer served that has run out: nobody has to be waited for. Raises NotFound.

    The caller goes on with what it gets; what a timer changes is written with what the caller writes.
    """
    present = _counted(context, state.auction(context, id))
    while (event := _timer(context, present)) is not None:
        present = _counted(context, _run_out(context, present, event))
    return present


def close(context: Context, id: bytes) -> Auction:
    """Serve T_init or T_dep alone; the next call counts. Raises NotFound, WrongPhase where neither has run out.

    Counting reads every bidder's key. Held transactions of bidders, ordered one a block, could keep it from ever being
    committed until T_auc, when the drone loses Q; this writes the one key that all of them have read.
    """
    present = state.auction(context, id)
    event = _timer(context, present)
    if event not in (Event.T_INIT, Event.T_DEP, Event.T_DEP_UNFUNDED):
        raise WrongPhase("nothing is to be closed now", phase=present.phase.value, event="close", allowed="advance")
    return _run_out(context, present, event)


def enter(context: Context, present: Auction, event: Event) -> Auction:
    """The auction as ``event`` moves it, in time. Raises WrongPhase, TooLate. Written by the caller."""
    phases.check_time(event, present.timers, context.now)
    return replace(present, phase=phases.move(present.phase, event))


def _timer(context: Context, present: Auction) -> Event | None:
    """A bidder whose clock is ahead must not shut its rivals out either: only the drone closes bids and deposits at
    once, which it alone would pay for."""
    own = context.account == present.drone and present.phase in (Phase.INIT, Phase.DEPOSIT)
    margin = 0 if own else context.margin
    return phases.timed_out(present.phase, present.timers, context.now, funded=present.deposit > 0, margin=margin)


def _run_out(context: Context, present: Auction, event: Event) -> Auction:
    phase = phases.move(present.phase, event)
    fault = present.at_fault or event in (Event.T_AUC, Event.T_COM)
    after = state.put_auction(context, replace(present, phase=phase, at_fault=fault))
    state.tell(context, event, after)
    return after


def _counted(context: Context, present: Auction) -> Auction:
    if present.phase is Phase.DEPOSIT and present.bids is None:
        return state.put_auction(context, _close_bids(context, present))
    if present.phase is Phase.AUCTION and present.bid_set is None:
        return state.put_auction(context, _close_deposits(context, present))
    return present


def _close_bids(context: Context, present: Auction) -> Auction:
    found = sorted(state.bidders(context, present.id), key=lambda one: one.order)
    for one in found[MAX_BIDDERS:]:
        context.delete(state.key(state.BIDDER, present.id, one.bidder))
    kept = tuple(sorted((one.bidder, one.bid) for one in found[:MAX_BIDDERS]))
    bids = BidList(present.id, kept)
    context.put(state.key(state.BIDS, present.id), bids)
    return replace(present, bids=bids_digest(bids), bidders=len(kept))


def _close_deposits(context: Context, present: Auction) -> Auction:
    names = [bidder for bidder, _ in state.bids(context, present.id).bids]
    dwell = dict(zip(names, state.observed(context, present.id).dwell, strict=True))
    found = taking_part(present.id, state.bidders(context, present.id), dwell)
    context.put(state.key(state.BID_SET, present.id), found)
    return replace(present, bid_set=digest(found))
