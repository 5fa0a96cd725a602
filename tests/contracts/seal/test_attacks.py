"""Attempts at others' money, and at stopping an auction: clocks that are ahead, and transactions held back."""

import pytest
from msgspec.structs import replace

from tests.contracts.seal.claim_world import ClaimWorld, Exchange
from tests.contracts.seal.seal_world import RICH, SealWorld
from tests.support.memory_stub import MVCC, VALID
from tests.support.memory_world import MARGIN, TOLERANCE
from zoneshare_protocols.errors import TooEarly
from zoneshare_protocols.seal.ledger import BidderRecord
from zoneshare_protocols.seal.phases import Phase
from zoneshare_protocols.stub import OK


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


def test_two_accounts_that_begin_alike_with_one_serial_do_not_stop_an_auction() -> None:
    """Two CAs may give the same serial; serving T_dep must never fail."""
    first, second = (BidderRecord(b"a" * 32, "0" * 20 + end, b"h" * 32, b"s" * 20) for end in ("1" * 20, "2" * 20))
    assert first.order < second.order
    assert first.order < replace(first, serial=b"t" * 20).order
