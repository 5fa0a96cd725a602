"""What the contracts ``auction`` and ``claim`` keep of an auction, and what a zone allows its auctions.

One key each for the auction, what opened it, every bidder, every winner and every task that has moved, so that no call
grows with what it does not concern.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated

import msgspec

from zoneshare_protocols.codec import Amount, Count, Digest, Key32, Millis, Name, Record, Signature, digest
from zoneshare_protocols.errors import LimitExceeded, Malformed
from zoneshare_protocols.seal.bids import (
    MAX_BIDDERS,
    BidHashes,
    BidSet,
    Notice,
    Result,
    SignedQuote,
    bid_set,
)
from zoneshare_protocols.seal.hashchain import ChainMeta
from zoneshare_protocols.seal.phases import Event, Phase, Timers
from zoneshare_protocols.seal.records import Award, Outcome, Positive, Seat
from zoneshare_protocols.seal.tasks import SoldTask, sold

Pem = Annotated[bytes, msgspec.Meta(min_length=1, max_length=1 << 14)]


class PlatformRoot(Record, frozen=True, tag="zoneshare/seal-platform/1"):
    """A maker of platforms that enclaves run on, by the root of its attestation certificates."""

    certificate: Pem
    simulated: bool
    """Its platforms have no hardware that keeps anything from whoever runs the machine."""


class ProofKey(Record, frozen=True, tag="zoneshare/seal-proof-key/1"):
    """A verifying key that proofs of results may be made for, by the SHA-256 of its file."""

    circuit: Name
    hash: Digest
    unsafe: bool
    """From a setup whose secrets somebody may know: a development key."""


class SealZone(Record, frozen=True, tag="zoneshare/seal-zone/1"):
    """What a zone allows its auctions; takes effect when every organisation has approved the same."""

    zone: Name
    version: Positive
    production: bool
    """Simulated platforms and unsafe proving keys are refused."""
    measurements: Annotated[tuple[Digest, ...], msgspec.Meta(max_length=64)]
    """Of the enclave programs that may run an auction."""
    platforms: Annotated[tuple[PlatformRoot, ...], msgspec.Meta(max_length=64)]
    quote_age: Millis
    """How old a quote may be when its auction opens."""
    proof_keys: Annotated[tuple[ProofKey, ...], msgspec.Meta(max_length=64)] = ()


class Opening(Record, frozen=True, tag="zoneshare/seal-opening/1"):
    """What the drone opened an auction with. It never changes."""

    notice: Notice
    quote: SignedQuote
    chain: Annotated[tuple[Pem, ...], msgspec.Meta(min_length=1, max_length=4)]
    """The attestation key's certificate, and those between it and the platform's root."""


class Auction(Record, frozen=True, tag="zoneshare/seal-auction/1"):
    """Where an auction is. It changes when the phase does, and with the drone's deposit; bids do not touch it."""

    id: Digest
    drone: Name
    phase: Phase
    timers: Timers
    opened: Millis
    quote: Digest
    """Of the :class:`.bids.Quote`."""
    enclave: Key32
    """Ed25519: what results and receipts are signed with."""
    drone_deposit: Amount
    """D_u, what the drone has to pay in."""
    bidder_deposit: Amount
    """D_i, the same for all."""
    deposit: Amount = 0
    """What the drone has paid in: the escrow that claims are paid from."""
    bids: Digest | None = None
    """Of the :class:`.bids.BidHashes`, from T_init on."""
    bidders: Count = 0
    bid_set: Digest | None = None
    """Of the :class:`.bids.BidSet`, from T_dep on."""
    at_fault: bool = False
    """The drone did not carry the auction through, and loses Q."""
    committed: Millis | None = None
    blames: bool = False
    """Whether winners have the time and the means to prove, as the commit found it: nobody pays for timers that cannot
    be met, for a zone without proving keys, or for a notice without a key to seal to."""
    collected: Amount = 0
    """What has left the drone's deposit before the refund of all: its share, and bonds of disputes."""


class Word(StrEnum):
    """What a bidder has said to the attested program and the set of bids."""

    NONE = "none"
    AGREED = "agreed"
    DECLINED = "declined"


class BidderRecord(Record, frozen=True, tag="zoneshare/seal-bidder-record/1"):
    """A bidder of one auction, and its money in escrow."""

    auction: Digest
    bidder: Name
    bid: Digest
    """:attr:`.bids.SealedBid.hash`."""
    serial: Annotated[bytes, msgspec.Meta(min_length=20, max_length=20)]
    """Of the certificate it bid with."""
    deposit: Amount = 0
    word: Word = Word.NONE
    withdrawn: Amount = 0
    """What it has taken out of its deposit already: a loser need not wait for the end."""

    @property
    def takes_part(self) -> bool:
        return self.deposit > 0 and self.word is Word.AGREED

    @property
    def silent(self) -> bool:
        """It has paid, and said nothing: from T_dep on it is out, and charged."""
        return self.deposit > 0 and self.word is Word.NONE

    @property
    def order(self) -> int:
        """By certificate serial; two CAs may give the same one, so the account follows it."""
        return int.from_bytes(self.serial + self.bidder.encode().ljust(128, b"\0"), "big")


class BidList(Record, frozen=True, tag="zoneshare/seal-bid-list/1"):
    """Who has bid what, when bids close: (bidder, hash), by bidder."""

    auction: Digest
    bids: Annotated[tuple[tuple[Name, Digest], ...], msgspec.Meta(max_length=MAX_BIDDERS)]

    @property
    def hashes(self) -> BidHashes:
        """What the parties agree to."""
        return BidHashes(self.auction, tuple(sorted(bid for _, bid in self.bids)))


class Observed(Record, frozen=True, tag="zoneshare/seal-observed/1"):
    """What the drone says with its deposit: it agrees to program and bids, and how long each bidder stays (H8).

    One dwell time (ms) for each of the :class:`BidList`, in its order; 0 for a vehicle that was not seen.
    """

    quote: Digest
    bids: Digest
    """Of the :class:`.bids.BidHashes`."""
    dwell: Annotated[tuple[Millis, ...], msgspec.Meta(max_length=MAX_BIDDERS)]


class BidReceipt(Record, frozen=True, tag="zoneshare/seal-bid-receipt/1"):
    """What the enclave signs when it has a sealed bid: its maker need not put it on the ledger."""

    auction: Digest
    bid: Digest


class Ready(Record, frozen=True, tag="zoneshare/seal-ready/1"):
    """The enclave's order to run: the endorsed answer of ``auction:ready``, the same whenever it is asked."""

    auction: Digest
    quote: Digest
    bid_set: BidSet
    deposit: Amount
    """The drone's, in escrow."""


class Recorded(Record, frozen=True, tag="zoneshare/seal-recorded/1"):
    """A result as the enclave signed it."""

    result: Result
    signature: Signature


class Winner(Record, frozen=True, tag="zoneshare/seal-winner/1"):
    """What a winner has to do, for how much, and its chain. It never changes."""

    auction: Digest
    seat: Seat
    bidder: Name
    awards: tuple[Award, ...]
    """Its tasks, in the order of J': payword k stands for the first k."""
    chain: ChainMeta
    committed: Millis
    excused: Millis = 0
    """T_com and the grace time: see :func:`.tasks.sold`."""

    @property
    def prices(self) -> tuple[int, ...]:
        return tuple(award.payment for award in self.awards)

    def fresh(self, number: int) -> SoldTask:
        """Task ``number`` (from 1) as the commit left it."""
        return sold(self.awards[number - 1], self.committed, self.excused)


class Claimed(Record, frozen=True, tag="zoneshare/seal-claimed/1"):
    """A winner's claim: final."""

    auction: Digest
    seat: Seat
    index: Count
    paid: Amount
    later: bool = False
    """It is paid with the winner's share at the end, so that the claim touches no balance."""

    @property
    def credited(self) -> int:
        """What has left the escrow."""
        return 0 if self.later else self.paid


class AuctionEvent(Record, frozen=True, tag="zoneshare/seal-auction-event/1"):
    """The event ``auction``: what has happened, and the phase after it."""

    auction: Digest
    event: Event
    phase: Phase
    party: Name
    """Who submitted it."""


def check_observed(observed: Observed, auction: Auction, bids: BidList) -> None:
    """Raises Malformed where quote or bids are others, or not every bidder has a dwell time."""
    check_agreed(observed.quote, observed.bids, auction)
    if len(observed.dwell) != len(bids.bids):
        raise Malformed("each bidder has one dwell time", bidders=len(bids.bids), given=len(observed.dwell))


def check_agreed(quote: bytes, bids: bytes, auction: Auction) -> None:
    """Raises Malformed unless these are the auction's quote and bids."""
    if quote != auction.quote:
        raise Malformed("the quote is not the auction's", quote=quote.hex(), expected=auction.quote.hex())
    if bids != auction.bids:
        raise Malformed("these are not the bids on the ledger", bids=bids.hex())


def check_limits(outcome: Outcome, notice: Notice) -> None:
    """Raises LimitExceeded where a winner has more time than its task's deadline and the slack: T_clm counts on it."""
    longest = {task.id: task.deadline + notice.terms.slack for task in notice.tasks}
    for award in outcome.awards:
        if award.within > longest[award.task]:
            raise LimitExceeded("a winner has more time than the task", value=award.within, limit=longest[award.task])


def taking_part(auction: bytes, bidders: Iterable[BidderRecord], dwell: Mapping[str, int]) -> BidSet:
    """The set at T_dep, of those who have paid and agreed."""
    partakers = [one for one in bidders if one.takes_part]
    hashes = {one.bidder: one.bid for one in partakers}
    return bid_set(auction, hashes, {one.bidder: one.order for one in partakers}, dwell)


def bids_digest(bids: BidList) -> bytes:
    """What :class:`Auction` and every agreement name the bids by."""
    return digest(bids.hashes)
