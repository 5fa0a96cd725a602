"""auction: what anybody may ask of the auctions of a zone."""

from zoneshare_chaincode import auction_refund
from zoneshare_chaincode import auction_state as state
from zoneshare_chaincode.base import Context, Contract, query
from zoneshare_protocols.codec import Digest, Name
from zoneshare_protocols.errors import WrongPhase
from zoneshare_protocols.seal.bids import SealedBid
from zoneshare_protocols.seal.ledger import (
    Auction,
    BidderRecord,
    BidList,
    Opening,
    Ready,
    Recorded,
    SealZone,
    Winner,
)
from zoneshare_protocols.seal.phases import Phase
from zoneshare_protocols.seal.records import Seat


class AuctionQueries(Contract):
    name = "auction"

    @query
    def zone(self, context: Context) -> SealZone:
        return state.zone(context)

    @query
    def auction(self, context: Context, id: Digest) -> Auction:
        """As it was left: a timer that has run out since is served by the next transaction."""
        return state.auction(context, id)

    @query
    def opening(self, context: Context, id: Digest) -> Opening:
        return state.opening(context, id)

    @query
    def bids(self, context: Context, id: Digest) -> BidList:
        """All bids' hashes, once bids have closed."""
        return state.bids(context, id)

    @query
    def bidder(self, context: Context, id: Digest, account: Name) -> BidderRecord:
        return state.bidder(context, id, account)

    @query
    def sealed(self, context: Context, id: Digest, account: Name) -> SealedBid:
        """A sealed bid that its maker has put on the ledger."""
        return context.need(SealedBid, state.key(state.SEALED, id, account), "sealed bid of this bidder on the ledger")

    @query
    def ready(self, context: Context, id: Digest) -> Ready:
        """The enclave's order to run: its endorsed answer is the same whenever it is asked. Raises WrongPhase."""
        present = state.auction(context, id)
        if present.phase is not Phase.AUCTION:
            raise WrongPhase("the auction is not to be run now", phase=present.phase.value, event="ready",
                             allowed=Phase.AUCTION.value)  # fmt: skip
        return Ready(present.id, present.quote, state.bid_set(context, id), present.deposit)

    @query
    def result(self, context: Context, id: Digest) -> Recorded:
        return state.recorded(context, id)

    @query
    def winner(self, context: Context, id: Digest, seat: Seat) -> Winner:
        return state.winner(context, id, seat)

    @query
    def held(self, context: Context, id: Digest) -> int:
        """The money that the auction holds now."""
        return auction_refund.held(context, state.auction(context, id))

    @query
    def auctions(self, context: Context, size: int = 100, bookmark: str = "") -> tuple[tuple[Auction, ...], str]:
        """A page of all auctions, and the next page's bookmark."""
        rows, following = context.page(Auction, state.AUCTION, size, bookmark)
        return tuple(record for _, record in rows), following

    @query
    def bidders(
        self, context: Context, id: Digest, size: int = 100, bookmark: str = ""
    ) -> tuple[tuple[BidderRecord, ...], str]:
        """A page of an auction's bidders, and the next page's bookmark."""
        rows, following = context.page(BidderRecord, state.BIDDER, size, bookmark, id.hex())
        return tuple(record for _, record in rows), following

    @query
    def winners(
        self, context: Context, id: Digest, size: int = 100, bookmark: str = ""
    ) -> tuple[tuple[Winner, ...], str]:
        """A page of an auction's winners, by seat, and the next page's bookmark."""
        rows, following = context.page(Winner, state.WINNER, size, bookmark, id.hex())
        return tuple(record for _, record in rows), following
