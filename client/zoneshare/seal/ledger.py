"""The contract ``auction`` of a zone, typed."""

from collections.abc import Iterator

from zoneshare.calls import Contract, result
from zoneshare_protocols.codec import encode
from zoneshare_protocols.seal.bids import Agreement, Result, SealedBid
from zoneshare_protocols.seal.hashchain import Commit
from zoneshare_protocols.seal.ledger import (
    Auction,
    BidderRecord,
    BidList,
    Observed,
    Opening,
    Ready,
    Recorded,
    SealZone,
    Winner,
)
from zoneshare_protocols.seal.phases import Phase
from zoneshare_protocols.sharing.records import EndorsedQuery


class Auctions(Contract):
    """Raises the contract's own errors, and what the Ledger port raises. Methods block."""

    prefix = "auction"

    def approve(self, zone: SealZone) -> None:
        """By an organisation's administrator."""
        self.submit("approve", zone)

    def zone(self) -> SealZone:
        return self.query(SealZone, "zone")

    def open(self, opening: Opening) -> Auction:
        """By the drone."""
        return result(Auction, self.submit("open", opening).payload)

    def bid(self, auction: bytes, bid: bytes) -> BidderRecord:
        """By a bidder: its sealed bid's hash, until T_init."""
        return result(BidderRecord, self.submit("bid", auction, bid).payload)

    def deposit(self, auction: bytes) -> BidderRecord:
        """By a bidder, until T_dep."""
        return result(BidderRecord, self.submit("deposit", auction).payload)

    def fund(self, auction: bytes, observed: Observed) -> Auction:
        """By the drone, until T_dep: its deposit, its agreement, and the dwell times in the order of :meth:`bids`."""
        return result(Auction, self.submit("fund", auction, observed).payload)

    def agree(
        self, auction: bytes, agreement: Agreement, *, receipt: bytes = b"", sealed: SealedBid | None = None
    ) -> BidderRecord:
        """By a bidder, until T_dep; with the enclave's receipt, or else with the sealed bid for the ledger."""
        data = b"" if sealed is None else encode(sealed)
        return result(BidderRecord, self.submit("agree", auction, agreement, receipt, data).payload)

    def decline(self, auction: bytes) -> BidderRecord:
        """By a bidder, until T_dep."""
        return result(BidderRecord, self.submit("decline", auction).payload)

    def advance(self, auction: bytes) -> Auction:
        """Serve the timers that have run out. Anyone may."""
        return result(Auction, self.submit("advance", auction).payload)

    def close(self, auction: bytes) -> Auction:
        """T_init or T_dep alone, where :meth:`advance` meets one conflict after another; the next call counts."""
        return result(Auction, self.submit("close", auction).payload)

    def record(self, found: Result, signature: bytes) -> Auction:
        """The enclave's result, until T_auc. Anyone may."""
        return result(Auction, self.submit("record", found, signature).payload)

    def commit(self, commit: Commit) -> Auction:
        """By the drone, until T_com."""
        return result(Auction, self.submit("commit", commit).payload)

    def withdraw(self, auction: bytes) -> BidderRecord:
        """By a bidder that has not won."""
        return result(BidderRecord, self.submit("withdraw", auction).payload)

    def refund(self, auction: bytes) -> Auction:
        """When all is claimed, run out or cancelled. Anyone may."""
        return result(Auction, self.submit("refund", auction).payload)

    def collect(self, auction: bytes) -> int:
        """The caller's own share, where :meth:`refund` meets one conflict after another."""
        return result(int, self.submit("collect", auction).payload)

    def auction(self, id: bytes) -> Auction:
        """As it was left; a timer that has run out since is served by the next transaction."""
        return self.query(Auction, "auction", id)

    def opening(self, id: bytes) -> Opening:
        return self.query(Opening, "opening", id)

    def bids(self, id: bytes) -> BidList:
        """Once bids have closed."""
        return self.query(BidList, "bids", id)

    def bidder(self, id: bytes, account: str) -> BidderRecord:
        return self.query(BidderRecord, "bidder", id, account)

    def sealed(self, id: bytes, account: str) -> SealedBid:
        """A sealed bid that its maker has put on the ledger."""
        return self.query(SealedBid, "sealed", id, account)

    def ready(self, id: bytes) -> Ready:
        return self.query(Ready, "ready", id)

    def prove_ready(self, id: bytes) -> EndorsedQuery:
        """The enclave's order to run."""
        return self.prove("ready", id)

    def result(self, id: bytes) -> Recorded:
        return self.query(Recorded, "result", id)

    def winner(self, id: bytes, seat: int) -> Winner:
        return self.query(Winner, "winner", id, seat)

    def auctions(self) -> Iterator[Auction]:
        return self.pages(Auction, "auctions")

    def bidders(self, id: bytes) -> Iterator[BidderRecord]:
        return self.pages(BidderRecord, "bidders", id)

    def winners(self, id: bytes) -> Iterator[Winner]:
        return self.pages(Winner, "winners", id)

    def holds(self) -> int:
        """All the money that auctions hold in this zone."""
        return sum(
            self.query(int, "held", one.id) for one in self.auctions() if one.phase not in (Phase.INIT, Phase.CLOSED)
        )
