"""Garbage, correctly encrypted: the drone recomputes what it got, and the contract judges, with a bond at stake."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.contracts.seal.claim_world import DATA, JOB, PRIVATE, ClaimWorld, Exchange
from tests.contracts.seal.seal_world import RICH
from tests.contracts.seal.test_claim import refused
from tests.support.memory_world import MARGIN
from zoneshare_protocols.codec import decode, digest, encode
from zoneshare_protocols.errors import (
    AlreadyExists,
    BadProof,
    DataCorrupt,
    LimitExceeded,
    Malformed,
    NotAllowed,
    NotFound,
    TooEarly,
    TooLate,
)
from zoneshare_protocols.seal.recompute import MAX_DATA, Classify, Dispute, Job, classify, compute, jobs_of
from zoneshare_protocols.seal.results import Locked, element, number
from zoneshare_protocols.seal.score import fallback
from zoneshare_protocols.seal.tasks import TaskState

RIGHT = compute(JOB, DATA)


@pytest.fixture
def deal() -> Exchange:
    world = ClaimWorld()
    return world.exchange(world.notice(jobs=True))


def paid(deal: Exchange, *results: bytes, publish: bool = True) -> Locked:
    """Ann has sent these results, and released and claimed."""
    locked = deal.locked(results=list(results))
    deal.prove(locked)
    deal.release(locked, publish=publish)
    deal.claim(2)
    return locked


def evidence(locked: Locked, **changes: bytes) -> dict[str, bytes]:
    shown = {"encrypted": encode(locked.encrypted), "private": PRIVATE.private_bytes_raw(), "job": encode(JOB)}
    return {**shown, "data": DATA, **changes}


def charge(deal: Exchange, about: int) -> Dispute:
    return decode(Dispute, deal.world.call(deal.world.dora, "dispute", deal.id, deal.seat, about))


def judge(deal: Exchange, about: int, shown: dict[str, bytes]) -> Dispute:
    made = deal.world.call(deal.world.dora, "judge", deal.id, deal.seat, about, transient=shown)
    return decode(Dispute, made)


def score(deal: Exchange) -> int:
    return fallback(deal.round.notice.tasks[0], deal.round.notice.terms).score


def test_a_wrong_result_costs_its_winner_the_penalty(deal: Exchange) -> None:
    world = deal.world
    locked = paid(deal, RIGHT, b"a guess")
    charge(deal, 2)
    world.books_balance()
    assert judge(deal, 2, evidence(locked)).upheld
    assert deal.tasks[1].state is TaskState.FAILED
    deal.refund()
    world.books_balance()
    assert world.money(deal.ann) == RICH + sum(deal.winner.prices) - score(deal)
    assert world.money(world.dora) == RICH - sum(deal.winner.prices) + score(deal)


def test_what_does_not_open_is_wrong(deal: Exchange) -> None:
    good = deal.locked(results=[RIGHT, RIGHT])
    altered = element(number(good.encrypted.ciphertext[0]) ^ 1)
    checked = element(number(good.encrypted.ciphertext[2]) ^ 1)
    ciphertext = (altered, good.encrypted.ciphertext[1], checked)
    garbage = replace(good, encrypted=replace(good.encrypted, ciphertext=ciphertext))
    deal.world.zone.chaincode = _accepting(deal)
    deal.prove(garbage, b"p" * 256)
    deal.release(garbage, publish=True)
    charge(deal, 1)
    assert judge(deal, 1, evidence(garbage)).upheld


def _accepting(deal: Exchange) -> Any:
    """A proof of garbage can be made by who knows the key; here without making it."""
    from tests.support.memory_world import ORGS
    from zoneshare_chaincode.deploy import zoneshare

    return zoneshare(ORGS, deal.world.world.net.clock, lambda *_: True)


def test_a_false_charge_costs_its_bond(deal: Exchange) -> None:
    world = deal.world
    locked = paid(deal, RIGHT, RIGHT)
    made = charge(deal, 1)
    assert made.bond == score(deal)
    assert judge(deal, 1, evidence(locked)).upheld is False
    refused(NotAllowed, deal, lambda: judge(deal, 1, evidence(locked)))
    refused(AlreadyExists, deal, lambda: charge(deal, 1))
    deal.refund()
    world.books_balance()
    assert world.money(deal.ann) == RICH + sum(deal.winner.prices) + made.bond


def test_a_charge_that_is_not_shown_is_forfeit(deal: Exchange) -> None:
    world = deal.world
    locked = paid(deal, RIGHT, b"a guess")
    made = charge(deal, 2)
    world.wait_until(made.at + deal.round.notice.timers.grace + 1)
    refused(TooLate, deal, lambda: judge(deal, 2, evidence(locked)))
    refused(TooEarly, deal, lambda: world.call(world.cid, "forfeit", deal.id, deal.seat, 2))
    deal.refund()
    world.books_balance()
    world.pass_time(MARGIN)
    world.call(world.cid, "forfeit", deal.id, deal.seat, 2)
    world.books_balance()
    refused(NotAllowed, deal, lambda: world.call(world.cid, "forfeit", deal.id, deal.seat, 2))
    assert world.money(deal.ann) == RICH + sum(deal.winner.prices) + made.bond


def test_only_what_the_ledger_names_is_evidence(deal: Exchange) -> None:
    world = deal.world
    locked = paid(deal, RIGHT, b"a guess")
    refused(NotFound, deal, lambda: judge(deal, 2, evidence(locked)))
    charge(deal, 2)
    other = deal.locked(results=[RIGHT, RIGHT], seed=9)
    job = Job("classify", b"pepper" * 2 + b"salt", JOB.data)
    wrong = [
        (BadProof, evidence(locked, encrypted=encode(other.encrypted))),
        (BadProof, evidence(locked, private=b"k" * 32)),
        (NotAllowed, evidence(locked, job=encode(job))),
        (DataCorrupt, evidence(locked, data=DATA + b"x")),
        (LimitExceeded, evidence(locked, data=bytes(MAX_DATA + 1))),
        (Malformed, evidence(locked, private=b"short")),
        (Malformed, {"encrypted": encode(locked.encrypted)}),
    ]
    for error, shown in wrong:
        with pytest.raises(error):
            judge(deal, 2, shown)
    refused(NotAllowed, deal, lambda: world.call(deal.ann, "judge", deal.id, deal.seat, 2))
    assert judge(deal, 2, evidence(locked)).upheld


def test_what_cannot_be_disputed() -> None:
    world = ClaimWorld()
    plain = world.exchange()
    locked = plain.locked()
    plain.prove(locked)
    refused(NotAllowed, plain, lambda: charge(plain, 1))
    plain.release(locked)
    refused(NotAllowed, plain, lambda: charge(plain, 1))
    deal = world.exchange(world.notice(nonce=1, jobs=True))
    made = deal.locked(results=[RIGHT, RIGHT])
    deal.prove(made)
    deal.release(made)
    refused(NotAllowed, deal, lambda: world.call(deal.ann, "dispute", deal.id, deal.seat, 1))
    refused(NotFound, deal, lambda: charge(deal, 3))
    world.wait_until(deal.round.notice.timers.claim - deal.round.notice.timers.grace + 1)
    refused(TooLate, deal, lambda: charge(deal, 1))


def test_deposits_stay_as_long_as_results_can_be_disputed(deal: Exchange) -> None:
    paid(deal, RIGHT, RIGHT)
    with pytest.raises(Exception, match="no refund now"):
        deal.world.submit(deal.world.dora, "refund", deal.id)
    deal.refund()


def test_the_kernel_labels_samples_and_refuses_what_is_not_whole() -> None:
    """Scores of sample (x, y): x for class 0, y + 5 for class 1."""
    assert list(classify(DATA)) == [1, 1, 1, 1]
    task = decode(Classify, DATA)
    assert list(classify(encode(replace(task, samples=bytes((9, 1, 6, 1, 5, 1)))))) == [0, 0, 1]
    for changed in (
        replace(task, samples=b""),
        replace(task, samples=b"odd"),
        replace(task, weights=b"\0" * 20),
        replace(task, classes=300),
    ):
        with pytest.raises(Malformed):
            classify(encode(changed))
    with pytest.raises(NotFound):
        compute(replace(JOB, kernel="guess"), DATA)


def test_a_notice_has_a_job_for_each_task_or_none() -> None:
    world = ClaimWorld()
    notice = world.notice(jobs=True)
    assert jobs_of(notice, [2]) == (digest(JOB),)
    with pytest.raises(Malformed):
        world.open(replace(notice, jobs=(digest(JOB),)))


@pytest.mark.parametrize("point", [bytes(32), (1).to_bytes(32, "little"), b"\xec" + b"\xff" * 30 + b"\x7f"])
def test_a_notice_names_a_key_that_one_can_seal_to(point: bytes) -> None:
    """Otherwise no winner could prove, and each would lose its deposit."""
    world = ClaimWorld()
    with pytest.raises(Malformed):
        world.open(replace(world.notice(), results_key=point))


def test_without_a_key_to_seal_to_nobody_is_blamed() -> None:
    world = ClaimWorld()
    deal = world.exchange(replace(world.notice(), results_key=None))
    with pytest.raises(NotAllowed):
        deal.locked()
    deal.refund()
    assert world.money(deal.ann) == RICH
