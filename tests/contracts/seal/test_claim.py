"""The exchange as honest parties take it, and what the contract says to everything else."""

from collections.abc import Callable
from functools import partial

import pytest
from msgspec.structs import replace

from tests.contracts.seal.claim_world import PRIVATE, ClaimWorld, Exchange
from tests.contracts.seal.seal_world import RICH
from tests.rules.seal.market import task
from tests.support.memory_world import CLIENT, MARGIN
from zoneshare_protocols.codec import digest, encode
from zoneshare_protocols.errors import (
    AlreadyExists,
    BadProof,
    LimitExceeded,
    Malformed,
    NotAllowed,
    NotFound,
    RuleBroken,
    TooEarly,
    TooLate,
    WrongPhase,
)
from zoneshare_protocols.seal.claims import ProofRecord
from zoneshare_protocols.seal.ledger import Claimed
from zoneshare_protocols.seal.results import EncryptedResult, element, lock, number, unlock


@pytest.fixture
def deal() -> Exchange:
    return ClaimWorld().exchange()


def refused(error: type[RuleBroken], deal: Exchange, call: Callable[[], object]) -> RuleBroken:
    """Refused with just this error, and nothing has changed."""
    before = deal.world.zone.snapshot()
    with pytest.raises(RuleBroken) as refusal:
        call()
    assert type(refusal.value) is error, f"{type(refusal.value).__name__}: {refusal.value}"
    assert deal.world.zone.snapshot() == before
    return refusal.value


def test_a_batch_is_proven_released_and_claimed_with_one_payword(deal: Exchange) -> None:
    world = deal.world
    locked = deal.locked()
    record = deal.prove(locked)
    assert (record.encrypted, record.key_hash) == (locked.encrypted.hash, locked.encrypted.key_hash)
    assert deal.states == ["proved", "proved"]
    deal.release(locked)
    seen: ProofRecord = world.see(ProofRecord, "proof", deal.id, deal.seat, 1)
    assert unlock(locked.encrypted, seen.key or b"", PRIVATE) == (b"a cat, surely: 1", b"a cat, surely: 2")
    before = world.money(deal.ann)
    deal.claim(2)
    paid = sum(deal.winner.prices)
    assert world.money(deal.ann) == before + paid
    world.books_balance()
    deal.refund()
    world.books_balance()
    assert world.money(deal.ann) == RICH + paid
    assert world.money(world.dora) == RICH - paid


def test_published_results_need_no_payword(deal: Exchange) -> None:
    one, two = deal.locked(1, 1), deal.locked(2, 2, seed=8)
    deal.prove(one, publish=True)
    deal.prove(two)
    deal.release(one)
    deal.release(two, publish=True)
    assert [task.published for task in deal.tasks] == [True, True]
    assert deal.world.see(EncryptedResult, "result", deal.id, deal.seat, 2) == two.encrypted
    deal.claim(0)
    deal.refund()
    assert deal.world.money(deal.ann) == RICH + sum(deal.winner.prices)


def test_only_tasks_whose_key_came_in_time_are_paid_by_a_payword_for_all(deal: Exchange) -> None:
    """Payword 2 stands for 1 and 2; task 1 has failed."""
    world = deal.world
    deal.prove(deal.locked(1, 1))
    two = deal.locked(2, 2)
    deal.prove(two)
    deal.release(two)
    refused(WrongPhase, deal, lambda: deal.claim(2))
    world.wait_until(deal.due + MARGIN + 1)
    deal.expire(world.dora, 1, 1)
    deal.claim(2)
    deal.refund()
    assert world.money(deal.ann) == RICH + deal.winner.prices[1]
    assert world.money(world.dora) == RICH - deal.winner.prices[1]


def test_a_proof_is_bound_to_auction_task_and_winner() -> None:
    world = ClaimWorld()
    deal = world.exchange()
    locked = deal.locked()
    deal.prove(locked)
    other = world.exchange(world.notice(nonce=1))
    replayed = other.message(locked)
    refused(BadProof, deal, lambda: world.call(other.ann, "prove", replayed, transient=deal.shown(locked)))
    bob = replace(locked.encrypted.context, winner=world.bob.account)
    for changed in (bob, replace(locked.encrypted.context, seat=9), replace(locked.encrypted.context, first=2)):
        forged = replace(locked, encrypted=replace(locked.encrypted, context=changed))
        with pytest.raises(RuleBroken):
            world.call(other.ann, "prove", other.message(locked), transient=deal.shown(forged))
    fresh = other.locked(1, 1)
    moved = replace(fresh.encrypted, context=replace(fresh.encrypted.context, first=2, last=2))
    stolen = {"encrypted": encode(moved)}
    refused(BadProof, deal, lambda: world.call(other.ann, "prove", other.message(fresh), transient=stolen))


def test_others_and_latecomers_prove_nothing(deal: Exchange) -> None:
    world, locked = deal.world, deal.locked()
    shown = deal.shown(locked)
    for who in (world.bob, world.dora):
        refused(NotAllowed, deal, partial(world.call, who, "prove", deal.message(locked), transient=shown))
    wrong = [
        (BadProof, deal.message(locked, b"\1" * 256)),
        (NotAllowed, replace(deal.message(locked), verifying_key=b"x" * 32)),
        (Malformed, replace(deal.message(locked), verifying_key=world.keys["result-434"].hash)),
        (NotFound, replace(deal.message(locked), seat=77)),
        (NotFound, replace(deal.message(locked), auction=b"x" * 32)),
    ]
    for error, message in wrong:
        refused(error, deal, partial(world.call, deal.ann, "prove", message, transient=shown))
    refused(Malformed, deal, lambda: world.call(deal.ann, "prove", deal.message(locked)))
    to_bob = lock(replace(locked.encrypted.context, recipient=world.bob.signing_key), [b"1", b"2"], b"s" * 32)
    refused(BadProof, deal, lambda: deal.prove(to_bob))
    far = lock(replace(locked.encrypted.context, last=3), [b"1", b"2", b"3"], b"s" * 32)
    refused(LimitExceeded, deal, lambda: deal.prove(far))
    deal.prove(locked)
    refused(WrongPhase, deal, lambda: deal.prove(locked))


def test_a_late_proof_is_refused_and_the_task_fails_at_the_winners_cost(deal: Exchange) -> None:
    world = deal.world
    world.wait_until(max(task.latest for task in deal.tasks) + 1)
    refused(TooLate, deal, lambda: deal.prove(deal.locked()))
    refused(TooEarly, deal, lambda: deal.expire(world.dora))
    world.pass_time(MARGIN)
    deal.expire(world.dora)
    assert [task.at_fault for task in deal.tasks] == [True, True]
    refused(WrongPhase, deal, lambda: deal.expire(world.dora))
    deal.refund()
    world.books_balance()
    assert world.money(deal.ann) < RICH < world.money(world.dora)


def test_keys_that_do_not_match_and_keys_of_others(deal: Exchange) -> None:
    world, locked = deal.world, deal.locked()
    refused(NotFound, deal, lambda: deal.release(locked))
    deal.prove(locked)
    other = deal.locked(seed=9)
    refused(BadProof, deal, lambda: deal.release(other))
    above = element(number(locked.key) + (1 << 254))
    refused(BadProof, deal, lambda: world.call(deal.ann, "release", replace(deal.key(locked), key=above)))
    refused(NotAllowed, deal, lambda: world.call(world.dora, "release", deal.key(locked)))
    refused(BadProof, deal, lambda: world.call(deal.ann, "release", deal.key(locked), encode(other.encrypted)))
    refused(Malformed, deal, lambda: world.call(deal.ann, "release", deal.key(locked), b"garbage"))
    deal.release(locked)
    refused(WrongPhase, deal, lambda: deal.release(locked))


def test_a_key_after_due_is_too_late(deal: Exchange) -> None:
    locked = deal.locked()
    deal.prove(locked)
    deal.world.wait_until(max(task.due for task in deal.tasks) + 1)
    refused(TooLate, deal, lambda: deal.release(locked, publish=True))


def test_of_a_batch_the_tasks_in_time_are_released() -> None:
    world = ClaimWorld()
    deal = world.exchange(world.notice((task(1, size=5_000_000), task(2))))
    locked = deal.locked()
    deal.prove(locked)
    dues = [task.due for task in deal.tasks]
    assert dues[0] < dues[1]
    world.wait_until(dues[1])
    deal.release(locked, publish=True)
    assert deal.states == ["proved", "released"]
    deal.claim(0)
    assert deal.states == ["failed", "released"]
    deal.refund()
    assert world.money(deal.ann) == RICH + deal.winner.prices[1], "the first failed with a proof: no deposit is lost"


def test_a_payword_on_the_ledger_calls_for_the_key(deal: Exchange) -> None:
    world, locked = deal.world, deal.locked()
    deal.prove(locked)
    refused(NotFound, deal, lambda: deal.call_key(1, 2))
    refused(NotAllowed, deal, lambda: world.call(deal.ann, "show_payword", deal.id, deal.seat, 1, deal.chain[1]))
    refused(BadProof, deal, lambda: world.call(world.dora, "show_payword", deal.id, deal.seat, 2, deal.chain[1]))
    refused(NotFound, deal, lambda: world.call(world.dora, "show_payword", deal.id, deal.seat, 3, deal.chain[2]))
    deal.show(1)
    refused(AlreadyExists, deal, lambda: deal.show(1))
    refused(NotAllowed, deal, lambda: deal.call_key(1, 2))
    refused(NotAllowed, deal, lambda: world.call(deal.ann, "call_key", deal.id, deal.seat, 1, 1))
    deal.show(2)
    deal.call_key(1, 2)
    world.wait_until(deal.due + 1)
    deal.release(locked)
    deal.claim(2)
    deal.refund()
    assert world.money(deal.ann) == RICH + sum(deal.winner.prices)


def test_a_winner_that_does_not_answer_a_payword_pays_for_it(deal: Exchange) -> None:
    world = deal.world
    deal.prove(deal.locked())
    deal.show(2)
    deal.call_key(1, 2)
    world.wait_until(world.now + deal.round.notice.timers.grace + MARGIN)
    refused(TooEarly, deal, lambda: deal.expire(world.dora))
    world.pass_time(1)
    deal.expire(world.dora)
    deal.refund()
    assert world.money(deal.ann) < RICH
    assert world.money(world.dora) > RICH


def test_too_late_for_a_payword(deal: Exchange) -> None:
    deal.prove(deal.locked())
    deal.show(2)
    deal.world.wait_until(max(task.due for task in deal.tasks) + 1)
    refused(TooLate, deal, lambda: deal.call_key(1, 2))


def test_nobody_is_blamed_within_a_grace_time_that_hides_a_held_transaction() -> None:
    world = ClaimWorld()
    notice = world.notice()
    deal = world.exchange(replace(notice, timers=replace(notice.timers, grace=MARGIN)))
    deal.prove(deal.locked())
    deal.show(2)
    refused(NotAllowed, deal, lambda: deal.call_key(1, 2))


def test_a_claim_is_the_winners_once_and_in_time(deal: Exchange) -> None:
    world, locked = deal.world, deal.locked()
    deal.prove(locked)
    deal.release(locked)
    assert world.zone.evaluate(CLIENT, "claim:claimed", deal.id, deal.seat) == b""
    refused(NotAllowed, deal, lambda: world.call(world.bob, "claim", deal.a_claim(2)))
    refused(BadProof, deal, lambda: world.call(deal.ann, "claim", replace(deal.a_claim(2), payword=b"x" * 32)))
    refused(BadProof, deal, lambda: world.call(deal.ann, "claim", replace(deal.a_claim(1), index=2)))
    deal.claim(1)
    assert world.see(Claimed, "claimed", deal.id, deal.seat).paid == deal.winner.prices[0]
    refused(AlreadyExists, deal, lambda: deal.claim(2))
    deal.refund()
    refused(TooLate, deal, lambda: deal.claim(2))


def test_what_is_not_claimed_goes_back_to_the_drone(deal: Exchange) -> None:
    world, locked = deal.world, deal.locked()
    deal.prove(locked)
    deal.release(locked)
    world.wait_until(deal.round.notice.timers.claim + MARGIN + 1)
    refused(TooLate, deal, lambda: deal.claim(2))
    deal.refund()
    assert world.money(deal.ann) == world.money(world.dora) == RICH
    world.books_balance()


def test_keys_are_those_the_organisations_approved() -> None:
    world = ClaimWorld()
    deal = world.exchange()
    key = world.keys["result-62"].verifying
    strange = replace(key, alpha=key.inputs[0])
    refused(NotAllowed, deal, lambda: world.call(world.ann, "bring_key", strange))
    refused(NotFound, deal, lambda: world.see(type(key), "key", b"x" * 32))
    assert world.see(type(key), "key", digest(key)) == key


def test_without_the_tasks_data_a_placeholder_keeps_the_deposit_and_earns_nothing() -> None:
    """A drone that never uploads cannot burn a deposit; a winner that had the data cannot be paid without a job."""
    world = ClaimWorld()
    deal = world.exchange(world.notice(jobs=True))
    locked = deal.locked(results=[b"", b""], computed=False)
    assert not deal.prove(locked).payable
    deal.release(locked, publish=True)
    deal.claim(0)
    deal.refund()
    assert world.money(deal.ann) == world.money(world.dora) == RICH
    other = replace(deal.locked().encrypted.context, jobs=(b"j" * 32, b"k" * 32))
    fresh = world.exchange(world.notice(nonce=3, jobs=True))
    context = replace(other, auction=fresh.id)
    refused(BadProof, deal, lambda: fresh.prove(lock(context, [b"1", b"2"], b"s" * 32)))


def test_calls_about_tasks_that_are_none(deal: Exchange) -> None:
    for who in (deal.world.dora, deal.ann):
        refused(NotFound, deal, partial(deal.expire, who, 3, 3))
        refused(Malformed, deal, partial(deal.expire, who, 2, 1))
        refused(LimitExceeded, deal, partial(deal.expire, who, 1, 1001))
