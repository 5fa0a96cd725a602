"""Attempts at others' money, and at stopping an auction: clocks that are ahead, and transactions held back."""

import pytest
from msgspec.structs import replace

from tests.contracts.seal.claim_world import DATA, JOB, PRIVATE, RECIPIENT, ClaimWorld, Exchange
from tests.contracts.seal.seal_world import RICH, STALLING, SealWorld, bid_for
from tests.support.memory_stub import MVCC, PHANTOM, VALID
from tests.support.memory_world import CLIENT, MARGIN, TOLERANCE, refused
from zoneshare_protocols.codec import decode, encode
from zoneshare_protocols.errors import (
    AlreadyExists,
    InsufficientFunds,
    NotAllowed,
    NotFound,
    TooEarly,
    WrongPhase,
)
from zoneshare_protocols.seal.ledger import BidderRecord
from zoneshare_protocols.seal.phases import Phase
from zoneshare_protocols.seal.recompute import Dispute, compute
from zoneshare_protocols.seal.score import fallback
from zoneshare_protocols.stub import OK

RESULT = compute(JOB, DATA)


def test_a_bidder_whose_clock_is_ahead_cannot_take_q_before_the_time() -> None:
    """Serving T_auc before the drone could record would share its penalty out."""
    world = SealWorld()
    one = world.open()
    one.until_auction()
    world.wait_until(one.notice.timers.auction)
    ahead = world.zone.endorse(world.bob, "auction:advance", one.id, timestamp_ms=world.now + TOLERANCE)
    assert world.zone.commit(ahead) == VALID
    one.record(one.decide())
    assert one.auction.phase is Phase.COMMIT


def test_a_bidder_whose_clock_is_ahead_cannot_shut_its_rivals_out() -> None:
    """Alone in the set it would win at the reserve. The drone may close at once: it alone would pay for it."""
    world = SealWorld()
    one = world.open()
    one.bid(world.ann, bid_for((1, 400), (2, 400)))
    world.wait_until(one.notice.timers.init)
    ahead = world.zone.endorse(world.ann, "auction:advance", one.id, timestamp_ms=world.now + TOLERANCE)
    assert world.zone.commit(ahead) == VALID
    closing = world.zone.endorse(world.ann, "auction:close", one.id, timestamp_ms=world.now + TOLERANCE)
    assert closing.response.status != OK
    one.bid(world.bob, bid_for((1, 100), (2, 100)))
    one.close_bids()
    assert one.auction.bidders == 2
    one.pay_in(world.ann)
    world.wait_until(one.notice.timers.deposit)
    ahead = world.zone.endorse(world.ann, "auction:advance", one.id, timestamp_ms=world.now + TOLERANCE)
    assert world.zone.commit(ahead) == VALID
    one.submit(world.bob, "deposit")
    one.agree(world.bob)
    one.close_deposits()
    assert len(one.partakers) == 2


def test_a_drone_whose_clock_is_ahead_cannot_end_claims_before_their_time() -> None:
    world = ClaimWorld()
    deal = world.exchange()
    locked = deal.locked()
    deal.prove(locked)
    deal.release(locked)
    world.wait_until(deal.round.notice.timers.claim)
    world.zone.commit(world.zone.endorse(world.dora, "auction:advance", deal.id, timestamp_ms=world.now + TOLERANCE))
    deal.claim(2)
    deal.refund()
    assert world.money(deal.ann) == RICH + sum(deal.winner.prices)


def test_a_commit_held_back_until_every_task_is_over_takes_no_deposit() -> None:
    """due_ij runs from the commit's own time: it is over when the winner first sees the commit."""
    world = ClaimWorld()
    notice = replace(world.notice(), timers=replace(world.timers(), commit=world.now + 6 * 60_000))
    one = world.open(notice)
    found = one.until_commit()
    held = world.zone.endorse(world.dora, "auction:commit", one.a_commit(found))
    world.wait_until(notice.timers.commit)
    assert world.zone.commit(held) == VALID
    deal = Exchange(world, one)
    assert max(task.due for task in deal.tasks) + MARGIN < world.now
    with pytest.raises(TooEarly):
        deal.expire(world.dora)
    deal.prove(deal.locked())
    assert deal.states == ["failed", "failed"]
    deal.claim(0)
    deal.refund()
    assert world.money(deal.ann) == world.money(world.dora) == RICH
    world.books_balance()


def test_a_call_for_a_key_held_back_past_the_grace_time_blames_nobody_who_ends_its_task() -> None:
    """The payword came to the ledger in the last moment, and no call for the key in time."""
    world = ClaimWorld()
    deal = world.exchange()
    deal.prove(deal.locked())
    world.wait_until(deal.due)
    deal.show(2)
    held = world.zone.endorse(world.dora, "claim:call_key", deal.id, deal.seat, 1, 2, timestamp_ms=deal.due - TOLERANCE)
    assert held.response.status == OK
    world.wait_until(max(task.due for task in deal.tasks) + 1)
    deal.expire(deal.ann)
    assert world.zone.commit(held) == MVCC
    assert [task.at_fault for task in deal.tasks] == [False, False]


@pytest.mark.parametrize("means", ["too little grace", "no proving key"])
def test_nobody_pays_for_a_proof_that_could_not_be_made(means: str) -> None:
    """A drone that names a grace time of a millisecond, or a zone in which nothing can be proven."""
    world = SealWorld()
    notice = world.notice()
    if means == "too little grace":
        notice = replace(notice, timers=replace(notice.timers, grace=MARGIN))
    else:
        world.approve(replace(world.rules, version=2, proof_keys=()))
    one = world.open(notice)
    one.until_exchange()
    world.wait_until(notice.timers.claim + MARGIN + 1)
    one.submit(world.dora, "refund")
    assert [world.money(who) for who in (world.ann, world.dora)] == [RICH, RICH]


def test_transactions_held_back_cannot_keep_deposits_open_until_the_drone_is_late() -> None:
    """One of them a block, and counting never commits; closing alone does, and loses them all."""
    world = SealWorld()
    one = world.open()
    one.until_deposits()
    one.pay_in(world.ann)
    refused(world.zone, WrongPhase, world.dora, "auction:close", one.id)
    held = [world.zone.endorse(who, "auction:deposit", one.id) for who in (world.bob, world.cid)]
    world.wait_until(one.notice.timers.deposit + 1)
    counting = world.zone.endorse(world.dora, "auction:advance", one.id)
    assert world.zone.commit(held.pop()) == VALID
    assert world.zone.commit(counting) in (MVCC, PHANTOM)
    closing = world.zone.endorse(world.dora, "auction:close", one.id)
    world.zone.submit(world.cid, "ledger:transfer", world.bob.account, 1)
    assert world.zone.commit(closing) == VALID
    assert world.zone.commit(held.pop()) == MVCC
    assert one.auction.phase is Phase.AUCTION
    refused(world.zone, WrongPhase, world.dora, "auction:close", one.id)
    one.submit(world.dora, "advance")
    assert one.partakers == [world.ann.account]
    found = one.decide()
    one.record(found)
    world.books_balance()


def test_bids_that_are_closed_and_not_counted_yet_are_counted_by_the_next_call() -> None:
    world = SealWorld()
    one = world.open()
    one.bid(world.ann, bid_for((1, 100), (2, 100)))
    world.wait_until(one.notice.timers.init + MARGIN + 1)
    one.submit(world.bob, "close")
    assert (one.auction.phase, one.auction.bids) == (Phase.DEPOSIT, None)
    one.submit(world.ann, "deposit")
    assert one.auction.bidders == 1
    world.wait_until(one.notice.timers.deposit + MARGIN + 1)
    one.submit(world.bob, "close")
    assert one.auction.phase is Phase.CANCELLED
    one.submit(world.bob, "refund")
    assert world.money(world.ann) == RICH


@pytest.mark.parametrize("cancelled", [False, True])
def test_money_sent_to_and_fro_keeps_nobody_from_its_share(cancelled: bool) -> None:
    """A transfer a block, to any of the parties, and the refund of all conflicts; each can take its own."""
    world = SealWorld()
    one = world.open()
    if cancelled:
        one.until_auction()
    else:
        one.until_exchange()
    refused(world.zone, WrongPhase, world.ann, "auction:collect", one.id)
    world.wait_until(one.notice.timers.claim + MARGIN + 1)
    refund = world.zone.endorse(world.dora, "auction:refund", one.id)
    world.zone.submit(world.cid, "ledger:transfer", world.cid.account, 1)
    assert world.zone.commit(refund) == MVCC
    for who in (world.dora, world.ann, world.bob):
        one.submit(who, "collect")
        world.books_balance()
        refused(world.zone, AlreadyExists, who, "auction:collect", one.id)
    refused(world.zone, NotFound, CLIENT, "auction:collect", one.id)
    after = [world.money(who) for who in (world.dora, world.ann, world.bob)]
    one.submit(world.dora, "refund")
    assert [world.money(who) for who in (world.dora, world.ann, world.bob)] == after
    world.books_balance()
    part = STALLING.penalty // 3 if cancelled else 0
    worth = 0 if cancelled else one.auction.drone_deposit - STALLING.penalty
    assert after == [RICH - 3 * part + worth, RICH + part - worth, RICH + part]
    assert world.money(world.cid) == RICH + part


@pytest.mark.parametrize("right", [False, True])
def test_money_moved_in_every_block_keeps_no_drone_from_its_dispute(right: bool) -> None:
    """Bond and verdict can do without any balance; what is owed is paid when there is time."""
    world = ClaimWorld()
    deal = world.exchange(world.notice(jobs=True))
    locked = deal.locked(results=[RESULT, RESULT if right else b"a guess"])
    deal.prove(locked)
    deal.release(locked)
    deal.claim(2)
    shown = {"encrypted": encode(locked.encrypted), "private": PRIVATE.private_bytes_raw(), "job": encode(JOB)}
    about = (deal.id, deal.seat, 2)
    plain = world.endorse(world.dora, "dispute", *about)
    charge = world.endorse(world.dora, "dispute", *about, encode(True))
    world.zone.submit(deal.ann, "ledger:transfer", world.dora.account, 1)
    assert (world.zone.commit(plain), world.zone.commit(charge)) == (MVCC, VALID)
    world.books_balance()
    refused(world.zone, NotAllowed, world.cid, "claim:settle", *about)
    verdict = world.endorse(world.dora, "judge", *about, encode(True), transient={**shown, "data": DATA})
    for who, other in ((deal.ann, world.dora), (world.dora, deal.ann)):
        world.zone.submit(who, "ledger:transfer", other.account, 1)
    assert world.zone.commit(verdict) == VALID
    world.books_balance()
    deal.refund()
    world.books_balance()
    world.call(world.cid, "settle", *about)
    world.books_balance()
    refused(world.zone, NotAllowed, world.cid, "claim:settle", *about)
    paid, bond = sum(deal.winner.prices), decode(Dispute, verdict.result()).bond
    assert world.money(deal.ann) == RICH - 1 + paid + (bond if right else -bond)


def test_a_bond_out_of_the_deposit_leaves_what_winners_are_owed() -> None:
    world = ClaimWorld()
    notice = world.notice(jobs=True, terms=replace(STALLING, penalty=0))
    deal = world.exchange(notice)
    locked = deal.locked(results=[RESULT, RESULT])
    deal.prove(locked)
    deal.release(locked)
    spare = deal.round.auction.drone_deposit - sum(deal.winner.prices)
    bond = fallback(notice.tasks[0], notice.terms).score
    assert bond < spare < 2 * bond
    world.call(world.dora, "dispute", deal.id, deal.seat, 1, encode(True))
    refused(world.zone, InsufficientFunds, world.dora, "claim:dispute", deal.id, deal.seat, 2, encode(True))
    deal.claim(2)
    deal.refund()
    world.books_balance()


def test_a_bid_and_a_receipt_copied_from_the_ledger_take_no_part() -> None:
    """The hash is another's, and its receipt is for whoever shows it; the sealed bid opens for its maker only."""
    world = SealWorld()
    one = world.open()
    sealed = one.bid(world.ann, bid_for((1, 100), (2, 100)))
    one.submit(world.bob, "bid", sealed.hash)
    one.receipts[world.bob.account] = one.receipts[world.ann.account]
    one.close_bids()
    one.pay_in(world.ann, world.bob)
    one.close_deposits()
    found = one.decide()
    (seat,) = found.result.outcome.winners
    assert found.result.refused == (3 - seat,)
    one.record(found)
    one.commit(found)
    assert one.winner(seat).bidder == world.ann.account


def test_rules_that_change_between_two_shares_make_no_money() -> None:
    """Who is to blame is settled with the commit."""
    world = SealWorld()
    one = world.open(replace(world.notice(), results_key=RECIPIENT))
    one.until_exchange()
    world.wait_until(one.notice.timers.claim + MARGIN + 1)
    one.submit(world.dora, "collect")
    world.approve(replace(world.rules, version=2, proof_keys=()))
    one.submit(world.ann, "collect")
    one.submit(world.cid, "refund")
    world.books_balance()
    worth = one.auction.drone_deposit - STALLING.penalty
    assert [world.money(who) for who in (world.ann, world.dora)] == [RICH - worth, RICH + worth]


def test_two_accounts_that_begin_alike_with_one_serial_do_not_stop_an_auction() -> None:
    """Two CAs may give the same serial; serving T_dep must never fail."""
    first, second = (BidderRecord(b"a" * 32, "0" * 20 + end, b"h" * 32, b"s" * 20) for end in ("1" * 20, "2" * 20))
    assert first.order < second.order
    assert first.order < replace(first, serial=b"t" * 20).order
