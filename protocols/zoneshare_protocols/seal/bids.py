"""Sealed bids, the set that a result must cover exactly, and the enclave's quotes: records, and their checks.

The bids themselves are never in these records: the ledger sees hashes of ciphertexts, and results.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import msgspec

from zoneshare_protocols.codec import Digest, Key32, Millis, Name, Record, Signature, digest, encode
from zoneshare_protocols.errors import AlreadyExists, BadProof, LimitExceeded, Malformed, NotAllowed, TooEarly, TooLate
from zoneshare_protocols.seal.auction import by_urgency
from zoneshare_protocols.seal.phases import Timers
from zoneshare_protocols.seal.records import Outcome, Seat, Task, Terms
from zoneshare_protocols.sharing.keys import check_signature

MAX_BIDDERS = 4096


class Notice(Record, frozen=True, tag="zoneshare/seal-notice/1"):
    """An auction as the drone opens it. Its id is its digest: what everything in it is bound to."""

    drone: Name
    tasks: Annotated[tuple[Task, ...], msgspec.Meta(min_length=1, max_length=1024)]
    terms: Terms
    timers: Timers
    measurement: Digest
    """Of the program that the enclave has to run."""
    nonce: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
    results_key: Key32 | None = None
    """X25519, for this auction only: results are sealed to it. Without one, none can be disputed."""
    jobs: Annotated[tuple[Digest, ...], msgspec.Meta(max_length=1024)] = ()
    """Of tasks that can be recomputed: the digests of their :class:`.recompute.Job`, in the tasks' order, or none."""

    @property
    def id(self) -> bytes:
        return digest(self)


class SealedBid(Record, frozen=True, tag="zoneshare/seal-sealed-bid/1"):
    """Cb_i: a :class:`.records.Bid` under HPKE to the enclave's key, with :class:`BidContext` as associated data."""

    auction: Digest
    bidder: Name
    sealed: Annotated[bytes, msgspec.Meta(min_length=48, max_length=1 << 17)]
    """Encapsulated key and ciphertext."""

    @property
    def hash(self) -> bytes:
        """What is on the ledger before the auction runs."""
        return digest(self)


class BidContext(Record, frozen=True, tag="zoneshare/seal-bid-context/1"):
    """What a sealed bid is bound to: no other auction, bidder or enclave can open it as its own."""

    auction: Digest
    bidder: Name
    enclave: Key32
    """The key it was sealed to."""


class Entry(Record, frozen=True, tag="zoneshare/seal-entry/1"):
    """A bidder that takes part: it has bid, paid and agreed in time."""

    seat: Seat
    bidder: Name
    bid: Digest
    """:attr:`SealedBid.hash`."""
    dwell: Millis
    """Tdw_i, as the drone observed it before bids were opened (H8)."""


class BidSet(Record, frozen=True, tag="zoneshare/seal-bid-set/1"):
    """What the auction runs on: fixed on the ledger at T_dep, and covered by the result exactly."""

    auction: Digest
    entries: Annotated[tuple[Entry, ...], msgspec.Meta(max_length=MAX_BIDDERS)]
    """By seat."""


class Quote(Record, frozen=True, tag="zoneshare/seal-quote/1"):
    """What the platform's attestation key signs: this program, with these keys, for this auction."""

    measurement: Digest
    auction: Digest
    signing_key: Key32
    """Ed25519: results are signed with it."""
    sealing_key: Key32
    """X25519: bids are sealed to it."""
    made: Millis
    simulated: bool
    """No hardware is behind it: whoever runs the machine can read the bids."""


class SignedQuote(Record, frozen=True, tag="zoneshare/seal-signed-quote/1"):
    """A quote as the platform gives it out."""

    quote: Quote
    signature: Signature


class Agreement(Record, frozen=True, tag="zoneshare/seal-agreement/1"):
    """Local consensus: what each party signs when program, keys and the set of bids are right."""

    quote: Digest
    bids: Digest
    """Of the :class:`BidHashes` on the ledger."""
    party: Name


class BidHashes(Record, frozen=True, tag="zoneshare/seal-bid-hashes/1"):
    """All sealed bids' hashes when bids close, sorted."""

    auction: Digest
    hashes: tuple[Digest, ...]


class Result(Record, frozen=True, tag="zoneshare/seal-result/1"):
    """O, as the enclave signs it. ``refused``: seats whose bid could not be opened or read; not why."""

    auction: Digest
    quote: Digest
    bids: Digest
    """Of the :class:`BidSet`."""
    outcome: Outcome
    refused: tuple[Seat, ...] = ()


def check_sealed(bid: SealedBid, auction: bytes, bidder: str, present: Iterable[str]) -> None:
    """A bid as it comes in. Raises BadProof for another auction's, NotAllowed for another's, AlreadyExists for a second
    bid of the same bidder, LimitExceeded over MAX_BIDDERS."""
    here = set(present)
    if bid.auction != auction:
        raise BadProof("the bid is for another auction", bidder=bid.bidder)
    if bid.bidder != bidder:
        raise NotAllowed("only a bidder itself bids", caller=bidder, bidder=bid.bidder)
    if bidder in here:
        raise AlreadyExists("one bid each", bidder=bidder)
    if len(here) >= MAX_BIDDERS:
        raise LimitExceeded("the auction has all the bidders it can have", value=len(here) + 1, limit=MAX_BIDDERS)


def seats(serials: Mapping[str, int]) -> dict[str, int]:
    """Every bidder's seat: 1, 2, ... by certificate serial, which the CA gives, not the bidder (H3).

    Raises Malformed for two bidders on one certificate.
    """
    if len(set(serials.values())) != len(serials):
        raise Malformed("two bidders show the same certificate", bidders=len(serials))
    order = sorted(serials, key=lambda bidder: serials[bidder])
    return {bidder: seat for seat, bidder in enumerate(order, 1)}


def bid_set(
    auction: bytes, hashes: Mapping[str, bytes], serials: Mapping[str, int], dwell: Mapping[str, int]
) -> BidSet:
    """The set that the result must cover, of those who ``serials`` says take part. Raises Malformed, as :func:`seats`,
    and for who has no bid or was not observed."""
    for bidder in serials:
        if bidder not in hashes or bidder not in dwell:
            raise Malformed("a party without a bid, or not observed", bidder=bidder)
    entries = [Entry(seat, bidder, hashes[bidder], dwell[bidder]) for bidder, seat in seats(serials).items()]
    return BidSet(auction, tuple(sorted(entries, key=lambda entry: entry.seat)))


def check_cover(expected: BidSet, given: Sequence[SealedBid]) -> None:
    """Inside the enclave: the bids it was given are the set, none missing, none more, none changed.

    Raises BadProof with a count of each.
    """
    wanted = {entry.bid for entry in expected.entries}
    found = [bid.hash for bid in given]
    missing, strange = len(wanted - set(found)), len(set(found) - wanted)
    if missing or strange or len(found) != len(set(found)):
        raise BadProof("the bids are not those on the ledger", missing=missing, strange=strange, given=len(found))


def check_quote(
    signed: SignedQuote, notice: Notice, attestation: bytes, now: int, max_age: int, *, allow_simulated: bool
) -> None:
    """What every bidder checks before it seals a bid, and the contract before it records a result.

    ``attestation``: the platform's Ed25519 key; ``max_age`` in ms. Raises BadSignature; BadProof for another program or
    auction; NotAllowed for a simulated enclave where none may be; TooLate, TooEarly for a quote out of its time.
    """
    quote = signed.quote
    check_signature(attestation, quote, signed.signature, "attestation key")
    if quote.measurement != notice.measurement:
        raise BadProof("the enclave runs another program", measurement=quote.measurement.hex())
    if quote.auction != notice.id:
        raise BadProof("the quote is for another auction", auction=quote.auction.hex())
    if quote.simulated and not allow_simulated:
        raise NotAllowed("the enclave is simulated, without any hardware behind it", simulated=True)
    if now > quote.made + max_age:
        raise TooLate("the quote is too old", now=now, until=quote.made + max_age)
    if now < quote.made:
        raise TooEarly("the quote is from the future", now=now, from_=quote.made)


def check_result(result: Result, signature: bytes | None, quote: Quote, expected: BidSet, notice: Notice) -> None:
    """What the contract checks of a result beside its quote and the deposits.

    Raises BadSignature; BadProof where auction, quote or set of bids is another; Malformed where a task is not settled
    exactly once, in the order of J', by somebody who takes part, or where a winner has more than n_max tasks.
    """
    check_signature(quote.signing_key, result, signature, "enclave")
    if result.auction != notice.id or expected.auction != notice.id:
        raise BadProof("the result is of another auction", auction=result.auction.hex())
    if result.quote != digest(quote):
        raise BadProof("the result is of another enclave, or of an earlier start of it")
    if result.bids != digest(expected):
        raise BadProof("the result does not cover the bids on the ledger")
    out = result.outcome
    order = [task.id for task in by_urgency(notice.tasks)]
    groups = ([award.task for award in out.awards], out.cloud, out.local, out.dropped)
    if sorted(task for group in groups for task in group) != sorted(order):
        raise Malformed("the result does not settle every task once", tasks=len(order))
    place = {task: number for number, task in enumerate(order)}
    if any(sorted(group, key=place.__getitem__) != list(group) for group in groups):
        raise Malformed("the result is not in the order of urgency")
    allowed = {entry.seat for entry in expected.entries}
    if not set(out.winners) <= allowed - set(result.refused) or not set(result.refused) <= allowed:
        raise Malformed("somebody in the result does not take part")
    most = max((len(out.of(seat)) for seat in out.winners), default=0)
    if most > notice.terms.max_tasks:
        raise Malformed("a winner has too many tasks", value=most, limit=notice.terms.max_tasks)


def aad(auction: bytes, bidder: str, enclave: bytes) -> bytes:
    """The associated data of a sealed bid."""
    return encode(BidContext(auction, bidder, enclave))


def padded(bid: bytes, step: int = 1024) -> bytes:
    """A bid's bytes with their length before and zeros behind, a multiple of ``step`` long: the ciphertext's size tells
    how many tasks are in it to ``step`` bytes only."""
    body = len(bid).to_bytes(4, "big") + bid
    return body + bytes(-len(body) % step)


def unpadded(data: bytes) -> bytes:
    """What :func:`padded` took. Raises Malformed."""
    size = int.from_bytes(data[:4], "big")
    if len(data) < 4 or size > len(data) - 4 or any(data[4 + size :]):
        raise Malformed("not a padded bid", bytes=len(data))
    return data[4 : 4 + size]
