"""Transactions endorsed before a deadline and ordered after it; and what an abort costs whom, phase by phase."""

import pytest

from tests.contracts.seal.claim_world import ClaimWorld, Exchange
from tests.contracts.seal.seal_world import RICH
from tests.support.memory_stub import MVCC, VALID
from tests.support.memory_world import MARGIN
from zoneshare_protocols.codec import encode
from zoneshare_protocols.errors import BadProof, Malformed
from zoneshare_protocols.seal.hashchain import make_chain, meta
from zoneshare_protocols.seal.score import fallback
from zoneshare_protocols.seal.tasks import TaskState


@pytest.fixture
def deal() -> Exchange:
    return ClaimWorld().exchange()


def penalty(deal: Exchange) -> int:
    """s_0j of a task; all are alike here."""
    notice = deal.round.notice
    return fallback(notice.tasks[0], notice.terms).score


def ended(deal: Exchange) -> tuple[int, int]:
    """What ann and dora have gained when all is over."""
    deal.refund()
    deal.world.books_balance()
    return deal.world.money(deal.ann) - RICH, deal.world.money(deal.world.dora) - RICH


def test_a_held_key_does_not_beat_the_expiry(deal: Exchange) -> None:
    """The winner has its release endorsed in time, and keeps it until the drone has gone elsewhere."""
    world, locked = deal.world, deal.locked()
    deal.prove(locked)
    held = world.endorse(deal.ann, "release", deal.key(locked), encode(locked.encrypted))
    world.wait_until(max(task.due for task in deal.tasks) + MARGIN + 1)
    deal.expire(world.dora)
    assert world.zone.commit(held) == MVCC
    assert ended(deal) == (0, 0)


def test_a_held_expiry_does_not_beat_the_key(deal: Exchange) -> None:
    """Nobody can have one endorsed before a margin after due_ij, whatever its timestamp says; and after that the key,
    which came first, stands."""
    world, locked = deal.world, deal.locked()
    deal.prove(locked)
    deal.release(locked, publish=True)
    world.wait_until(max(task.due for task in deal.tasks) + MARGIN + 1)
    assert world.endorse(world.dora, "expire", deal.id, deal.seat, 1, 2).response.status != 200
    deal.claim(0)
    assert ended(deal)[0] == sum(deal.winner.prices)


def test_a_payword_endorsed_early_and_ordered_late_blames_nobody(deal: Exchange) -> None:
    """A result too large for the ledger: the winner gives no key without a payword, and none comes in time."""
    world, grace = deal.world, deal.round.notice.timers.grace
    deal.prove(deal.locked())
    held = world.endorse(world.dora, "show_payword", deal.id, deal.seat, 2, deal.chain[2])
    early = world.endorse(world.dora, "call_key", deal.id, deal.seat, 1, 2)
    assert early.response.status != 200, "not before it is there"
    world.wait_until(max(task.due for task in deal.tasks))
    world.pass_time(grace)
    assert world.zone.commit(held) == VALID
    assert world.endorse(world.dora, "call_key", deal.id, deal.seat, 1, 2).response.status != 200, "due_ij is over"
    deal.expire(deal.ann)
    assert ended(deal) == (0, 0)


def test_a_call_for_the_key_that_is_held_back_is_ended_by_the_winner(deal: Exchange) -> None:
    """A margin after due_ij the winner ends the task itself; the grace time is longer than the margin."""
    world = deal.world
    deal.prove(deal.locked())
    deal.show(2)
    held = world.endorse(world.dora, "call_key", deal.id, deal.seat, 1, 2)
    world.wait_until(max(task.due for task in deal.tasks) + MARGIN + 1)
    deal.expire(deal.ann)
    assert world.zone.commit(held) == MVCC
    assert ended(deal) == (0, 0)


def test_one_that_is_ordered_before_leaves_the_winner_the_rest_of_the_grace_time(deal: Exchange) -> None:
    world, locked = deal.world, deal.locked()
    deal.prove(locked)
    deal.show(2)
    held = world.endorse(world.dora, "call_key", deal.id, deal.seat, 1, 2)
    world.wait_until(max(task.due for task in deal.tasks) + MARGIN)
    assert world.zone.commit(held) == VALID
    deal.release(locked)
    deal.claim(2)
    assert ended(deal)[0] == sum(deal.winner.prices)


def test_a_held_claim_does_not_beat_the_refund(deal: Exchange) -> None:
    world, locked = deal.world, deal.locked()
    deal.prove(locked)
    deal.release(locked)
    held = world.endorse(deal.ann, "claim", deal.a_claim(2))
    deal.refund()
    assert world.zone.commit(held) == MVCC
    assert world.money(deal.ann) == RICH


def test_a_held_proof_does_not_beat_the_expiry(deal: Exchange) -> None:
    world, locked = deal.world, deal.locked()
    held = world.endorse(deal.ann, "prove", deal.message(locked), transient=deal.shown(locked))
    timers = deal.round.notice.timers
    world.wait_until(timers.commit + max(award.within for award in deal.winner.awards) + timers.grace + MARGIN + 1)
    deal.expire(world.dora)
    assert world.zone.commit(held) == MVCC
    assert ended(deal) == (-2 * penalty(deal), 2 * penalty(deal))


def test_a_chain_over_other_prices_costs_the_winner_nothing() -> None:
    """The drone alters a micropayment: no payword folds back with the result's prices. What is published is paid."""
    world = ClaimWorld()
    one = world.open()
    found = one.until_commit()
    (seat,) = found.result.outcome.winners
    prices = [award.payment for award in found.result.outcome.of(seat)]
    one.chains[seat] = make_chain(one.id, seat, b"s" * 32, [1, *prices[1:]])
    short = make_chain(one.id, seat, b"s" * 32, prices[:1])
    with pytest.raises(Malformed):
        world.submit(world.dora, "commit", one.commitment((meta(seat, short),)))
    world.submit(world.dora, "commit", one.commitment((meta(seat, one.chains[seat]),)))
    deal = Exchange(world, one)
    locked = deal.locked()
    deal.prove(locked)
    with pytest.raises(BadProof):
        deal.show(2)
    deal.release(locked, publish=True)
    with pytest.raises(BadProof):
        deal.claim(2)
    deal.claim(0)
    assert ended(deal)[0] == sum(prices)


def test_money_moved_in_every_block_keeps_nobody_from_a_claim(deal: Exchange) -> None:
    """A transfer to the winner between its claim's endorsement and its block makes it conflict, again and again."""
    world, locked = deal.world, deal.locked()
    deal.prove(locked)
    deal.release(locked)
    now, later = (world.endorse(deal.ann, "claim", deal.a_claim(2), when) for when in (False, True))
    world.zone.submit(world.dora, "ledger:transfer", deal.ann.account, 1)
    assert world.zone.commit(now) == MVCC
    assert world.zone.commit(later) == VALID
    world.books_balance()
    assert world.money(deal.ann) < RICH, "it is paid at the end"
    assert ended(deal) == (sum(deal.winner.prices) + 1, -sum(deal.winner.prices) - 1)


ABORTS = {
    "the winner does nothing": ([], -2, 0),
    "the winner proves and releases nothing": (["prove"], 0, 0),
    "the winner answers no call for its key": (["prove", "show", "call"], -2, 0),
    "the drone gives no payword": (["prove", "publish", "claim 0"], 0, 2),
    "the drone shows its payword and calls for no key": (["prove", "show", "publish", "claim 2"], 0, 2),
    "the winner releases without payword or result": (["prove", "release", "claim 0"], 0, 0),
    "the winner claims nothing": (["prove", "release"], 0, 0),
    "nobody aborts": (["prove", "release", "claim 2"], 0, 2),
}
"""What happens, and then: tasks the winner pays the penalty for, and tasks it is paid for."""


@pytest.mark.parametrize("what", ABORTS)
def test_what_an_abort_costs_whom(deal: Exchange, what: str) -> None:
    steps, blamed, paid = ABORTS[what]
    locked = deal.locked()
    for step in steps:
        match step.split():
            case ["prove"]:
                deal.prove(locked)
            case ["show"]:
                deal.show(2)
            case ["call"]:
                deal.call_key(1, 2)
            case ["publish"]:
                deal.release(locked, publish=True)
            case ["release"]:
                deal.release(locked)
            case ["claim", index]:
                deal.claim(int(index))
    gained = sum(deal.winner.prices) if paid else 0
    assert ended(deal) == (blamed * penalty(deal) + gained, -blamed * penalty(deal) - gained)
    assert all(task.state is not TaskState.OPEN for task in deal.tasks) or not steps
