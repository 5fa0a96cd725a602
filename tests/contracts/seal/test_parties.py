"""Bids, deposits and words: every phase up to the auction, and every party that breaks off in it."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.contracts.seal.seal_world import RICH, STALLING, Round, SealWorld, bid_for
from tests.support.memory_stub import MVCC, PHANTOM, VALID
from tests.support.memory_world import CLIENT, MARGIN, refused
from zoneshare_protocols.codec import digest, encode
from zoneshare_protocols.errors import (
    AlreadyExists,
    BadProof,
    BadSignature,
    InsufficientFunds,
    Malformed,
    NotAllowed,
    NotFound,
    TooLate,
    WrongPhase,
    ZoneshareError,
)
from zoneshare_protocols.seal.bids import Agreement, SealedBid
from zoneshare_protocols.seal.ledger import BidList, Observed, Word
from zoneshare_protocols.seal.phases import Phase

CHEAP = bid_for((1, 100), (2, 100))


@pytest.fixture
def one() -> Round:
    return SealWorld().open()


def refuse(one: Round, error: type[ZoneshareError], who: Any, function: str, *args: Any) -> Exception:
    return refused(one.world.zone, error, who, f"auction:{function}", one.id, *args)


def agreement(one: Round, who: Any) -> Agreement:
    return Agreement(digest(one.quote), one.bids, who.account)


def test_one_bid_each_from_registered_accounts(one: Round) -> None:
    world = one.world
    one.bid(world.ann, CHEAP)
    refuse(one, AlreadyExists, world.ann, "bid", b"h" * 32)
    refuse(one, NotAllowed, world.dora, "bid", b"h" * 32)
    refuse(one, NotFound, CLIENT, "bid", b"h" * 32)
    refuse(one, Malformed, world.bob, "bid", b"short")
    refused(world.zone, NotFound, world.bob, "auction:bid", b"x" * 32, b"h" * 32)


def test_a_late_bid(one: Round) -> None:
    one.world.wait_until(one.notice.timers.init)
    one.bid(one.world.ann, CHEAP)
    one.world.wait_until(one.notice.timers.init + 1)
    refuse(one, TooLate, one.world.bob, "bid", b"h" * 32)


def test_nothing_of_deposits_while_bids_are_open(one: Round) -> None:
    one.bid(one.world.ann, CHEAP)
    refuse(one, WrongPhase, one.world.ann, "deposit")
    refuse(one, WrongPhase, one.world.ann, "decline")
    refuse(one, WrongPhase, one.world.dora, "fund", Observed(digest(one.quote), b"b" * 32, ()))
    refuse(one, WrongPhase, one.world.dora, "refund")
    with pytest.raises(NotFound):
        _ = one.bids


def test_the_set_of_bids_is_every_hash_sorted(one: Round) -> None:
    world = one.world
    hashes = [one.bid(who, CHEAP).hash for who in (world.bob, world.ann, world.cid)]
    one.close_bids()
    found: BidList = world.ask(BidList, "bids", one.id)
    assert found.hashes.hashes == tuple(sorted(hashes))
    assert one.auction.bids == digest(found.hashes)
    assert one.auction.bidders == 3


def test_a_bid_held_back_until_bids_are_closed_is_lost(one: Round) -> None:
    """Endorsed in time, ordered later: the set that others agree to cannot grow under them."""
    zone = one.world.zone
    held = zone.endorse(one.world.bob, "auction:bid", one.id, b"h" * 32)
    one.bid(one.world.ann, CHEAP)
    one.close_bids()
    assert zone.commit(held) == MVCC


def test_closing_bids_and_a_bid_at_the_same_moment(one: Round) -> None:
    zone, world = one.world.zone, one.world
    in_time = zone.endorse(world.ann, "auction:bid", one.id, b"h" * 32)
    world.wait_until(one.notice.timers.init + 1)
    closing = zone.endorse(world.dora, "auction:advance", one.id)
    assert zone.commit(in_time) == VALID
    assert zone.commit(closing) == PHANTOM
    one.close_bids()
    assert one.auction.bidders == 1


def test_deposits_are_real_money(one: Round) -> None:
    world = one.world
    one.until_deposits()
    wanted = one.auction.bidder_deposit
    one.submit(world.ann, "deposit")
    assert world.money(world.ann) == RICH - wanted
    assert world.bidder(one.id, world.ann).deposit == wanted
    one.fund()
    assert world.money(world.dora) == RICH - one.auction.drone_deposit
    assert one.auction.deposit == one.auction.drone_deposit
    world.books_balance()
    refuse(one, AlreadyExists, world.ann, "deposit")
    refuse(one, AlreadyExists, world.dora, "fund", Observed(digest(one.quote), one.bids, (1, 1, 1)))
    refuse(one, NotFound, world.dora, "deposit")


def test_a_deposit_that_one_does_not_have(one: Round) -> None:
    world = one.world
    poor = world.world.person("pia", world.zone, 10)
    one.bid(poor, CHEAP)
    world.zone.submit(world.dora, "ledger:transfer", world.ann.account, RICH - 5)
    one.close_bids()
    refuse(one, InsufficientFunds, poor, "deposit")
    refuse(one, InsufficientFunds, world.dora, "fund", Observed(digest(one.quote), one.bids, (1,)))


def test_the_drone_sees_every_bidder(one: Round) -> None:
    world = one.world
    one.until_deposits()
    quote = digest(one.quote)
    refuse(one, Malformed, world.dora, "fund", Observed(quote, one.bids, (1, 1)))
    refuse(one, Malformed, world.dora, "fund", Observed(quote, b"b" * 32, (1, 1, 1)))
    refuse(one, Malformed, world.dora, "fund", Observed(b"q" * 32, one.bids, (1, 1, 1)))
    refuse(one, NotAllowed, world.ann, "fund", Observed(quote, one.bids, (1, 1, 1)))


def test_agreeing_is_to_this_quote_these_bids_and_by_oneself(one: Round) -> None:
    world, ann = one.world, one.world.ann
    one.until_deposits()
    right, receipt = agreement(one, ann), one.receipts[ann.account]
    refuse(one, Malformed, ann, "agree", replace(right, quote=b"q" * 32), receipt)
    refuse(one, Malformed, ann, "agree", replace(right, bids=b"b" * 32), receipt)
    refuse(one, NotAllowed, ann, "agree", agreement(one, world.bob), receipt)
    refuse(one, NotFound, world.dora, "agree", agreement(one, world.dora), receipt)
    one.agree(ann)
    assert world.bidder(one.id, ann).word is Word.AGREED
    refuse(one, AlreadyExists, ann, "agree", right, receipt)
    refuse(one, AlreadyExists, ann, "decline")


def test_who_agrees_has_handed_its_bid_in(one: Round) -> None:
    """A hash alone is no bid: the enclave's receipt, or the sealed bid on the ledger."""
    world, ann = one.world, one.world.ann
    sealed = one.bid(ann, CHEAP, deliver=False)
    other = one.bid(world.bob, CHEAP)
    one.close_bids()
    right = agreement(one, ann)
    refuse(one, Malformed, ann, "agree", right)
    refuse(one, BadSignature, ann, "agree", right, one.receipts[world.bob.account])
    refuse(one, BadProof, ann, "agree", right, b"", encode(other))
    refuse(one, BadProof, ann, "agree", right, b"", encode(replace(sealed, sealed=sealed.sealed + b"0")))
    one.agree(ann)
    assert world.ask(SealedBid, "sealed", one.id, ann.account) == sealed
    with pytest.raises(NotFound):
        world.ask(SealedBid, "sealed", one.id, world.bob.account)


def test_who_declines_is_out_and_loses_nothing(one: Round) -> None:
    world = one.world
    one.until_deposits()
    one.submit(world.cid, "decline")
    refuse(one, NotAllowed, world.cid, "deposit")
    one.submit(world.bob, "deposit")
    one.submit(world.bob, "decline")
    one.pay_in(world.ann)
    one.close_deposits()
    assert one.partakers == [world.ann.account]
    one.record(one.decide())
    one.submit(world.bob, "withdraw")
    assert world.money(world.bob) == RICH


def test_who_pays_and_says_nothing_is_charged_and_blocks_nobody(one: Round) -> None:
    """The stalling charge is the drone's."""
    world = one.world
    one.until_deposits()
    one.submit(world.bob, "deposit")
    one.pay_in(world.ann)
    one.close_deposits()
    assert one.partakers == [world.ann.account]
    found = one.decide()
    one.record(found)
    one.submit(world.bob, "withdraw")
    assert world.money(world.bob) == RICH - STALLING.stall
    refuse(one, AlreadyExists, world.bob, "withdraw")
    one.commit(found)
    world.wait_until(one.notice.timers.claim + MARGIN + 1)
    before = world.money(world.dora)
    one.submit(world.cid, "refund")
    assert world.money(world.bob) == RICH - STALLING.stall
    lost = one.auction.bidder_deposit - (world.money(world.ann) - (RICH - one.auction.bidder_deposit))
    assert world.money(world.dora) == before + one.auction.drone_deposit + STALLING.stall + lost
    world.books_balance()


def test_who_agrees_and_does_not_pay_is_out(one: Round) -> None:
    world = one.world
    one.until_deposits()
    one.agree(world.bob)
    one.pay_in(world.ann)
    one.close_deposits()
    assert one.partakers == [world.ann.account]
    refuse(one, TooLate, world.bob, "deposit")


def test_without_the_drones_deposit_everything_goes_back(one: Round) -> None:
    world = one.world
    one.until_deposits()
    one.submit(world.ann, "deposit")
    one.submit(world.bob, "deposit")
    one.agree(world.bob)
    world.wait_until(one.notice.timers.deposit + 1)
    refuse(one, TooLate, world.dora, "fund", Observed(digest(one.quote), one.bids, (1, 1, 1)))
    world.wait_until(one.notice.timers.deposit + MARGIN + 1)
    one.submit(world.cid, "refund")
    assert one.auction.phase is Phase.CLOSED
    assert [world.money(who) for who in (world.ann, world.bob, world.dora)] == [RICH] * 3
    world.books_balance()
    refuse(one, WrongPhase, world.cid, "refund")


def test_a_deposit_held_back_until_deposits_are_closed_is_lost(one: Round) -> None:
    world = one.world
    one.until_deposits()
    one.pay_in(world.ann)
    held = [world.zone.endorse(world.bob, "auction:deposit", one.id)]
    one.submit(world.cid, "deposit")
    right = agreement(one, world.cid)
    held.append(world.zone.endorse(world.cid, "auction:agree", one.id, right, one.receipts[world.cid.account]))
    one.close_deposits()
    assert [world.zone.commit(each) for each in held] == [MVCC, MVCC]
    assert one.partakers == [world.ann.account]
    world.books_balance()


def test_two_bidders_at_once_do_not_meet(one: Round) -> None:
    """Bids, deposits and words of one block: no key of one is another's."""
    zone, world = one.world.zone, one.world
    bids = [zone.endorse(who, "auction:bid", one.id, bytes([n]) * 32) for n, who in enumerate((world.ann, world.bob))]
    assert [zone.commit(each) for each in bids] == [VALID, VALID]
    one.close_bids()
    deposits = [zone.endorse(who, "auction:deposit", one.id) for who in (world.ann, world.bob)]
    assert [zone.commit(each) for each in deposits] == [VALID, VALID]


def test_nobody_bids(one: Round) -> None:
    """An empty set is run like any other, and costs nobody anything."""
    world = one.world
    one.close_bids()
    one.fund()
    one.close_deposits()
    found = one.decide()
    assert found.result.outcome.awards == ()
    one.record(found)
    assert one.auction.phase is Phase.REFUND
    one.submit(world.cid, "refund")
    assert world.money(world.dora) == RICH
    world.books_balance()


def test_an_auction_that_nobody_looks_after_can_be_closed_by_anybody(one: Round) -> None:
    """One call serves every timer that has run out."""
    world = one.world
    one.bid(world.ann, CHEAP)
    world.wait_until(one.notice.timers.claim + MARGIN + 1)
    one.submit(world.cid, "refund")
    assert one.auction.phase is Phase.CLOSED
    assert one.auction.bidders == 1
    world.books_balance()


def test_one_call_serves_deposit_and_result_timers(one: Round) -> None:
    """Funded, and then forgotten: the set is fixed, the drone at fault, in one transaction with the refund."""
    world = one.world
    one.until_deposits()
    one.pay_in(world.ann)
    one.submit(world.bob, "deposit")
    world.wait_until(one.notice.timers.claim + MARGIN + 1)
    one.submit(world.cid, "refund")
    assert world.money(world.ann) == RICH + STALLING.penalty
    assert world.money(world.bob) == RICH - STALLING.stall
    assert world.money(world.dora) == RICH - STALLING.penalty + STALLING.stall
    world.books_balance()
