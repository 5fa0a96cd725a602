"""The result and the commit: what the contract takes, and who pays when neither comes."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace

from tests.contracts.seal.seal_world import RICH, STALLING, STEP, Round, SealWorld, bid_for
from tests.support.memory_stub import MVCC
from tests.support.memory_world import MARGIN, refused
from zoneshare_protocols.codec import digest
from zoneshare_protocols.errors import (
    BadProof,
    BadSignature,
    InsufficientFunds,
    LimitExceeded,
    Malformed,
    NotAllowed,
    NotFound,
    TooLate,
    WrongPhase,
    ZoneshareError,
)
from zoneshare_protocols.seal.hashchain import meta
from zoneshare_protocols.seal.ledger import Recorded
from zoneshare_protocols.seal.phases import Phase
from zoneshare_protocols.sharing.keys import sign


@pytest.fixture
def one() -> Round:
    made = SealWorld().open()
    made.until_auction()
    return made


def refuse(one: Round, error: type[ZoneshareError], found: Recorded) -> Exception:
    return refused(one.world.zone, error, one.world.dora, "auction:record", found.result, found.signature)


def resigned(one: Round, found: Recorded, **changes: Any) -> Recorded:
    """Signed by the enclave's key: as if its program were another."""
    result = replace(found.result, **changes)
    return Recorded(result, sign(one.world.enclave._auctions[one.id].signing, result))


def test_anybody_may_record_the_enclaves_result(one: Round) -> None:
    found = one.decide()
    one.world.submit(one.world.cid, "record", found.result, found.signature)
    assert one.world.ask(Recorded, "result", one.id) == found
    refuse(one, WrongPhase, found)


def test_only_the_enclaves_key_counts(one: Round) -> None:
    found = one.decide()
    refuse(one, BadSignature, Recorded(found.result, sign(Ed25519PrivateKey.generate(), found.result)))
    refuse(one, BadSignature, Recorded(replace(found.result, refused=(3,)), found.signature))


def test_the_result_covers_exactly_the_bids_on_the_ledger(one: Round) -> None:
    found = one.decide()
    ready = one.world.enclave._ready(one.order())[0]
    fewer = replace(ready.bid_set, entries=ready.bid_set.entries[:2])
    refuse(one, BadProof, resigned(one, found, bids=digest(fewer)))
    refuse(one, BadProof, resigned(one, found, quote=b"q" * 32))


def test_a_result_of_another_auction(one: Round) -> None:
    """Replayed as it is, it finds its own auction; renamed, it is not signed, or not of this set."""
    world = one.world
    earlier = one.decide()
    one.record(earlier)
    later = world.open(world.notice(nonce=9))
    later.until_auction()
    refuse(later, TooLate, earlier)
    refuse(later, BadSignature, Recorded(replace(earlier.result, auction=later.id), earlier.signature))
    refuse(later, BadProof, resigned(later, earlier, auction=later.id))
    refuse(later, NotFound, resigned(later, earlier, auction=b"a" * 32))


def test_the_drones_deposit_covers_what_is_paid(one: Round) -> None:
    found = one.decide()
    dear = replace(found.result.outcome.awards[0], payment=one.auction.deposit - STALLING.penalty + 1)
    out = found.result.outcome
    refuse(one, InsufficientFunds, resigned(one, found, outcome=replace(out, awards=(dear, *out.awards[1:]))))


def test_no_winner_has_more_time_than_its_task(one: Round) -> None:
    found = one.decide()
    out = found.result.outcome
    slow = replace(out.awards[0], within=one.notice.tasks[0].deadline + STALLING.slack + 1)
    refuse(one, LimitExceeded, resigned(one, found, outcome=replace(out, awards=(slow, *out.awards[1:]))))


def test_every_task_once_and_by_who_takes_part(one: Round) -> None:
    found = one.decide()
    out = found.result.outcome
    refuse(one, Malformed, resigned(one, found, outcome=replace(out, awards=out.awards[:1])))
    stranger = replace(out.awards[0], seat=9)
    refuse(one, Malformed, resigned(one, found, outcome=replace(out, awards=(stranger, *out.awards[1:]))))


def test_a_program_that_the_zone_has_withdrawn_decides_nothing(one: Round) -> None:
    world, found = one.world, one.decide()
    world.approve(replace(world.rules, version=2, measurements=(b"n" * 32,)))
    refuse(one, NotAllowed, found)


def test_before_deposits_are_closed_nothing_is_decided() -> None:
    world = SealWorld()
    one = world.open()
    one.until_deposits()
    one.pay_in(world.ann)
    with pytest.raises(WrongPhase):
        one.order()
    refused(world.zone, WrongPhase, world.ann, "auction:withdraw", one.id)
    world.wait_until(one.notice.timers.deposit + 1)
    with pytest.raises(WrongPhase):
        one.order()


def test_no_result_in_time_costs_the_drone_q(one: Round) -> None:
    """Shared among the bidders; what does not divide stays its own."""
    world, found = one.world, one.decide()
    world.wait_until(one.notice.timers.auction + MARGIN + 1)
    refuse(one, TooLate, found)
    world.submit(world.cid, "refund", one.id)
    part = STALLING.penalty // 3
    assert [world.money(who) for who in (world.ann, world.bob, world.cid)] == [RICH + part] * 3
    assert world.money(world.dora) == RICH - 3 * part
    assert one.auction.phase is Phase.CLOSED
    assert one.auction.at_fault
    world.books_balance()


def test_a_result_held_back_past_its_time_is_lost(one: Round) -> None:
    found, zone = one.decide(), one.world.zone
    held = zone.endorse(one.world.dora, "auction:record", found.result, found.signature)
    one.world.wait_until(one.notice.timers.auction + MARGIN + 1)
    one.submit(one.world.bob, "advance")
    assert one.auction.phase is Phase.CANCELLED
    assert zone.commit(held) == MVCC


def test_no_commit_in_time_costs_the_drone_q_and_who_has_left_gets_its_part(one: Round) -> None:
    world, found = one.world, one.decide()
    one.record(found)
    one.submit(world.bob, "withdraw")
    world.books_balance()
    world.wait_until(one.notice.timers.commit + MARGIN + 1)
    chains = tuple(meta(seat, [b"w" * 32, b"x" * 32, b"y" * 32]) for seat in found.result.outcome.winners)
    refused(world.zone, TooLate, world.dora, "auction:commit", one.commitment(chains))
    one.submit(world.ann, "refund")
    part = STALLING.penalty // 3
    assert [world.money(who) for who in (world.ann, world.bob, world.cid)] == [RICH + part] * 3
    world.books_balance()


def test_the_chains_fit_the_result(one: Round) -> None:
    world, found = one.world, one.decide()
    one.record(found)
    (seat,) = found.result.outcome.winners
    right = meta(seat, [b"w" * 32] * 3)
    for error, who, commit in (
        (NotAllowed, world.ann, one.commitment((right,))),
        (NotAllowed, world.dora, replace(one.commitment((right,)), drone=world.ann.account)),
        (Malformed, world.dora, replace(one.commitment((right,)), expiry=one.notice.timers.claim + 1)),
        (Malformed, world.dora, one.commitment((replace(right, length=3),))),
        (Malformed, world.dora, one.commitment((replace(right, seat=seat % 3 + 1),))),
        (Malformed, world.dora, one.commitment(())),
        (Malformed, world.dora, one.commitment((right, right))),
    ):
        refused(world.zone, error, who, "auction:commit", commit)
    world.submit(world.dora, "commit", one.commitment((right,)))
    refused(world.zone, WrongPhase, world.dora, "auction:commit", one.commitment((right,)))
    refused(world.zone, NotFound, world.dora, "auction:winner", one.id, seat % 3 + 1)


def test_a_winner_cannot_leave_and_a_loser_only_after_the_result(one: Round) -> None:
    world = one.world
    refused(world.zone, WrongPhase, world.bob, "auction:withdraw", one.id)
    found = one.decide()
    one.record(found)
    refused(world.zone, NotAllowed, world.ann, "auction:withdraw", one.id)
    refused(world.zone, NotFound, world.dora, "auction:withdraw", one.id)
    one.submit(world.bob, "withdraw")
    one.commit(found)
    one.submit(world.cid, "withdraw")
    world.wait_until(one.notice.timers.claim + MARGIN + 1)
    refused(world.zone, WrongPhase, world.ann, "auction:withdraw", one.id)


def test_nothing_is_refunded_while_it_goes_on(one: Round) -> None:
    world, found = one.world, one.decide()
    refused(world.zone, WrongPhase, world.dora, "auction:refund", one.id)
    one.record(found)
    refused(world.zone, WrongPhase, world.dora, "auction:refund", one.id)
    one.commit(found)
    refused(world.zone, WrongPhase, world.dora, "auction:refund", one.id)


def test_a_winner_that_does_nothing_pays_for_its_tasks(one: Round) -> None:
    """s_0j of each, to the drone, and no payment."""
    world, found = one.world, one.decide()
    one.record(found)
    one.commit(found)
    world.wait_until(one.notice.timers.claim + MARGIN + 1)
    one.submit(world.bob, "refund")
    worth = one.auction.drone_deposit - STALLING.penalty
    assert world.money(world.ann) == RICH - worth
    assert world.money(world.dora) == RICH + worth
    assert [world.money(who) for who in (world.bob, world.cid)] == [RICH, RICH]
    world.books_balance()
    assert one.auction.phase is Phase.CLOSED


def test_two_auctions_beside_each_other() -> None:
    world = SealWorld()
    first, second = world.open(), world.open(world.notice(nonce=1))
    for each in (first, second):
        each.bid(world.ann, bid_for((1, 100), (2, 100)))
    for each in (first, second):
        each.close_bids()
    for each in (first, second):
        each.pay_in(world.ann)
    for each in (first, second):
        each.close_deposits()
    for each in (first, second):
        each.record(each.decide())
    assert first.auction.phase is second.auction.phase is Phase.COMMIT
    world.books_balance()
    world.wait_until(world.now + 3 * STEP)
    for each in (first, second):
        each.submit(world.bob, "refund")
    assert world.money(world.ann) == RICH + 2 * STALLING.penalty
    world.books_balance()
