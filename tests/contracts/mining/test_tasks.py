"""Tasks, batches, pay, penalties, disputes: money moves as docs/epow.md says, and is never made or lost."""

import pytest
from msgspec.structs import replace

from tests.contracts.mining.mining_world import EASY, FEE, MiningWorld, matrices, npy
from tests.support.memory_identity import identity
from tests.support.memory_world import HOUR, MARGIN, refused
from zoneshare_protocols.codec import decode
from zoneshare_protocols.epow.draw import free_header
from zoneshare_protocols.epow.ledger import Batch, BatchRecord, Faked, Finished, RunDone, TaskStatus, Wanted
from zoneshare_protocols.errors import (
    AlreadyExists,
    BadAmount,
    DataCorrupt,
    InsufficientFunds,
    Malformed,
    NotAllowed,
    NotFound,
    NotNewer,
    StaleTip,
    TooEarly,
    WrongPhase,
)

NSUBS = 3 * 2 * 2
"""20 x 12 times 12 x 9 in blocks of 8."""


def test_rules_take_effect_when_all_organisations_approved_the_same() -> None:
    world = MiningWorld()
    new = replace(world.rules, rules=replace(EASY, version=2, penalty=40))
    admins = [identity(org, "admin", "admin") for org in ("Org1MSP", "Org2MSP")]
    world.submit(admins[0], "approve", new)
    world.submit(admins[1], "approve", replace(new, dispute_time=1))
    assert world.ask(type(new), "zone") == world.rules
    world.submit(admins[1], "approve", new)
    assert world.ask(type(new), "zone") == new
    for who, bad, error in (
        (world.ann, replace(new, rules=replace(EASY, version=3)), NotAllowed),
        (admins[0], new, NotNewer),
        (admins[0], replace(new, zone="zone-b", rules=replace(EASY, version=3)), Malformed),
        (admins[0], replace(new, rules=replace(EASY, version=3, levy=600_000, margin=600_000)), Malformed),
        (admins[0], replace(new, rules=replace(EASY, version=3, levy=0)), Malformed),
        (admins[0], replace(new, rules=replace(EASY, version=3, basic=16)), NotAllowed),
        (admins[0], replace(new, coordinator="nobody", rules=replace(EASY, version=3)), NotFound),
    ):
        refused(world.zone, error, who, "mining:approve", bad)


def test_offers_lock_the_worst_case_and_bad_ones_change_nothing() -> None:
    world = MiningWorld()
    before = world.money(world.sue)
    task = world.offer(matrices())
    assert world.money(world.sue) == before - NSUBS * FEE
    assert (world.task(task).nsubs, world.pool.offered) == (NSUBS, NSUBS)
    until = world.world.net.now + HOUR
    other = world.new_task(matrices())
    narrow = replace(other, matrices=(other.matrices[0], replace(other.matrices[1], rows=13)))
    for bad, moment, error in (
        (task, until, AlreadyExists),
        (replace(other, source=world.ann.account), until, NotAllowed),
        (replace(other, fee=FEE - 1), until, BadAmount),
        (replace(other, fee=10**7), until, InsufficientFunds),
        (replace(other, basic=16), until, Malformed),
        (replace(other, matrices=other.matrices[:2] + other.matrices[:1]), until, Malformed),
        (narrow, until, Malformed),
        (other, world.world.net.now, TooEarly),
    ):
        refused(world.zone, error, world.sue, "mining:offer", bad, moment)
    world.books_balance()


def test_fees_are_divided_and_the_rest_comes_back() -> None:
    world = MiningWorld()
    factors = matrices()
    before = {who: world.money(who) for who in (world.sue, world.ann, world.cora)}
    task = world.offer(factors)
    world.claim(world.ann)
    assert world.record(world.done(task, world.ann), world.done(task, world.ann, 1)).skipped == ()
    assert world.money(world.ann) == before[world.ann] + 4 * 425
    assert (world.task(task).margin, world.pool.treasury) == (4 * 25, 4 * 50)
    world.books_balance()
    world.finish(task, factors)
    world.books_balance()
    world.submit(world.sue, "accept", (task.id,))
    assert world.money(world.sue) == before[world.sue] - 4 * FEE
    assert world.money(world.cora) == before[world.cora] + 4 * 25
    assert world.pool.offered == 0
    world.books_balance()
    refused(world.zone, WrongPhase, world.sue, "mining:accept", (task.id,))


def test_a_run_is_paid_once_however_often_it_is_recorded() -> None:
    world = MiningWorld()
    task = world.offer(matrices())
    world.claim(world.ann)
    batch = Batch(2, 0, None, 0, (world.done(task, world.ann), world.done(task, world.ann)))
    first = decode(BatchRecord, world.submit(world.cora, "record", batch))
    assert [place for place, _ in first.skipped] == [1]
    money = world.money(world.ann)
    assert decode(BatchRecord, world.submit(world.cora, "record", batch)) == first
    assert world.money(world.ann) == money
    world.batches = 2
    assert len(world.record(world.done(task, world.ann)).skipped) == 1
    assert world.money(world.ann) == money
    refused(world.zone, AlreadyExists, world.cora, "mining:record", replace(batch, steps=()))
    refused(world.zone, NotNewer, world.cora, "mining:record", replace(batch, number=9))
    refused(world.zone, NotAllowed, world.ann, "mining:record", replace(batch, number=4))
    refused(world.zone, StaleTip, world.cora, "mining:record", replace(batch, number=4, height=1))
    refused(world.zone, Malformed, world.cora, "mining:record", replace(batch, number=4, size=1))
    assert world.ask(RunDone, "result", task.id, 0, 0) == batch.steps[0]
    world.books_balance()


@pytest.mark.parametrize(
    ("claimed", "count"), [(50, 13), (1, 2), (10**9, 2), (101, 2)], ids=["task", "claim", "billion", "over"]
)
def test_nobody_is_paid_over_the_task_or_the_claim(claimed: int, count: int) -> None:
    world = MiningWorld()
    task = world.offer(matrices())
    world.claim(world.ann, claimed)
    before = world.money(world.ann)
    assert len(world.record(world.done(task, world.ann, 0, count)).skipped) == 1
    assert world.money(world.ann) == before
    world.books_balance()


def test_a_fake_costs_the_penalty_and_the_next_block_time() -> None:
    world = MiningWorld()
    task = world.offer(matrices())
    world.claim(world.ann)
    fake = Faked(world.ann.account, b"a" * 32)
    assert world.record(fake).skipped == ()
    assert world.miner(world.ann).deposit == 70
    assert len(world.record(fake, world.done(task, world.ann)).skipped) == 2
    world.books_balance()
    mine(world)
    assert "no nsub-tasks in the next" in world.claim(world.ann).skipped[0][1]
    mine(world)
    assert world.claim(world.ann).skipped == ()
    for _ in range(3):
        world.record(Faked(world.ann.account, b"a" * 32))
        mine(world)
        mine(world)
        world.claim(world.ann)
    assert world.miner(world.ann).deposit == 10
    assert "deposit" in world.claim(world.ann).skipped[0][1]
    world.books_balance()


def test_a_deposit_comes_back_when_no_claim_is_open() -> None:
    world = MiningWorld()
    world.claim(world.ann)
    refused(world.zone, TooEarly, world.ann, "mining:leave")
    refused(world.zone, NotAllowed, world.cora, "mining:leave")
    refused(world.zone, NotFound, world.sue, "mining:leave")
    refused(world.zone, NotAllowed, world.sue, "mining:register", 29)
    refused(world.zone, BadAmount, world.sue, "mining:register", -5)
    mine(world)
    mine(world)
    world.submit(world.ann, "leave")
    assert world.money(world.ann) == 1_000_000
    world.books_balance()


def test_work_withdrawn_by_its_source_stays_paid_as_far_as_it_was_done() -> None:
    world = MiningWorld()
    task = world.offer(matrices())
    world.claim(world.ann)
    world.record(world.done(task, world.ann))
    refused(world.zone, TooEarly, world.sue, "mining:withdraw", task.id)
    world.world.net.advance(HOUR + MARGIN)
    refused(world.zone, NotAllowed, world.ann, "mining:withdraw", task.id)
    world.submit(world.sue, "withdraw", task.id)
    assert world.money(world.sue) == 1_000_000 - 2 * FEE
    assert len(world.record(world.done(task, world.ann, 1), Finished(task.id, None)).skipped) == 2
    world.books_balance()


def test_values_that_outgrow_64_bits_end_a_task() -> None:
    world = MiningWorld()
    task = world.offer(matrices())
    world.claim(world.ann)
    world.record(world.done(task, world.ann), Finished(task.id, None))
    assert world.task(task).status is TaskStatus.FAILED
    assert world.money(world.sue) == 1_000_000 - 2 * FEE
    world.books_balance()


def test_a_lying_coordinator_pays_for_it() -> None:
    world = MiningWorld()
    factors = matrices()
    task = world.offer(factors)
    world.claim(world.ann)
    world.record(world.done(task, world.ann))
    result = world.finish(task, factors, wrong_by=1)
    shown = {"matrix0": npy(factors[0]), "matrix1": npy(factors[1]), "result": npy(result)}
    for spoilt, error in (
        ({**shown, "result": npy(result + 1)}, DataCorrupt),
        ({**shown, "matrix0": npy(factors[0] + 1)}, DataCorrupt),
        ({"matrix0": npy(factors[0])}, Malformed),
        ({**shown, "matrix1": b"not a matrix"}, Malformed),
    ):
        with pytest.raises(error):
            world.submit(world.sue, "dispute", task.id, transient=spoilt)
    with pytest.raises(NotAllowed):
        world.submit(world.bob, "dispute", task.id, transient=shown)
    world.submit(world.sue, "dispute", task.id, transient=shown)
    paid_to_miners_and_treasury = 2 * (425 + 50)
    assert world.money(world.sue) == 1_000_000 - paid_to_miners_and_treasury + 30
    assert world.miner(world.cora).deposit == 70
    assert world.task(task).status is TaskStatus.DISPUTED
    world.books_balance()


def test_a_right_result_is_never_found_wrong_and_settles_without_its_source() -> None:
    world = MiningWorld()
    factors = matrices()
    task = world.offer(factors)
    refused(world.zone, WrongPhase, world.sue, "mining:accept", (task.id,))
    result = world.finish(task, factors)
    shown = {"matrix0": npy(factors[0]), "matrix1": npy(factors[1]), "result": npy(result)}
    for _ in range(5):
        with pytest.raises(NotAllowed, match="is the product"):
            world.submit(world.sue, "dispute", task.id, transient=shown)
    refused(world.zone, TooEarly, world.cora, "mining:accept", (task.id,))
    refused(world.zone, NotAllowed, world.ann, "mining:accept", (task.id,))
    world.world.net.advance(HOUR + MARGIN - 1)
    refused(world.zone, TooEarly, world.cora, "mining:accept", (task.id,))
    world.world.net.advance(1)
    world.submit(world.cora, "accept", (task.id,))
    world.books_balance()


def test_fees_follow_the_offered_work() -> None:
    world = MiningWorld(replace(EASY, block_reward=0))
    fees = []
    world.offer(matrices(800, 80, 80), fee=1)
    for _ in range(30):
        mine(world)
        fees.append(world.pool.fee)
    assert fees == sorted(fees)
    assert fees[-1] > 10
    for _ in range(30):
        world.record(Wanted(world.ann.account, world.tip.height, 100), Wanted(world.bob.account, world.tip.height, 100))
        world.record(*(Wanted(who.account, world.tip.height, 100) for who in (world.ann, world.bob)))
        mine(world)
    assert world.pool.fee > 0


def mine(world: MiningWorld) -> None:
    """A block of bob's."""
    tip = world.tip
    world.world.net.advance(1000)
    world.submit(world.bob, "submit_block", free_header(tip.height + 1, tip.hash, world.bob.account, 0, 8))
