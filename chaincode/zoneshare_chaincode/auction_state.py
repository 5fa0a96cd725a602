"""The keys of the contracts ``auction`` and ``claim``, and the escrow of an auction.

| key | record | written |
|---|---|---|
| ``auction/<id>`` | Auction | when the phase changes, and with the drone's deposit |
| ``auction-opening/<id>`` | Opening: notice, quote, chain | once, by ``open`` |
| ``auction-bidder/<id>/<account>`` | BidderRecord: bid's hash, deposit, word | by this bidder only |
| ``auction-sealed/<id>/<account>`` | SealedBid, of who has no receipt of the enclave's | once, by ``agree`` |
| ``auction-bids/<id>`` | BidList | once, when T_init is served |
| ``auction-observed/<id>`` | Observed: dwell times | once, by ``fund`` |
| ``auction-set/<id>`` | BidSet | once, when T_dep is served |
| ``auction-result/<id>`` | Recorded: the enclave's result | once, by ``record`` |
| ``auction-winner/<id>/<seat>`` | Winner: awards and chain | once, by ``commit`` |
| ``auction-task/<id>/<seat>/<number>`` | SoldTask; none as long as it is as the commit left it | by ``claim`` |
| ``auction-claimed/<id>/<seat>`` | Claimed | once, by ``claim`` |

Seats and numbers (from 1, the task's place in the winner's chain) have ten digits, so that ranges are in order.

The escrow of an auction is no account: it is ``Auction.deposit`` and every ``BidderRecord.deposit``, less what was
``withdrawn`` and ``Claimed.paid``, until the auction is closed. Claims are paid from ``Auction.deposit``, which stays
as it was paid in: the refund takes the sum of the claims off.
"""

from zoneshare_chaincode.base import Context
from zoneshare_protocols.codec import digest
from zoneshare_protocols.errors import NotFound
from zoneshare_protocols.seal.bids import BidSet
from zoneshare_protocols.seal.ledger import (
    Auction,
    AuctionEvent,
    BidderRecord,
    BidList,
    Claimed,
    Observed,
    Opening,
    Recorded,
    SealZone,
    Winner,
)
from zoneshare_protocols.seal.phases import Event
from zoneshare_protocols.seal.tasks import SoldTask
from zoneshare_protocols.stub import composite_key

ZONE = composite_key("auction-zone")
APPROVAL = "auction-approval"
AUCTION = "auction"
OPENING = "auction-opening"
BIDDER = "auction-bidder"
SEALED = "auction-sealed"
BIDS = "auction-bids"
OBSERVED = "auction-observed"
BID_SET = "auction-set"
RESULT = "auction-result"
WINNER = "auction-winner"
TASK = "auction-task"
CLAIMED = "auction-claimed"


def key(kind: str, auction: bytes, *rest: str | int) -> str:
    """The key of one of an auction's records; numbers as ten digits."""
    return composite_key(kind, auction.hex(), *(f"{part:010}" if isinstance(part, int) else part for part in rest))


def find_zone(context: Context) -> SealZone | None:
    return context.get(SealZone, ZONE)


def zone(context: Context) -> SealZone:
    """Raises NotFound before the organisations have approved rules for auctions."""
    return context.need(SealZone, ZONE, "rules for auctions: none were approved yet (zoneshare enclave init)")


def auction(context: Context, id: bytes) -> Auction:
    """As it was left, timers not served (:func:`.auction_phases.serve`). Raises NotFound."""
    found = context.get(Auction, key(AUCTION, id))
    if found is None:
        raise NotFound("no such auction", auction=id.hex())
    return found


def put_auction(context: Context, record: Auction) -> Auction:
    context.put(key(AUCTION, record.id), record)
    return record


def opening(context: Context, id: bytes) -> Opening:
    return context.need(Opening, key(OPENING, id), "such auction")


def bidder(context: Context, id: bytes, account: str) -> BidderRecord:
    """Raises NotFound for who has not bid."""
    found = context.get(BidderRecord, key(BIDDER, id, account))
    if found is None:
        raise NotFound("no such bidder in this auction", bidder=account)
    return found


def put_bidder(context: Context, record: BidderRecord) -> BidderRecord:
    context.put(key(BIDDER, record.auction, record.bidder), record)
    return record


def bidders(context: Context, id: bytes) -> list[BidderRecord]:
    """All of them, guarded against phantoms: for what happens once in an auction."""
    return [record for _, record in context.scan(BidderRecord, BIDDER, id.hex())]


def bids(context: Context, id: bytes) -> BidList:
    return context.need(BidList, key(BIDS, id), "bids of this auction: they have not closed yet")


def observed(context: Context, id: bytes) -> Observed:
    return context.need(Observed, key(OBSERVED, id), "deposit of the drone's")


def bid_set(context: Context, id: bytes) -> BidSet:
    return context.need(BidSet, key(BID_SET, id), "set of bids: deposits have not closed yet")


def recorded(context: Context, id: bytes) -> Recorded:
    return context.need(Recorded, key(RESULT, id), "result of this auction")


def winner(context: Context, id: bytes, seat: int) -> Winner:
    return context.need(Winner, key(WINNER, id, seat), "such winner in this auction")


def winners(context: Context, id: bytes) -> list[Winner]:
    """All of them, by seat: for what happens once in an auction."""
    return [record for _, record in context.scan(Winner, WINNER, id.hex())]


def sold_task(context: Context, winner: Winner, number: int) -> SoldTask:
    """The winner's task ``number``, from 1. Raises NotFound for a number outside its awards."""
    if not 1 <= number <= len(winner.awards):
        raise NotFound("the winner has no such task", number=number, tasks=len(winner.awards))
    return context.get(SoldTask, key(TASK, winner.auction, winner.seat, number)) or winner.fresh(number)


def sold_tasks(context: Context, winner: Winner) -> list[SoldTask]:
    """All of a winner's tasks, in the order of its chain."""
    return [sold_task(context, winner, number) for number in range(1, len(winner.awards) + 1)]


def put_task(context: Context, winner: Winner, number: int, task: SoldTask) -> SoldTask:
    context.put(key(TASK, winner.auction, winner.seat, number), task)
    return task


def claimed(context: Context, id: bytes, seat: int) -> Claimed | None:
    return context.get(Claimed, key(CLAIMED, id, seat))


def claims(context: Context, id: bytes) -> list[Claimed]:
    return [record for _, record in context.scan(Claimed, CLAIMED, id.hex())]


def put_claimed(context: Context, record: Claimed) -> Claimed:
    context.put(key(CLAIMED, record.auction, record.seat), record)
    return record


def tell(context: Context, event: Event, record: Auction) -> None:
    """The event ``auction``."""
    context.event("auction", AuctionEvent(record.id, event, record.phase, context.account))


def opened(context: Context, new: Opening, record: Auction) -> Auction:
    context.put(key(OPENING, digest(new.notice)), new)
    return put_auction(context, record)
