"""The program of the enclave: keys of its own for each auction, sealed bids in, one signed result out.

It believes the platform it runs on, and the ledger of the zone it is measured with, by its endorsers' signatures. What
it keeps between two starts is sealed by the platform; bids are kept as they came. Nothing of an opened bid is in what
it returns, logs or raises, the outcome apart.
"""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from zoneshare.seal.sealing import open_bid
from zoneshare_protocols.codec import Key32, Record, decode, digest, encode
from zoneshare_protocols.errors import (
    BadProof,
    DataCorrupt,
    InsufficientFunds,
    LimitExceeded,
    Malformed,
    NotAllowed,
    NotFound,
)
from zoneshare_protocols.fabric import endorsed_query
from zoneshare_protocols.seal.auction import check_bid, run
from zoneshare_protocols.seal.bids import Entry, Notice, Result, SealedBid, SignedQuote, check_cover, check_sealed
from zoneshare_protocols.seal.deposits import drone_deposit
from zoneshare_protocols.seal.ledger import BidReceipt, Opening, Ready, Recorded
from zoneshare_protocols.seal.records import Bid, Bidder
from zoneshare_protocols.sharing.keys import sign
from zoneshare_protocols.sharing.records import EndorsedQuery, Trust

log = logging.getLogger(__name__)

READY = "auction:ready"
MAX_AUCTIONS = 256
"""Prepared at the same time."""
MAX_HELD = 1 << 28
"""Bytes of sealed bids, of all auctions."""


class Platform(Protocol):
    """What hardware gives the program that runs in it, and nobody else on the machine."""

    @property
    def measurement(self) -> bytes:
        """Of the program that runs: taken by the platform, never said by the program."""

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The attestation key's certificate (PEM) first, then those below the platform's root."""

    def quote(self, auction: bytes, signing_key: bytes, sealing_key: bytes, now: int) -> SignedQuote:
        """The platform's signature: this program has these keys, for this auction. ``now`` in ms."""

    def seal(self, secret: bytes, label: bytes) -> bytes:
        """For the disk: only this program on this platform reads it again, under the same ``label``."""

    def unseal(self, sealed: bytes, label: bytes) -> bytes:
        """Raises DataCorrupt for another program's, another platform's or another label's."""


class Store(Protocol):
    """The host's disk: it can lose and restore what it likes, and read nothing."""

    def load(self) -> Iterable[tuple[bytes, bytes, tuple[SealedBid, ...]]]:
        """(auction, sealed secrets, bids) of all that is kept."""

    def keep(self, auction: bytes, sealed: bytes) -> None: ...

    def keep_bid(self, bid: SealedBid) -> None: ...

    def forget(self, auction: bytes) -> None: ...


class Secrets(Record, frozen=True, tag="zoneshare/seal-secrets/1"):
    """What is sealed to the platform of one auction."""

    opening: Opening
    signing: Key32
    sealing: Key32


@dataclass
class _Auction:
    opening: Opening
    signing: Ed25519PrivateKey
    sealing: X25519PrivateKey
    bids: dict[str, SealedBid] = field(default_factory=dict)
    """By bidder, as they came."""
    ran: tuple[bytes, Recorded] | None = None
    """The digest of the order that it ran on, and what came of it."""


class Enclave:
    """One program, for one zone; not for several threads at once."""

    def __init__(self, platform: Platform, trust: Trust, store: Store, clock_ms: Callable[[], int]) -> None:
        """``trust``: in the zone's own ledger, the one ``platform.measurement`` is taken with.

        What is kept of auctions by another program, or on another platform, is left alone, and logged.
        """
        self._platform, self._trust, self._store, self._clock_ms = platform, trust, store, clock_ms
        self._auctions: dict[bytes, _Auction] = {}
        for id, sealed, bids in store.load():
            try:
                kept = decode(Secrets, platform.unseal(sealed, id))
            except DataCorrupt as failed:
                log.warning("an auction of before cannot go on: %s", failed)
                continue
            self._auctions[id] = _Auction(
                kept.opening,
                Ed25519PrivateKey.from_private_bytes(kept.signing),
                X25519PrivateKey.from_private_bytes(kept.sealing),
                {bid.bidder: bid for bid in bids},
            )

    def prepare(self, notice: Notice, caller: str) -> Opening:
        """Keys and a quote for this auction; the same again when it is asked again.

        Raises NotAllowed for another caller than its drone, BadProof for a notice that wants another program,
        LimitExceeded over MAX_AUCTIONS.
        """
        if caller != notice.drone:
            raise NotAllowed("an auction is prepared by its drone", drone=notice.drone, caller=caller)
        if notice.measurement != self._platform.measurement:
            raise BadProof("the notice wants another program", measurement=notice.measurement.hex())
        known = self._auctions.get(notice.id)
        if known is not None:
            return known.opening
        self._forget_old()
        if len(self._auctions) >= MAX_AUCTIONS:
            raise LimitExceeded("the enclave has all the auctions it can have", value=len(self._auctions) + 1,
                                limit=MAX_AUCTIONS)  # fmt: skip
        signing, sealing = Ed25519PrivateKey.generate(), X25519PrivateKey.generate()
        public = signing.public_key().public_bytes_raw(), sealing.public_key().public_bytes_raw()
        quote = self._platform.quote(notice.id, *public, self._clock_ms())
        opening = Opening(notice, quote, self._platform.chain)
        secrets = Secrets(opening, signing.private_bytes_raw(), sealing.private_bytes_raw())
        self._store.keep(notice.id, self._platform.seal(encode(secrets), notice.id))
        self._auctions[notice.id] = _Auction(opening, signing, sealing)
        return opening

    def take(self, bid: SealedBid, caller: str) -> bytes:
        """The receipt for a sealed bid, unopened: the signature over its BidReceipt; the same bid again gets it again.

        Raises NotFound, what :func:`check_sealed` raises, and LimitExceeded over MAX_HELD.
        """
        here = self._auction(bid.auction)
        known = here.bids.get(caller)
        if known != bid:
            check_sealed(bid, bid.auction, caller, here.bids)
            held = sum(len(one.sealed) for each in self._auctions.values() for one in each.bids.values())
            if held + len(bid.sealed) > MAX_HELD:
                raise LimitExceeded("the enclave has all the bids it can hold", value=held, limit=MAX_HELD)
            self._store.keep_bid(bid)
            here.bids[caller] = bid
        return sign(here.signing, BidReceipt(bid.auction, bid.hash))

    def decide(self, order: EndorsedQuery, published: Iterable[SealedBid]) -> Recorded:
        """Run an auction as its ledger orders it, once: the same order again gets the same result.

        ``published``: the sealed bids that are on the ledger instead of here. Raises BadProof for an order that the
        ledger's endorsers have not signed, for another quote, and where a bid of the set is missing or another;
        NotFound; NotAllowed for another set than it has run on; InsufficientFunds where the drone's deposit does not
        cover its tasks.
        """
        ready, here = self._ready(order)
        if here.ran is not None:
            if here.ran[0] != digest(ready):
                raise NotAllowed("an auction runs once, and this one has", auction=ready.auction.hex())
            return here.ran[1]
        notice, quote = here.opening.notice, here.opening.quote.quote
        if ready.quote != digest(quote):
            raise BadProof("the ledger has another enclave for this auction", quote=ready.quote.hex())
        needed = drone_deposit(notice.tasks, notice.terms)
        if ready.deposit < needed:
            raise InsufficientFunds("the drone's deposit does not cover its tasks", balance=ready.deposit,
                                    needed=needed)  # fmt: skip
        found = {bid.hash: bid for bid in (*published, *here.bids.values())}
        wanted = {entry.bid for entry in ready.bid_set.entries}
        check_cover(ready.bid_set, [bid for hash, bid in found.items() if hash in wanted])
        recorded = _run(here, ready, found)
        here.ran = digest(ready), recorded
        return recorded

    def _ready(self, order: EndorsedQuery) -> tuple[Ready, _Auction]:
        verified = endorsed_query.verify(order, self._trust, (READY,), self._clock_ms())
        ready = decode(Ready, verified.result)
        if verified.args != (ready.auction,) or ready.bid_set.auction != ready.auction:
            raise BadProof("the order is for another auction", auction=ready.auction.hex())
        return ready, self._auction(ready.auction)

    def _auction(self, id: bytes) -> _Auction:
        found = self._auctions.get(id)
        if found is None:
            raise NotFound("the enclave has no such auction", auction=id.hex())
        return found

    def _forget_old(self) -> None:
        over = [id for id, one in self._auctions.items() if one.opening.notice.timers.auction < self._clock_ms()]
        for id in over:
            self._store.forget(id)
            del self._auctions[id]


def _run(here: _Auction, ready: Ready, found: dict[bytes, SealedBid]) -> Recorded:
    notice = here.opening.notice
    bidders: list[Bidder] = []
    refused: list[int] = []
    for entry in ready.bid_set.entries:
        bid = _opened(here, entry, found[entry.bid])
        if bid is None:
            refused.append(entry.seat)
        else:
            bidders.append(Bidder(entry.seat, entry.dwell, bid))
    outcome = run(notice.tasks, bidders, notice.terms)
    quote = digest(here.opening.quote.quote)
    result = Result(notice.id, quote, digest(ready.bid_set), outcome, tuple(refused))
    return Recorded(result, sign(here.signing, result))


def _opened(here: _Auction, entry: Entry, sealed: SealedBid) -> Bid | None:
    """None for what is no bid: it is out, and nobody is told why. A bundle that is too large is cut by (29)."""
    if sealed.bidder != entry.bidder:
        return None
    try:
        bid = open_bid(sealed, here.sealing)
        with suppress(LimitExceeded):
            check_bid(bid, here.opening.notice.tasks)
    except Malformed:
        return None
    return bid
