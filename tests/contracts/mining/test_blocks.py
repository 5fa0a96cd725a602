"""A block is validated from the ledger and what its miner shows."""

import numpy as np
import pytest
from msgspec.structs import replace

from tests.contracts.mining.mining_world import EASY, Loop, MiningWorld
from zoneshare_protocols.codec import decode
from zoneshare_protocols.epow.draw import free_header, involved_header
from zoneshare_protocols.epow.hashing import matrix_hash, nsub_hash, product_hash
from zoneshare_protocols.epow.ledger import Faked, Mined
from zoneshare_protocols.errors import (
    BadProof,
    FakeResult,
    Malformed,
    NotAllowed,
    NotFound,
    NotWon,
    StaleTip,
)


def test_a_task_involved_loop_wins_a_block_and_its_reward() -> None:
    world = MiningWorld()
    loop = Loop(world, world.ann)
    world.record(*(world.done(loop.task, world.ann, run) for run in range(4)))
    treasury, before = world.pool.treasury, world.money(world.ann)
    assert treasury == 4 * 2 * 50
    mined = decode(Mined, loop.submit())
    assert (mined.reward, mined.tip.height, mined.header) == (50, 1, loop.header)
    assert world.money(world.ann) == before + 50
    assert world.pool.treasury == treasury - 50
    assert world.tip.hash == loop.header.hash
    assert world.ask(Mined, "block", 1) == mined
    assert world.miner(world.ann).blocks == 1
    world.books_balance()


def test_rewards_end_with_the_treasury() -> None:
    world = MiningWorld()
    assert decode(Mined, Loop(world, world.ann).submit()).reward == 0
    world.books_balance()


def test_who_comes_second_is_told_both_heights() -> None:
    world = MiningWorld()
    first, second = Loop(world, world.ann), None
    tip = world.tip
    second = free_header(1, tip.hash, world.bob.account, 3, 8)
    first.submit()
    with pytest.raises(StaleTip, match="stale tip") as stale:
        world.submit(world.bob, "submit_block", second)
    assert stale.value.values == {"height": 1, "tip_height": 1}
    with pytest.raises(StaleTip):
        first.submit()


def test_a_task_free_loop_wins_and_a_forged_one_does_not() -> None:
    world = MiningWorld()
    header = free_header(1, world.tip.hash, world.bob.account, 0, 8)
    for forged in (replace(header, nonce=1), replace(header, miner=world.ann.account)):
        with pytest.raises(FakeResult):
            world.submit(world.sue, "submit_block", forged)
    stranger = free_header(1, world.tip.hash, "nobody", 0, 8)
    with pytest.raises(NotFound):
        world.submit(world.sue, "submit_block", stranger)
    world.submit(world.sue, "submit_block", header)
    assert world.tip.height == 1
    hard = MiningWorld(replace(EASY, initial=1 << 60, block_reward=0))
    with pytest.raises(NotWon):
        hard.submit(hard.sue, "submit_block", free_header(1, hard.tip.hash, hard.bob.account, 0, 8))


def test_a_copied_result_wins_nothing_for_another() -> None:
    world = MiningWorld()
    loop = Loop(world, world.ann)
    world.claim(world.bob)
    stolen = involved_header(1, world.tip.hash, world.bob.account, loop.lsp)
    with pytest.raises(NotAllowed, match="another miner"):
        loop.submit(stolen)


def test_what_is_shown_must_be_what_was_recorded() -> None:
    world = MiningWorld()
    loop = Loop(world, world.ann)
    shown = loop.shown
    assignment = shown.assigned.assignment
    forged_leaf = replace(shown.assigned, assignment=replace(assignment, miner=world.bob.account))
    for bad in (
        replace(shown, index=0),
        replace(shown, path=()),
        replace(shown, path=(*shown.path, bytes(32))),
        replace(shown, assigned=forged_leaf),
    ):
        with pytest.raises(BadProof):
            loop.submit(shown=bad)
    with pytest.raises(NotFound):
        loop.submit(shown=replace(shown, batch=99))
    with pytest.raises(NotAllowed, match="only at the tip"):
        loop.submit(shown=replace(shown, batch=1))
    with pytest.raises(Malformed, match="shows its assignment"):
        world.submit(world.ann, "submit_block", loop.header)
    world.books_balance()


def test_the_product_is_done_again_by_every_peer() -> None:
    world = MiningWorld()
    loop = Loop(world, world.ann)
    fake = replace(loop.lsp, result_hash=b"x" * 32)
    with pytest.raises(FakeResult):
        loop.submit(involved_header(1, world.tip.hash, world.ann.account, fake))
    loop.left = loop.left.copy()
    loop.left[0, 0] ^= 1
    with pytest.raises(FakeResult):
        loop.submit()


@pytest.mark.parametrize("cells", [b"", b"x", b"x" * 65])
def test_blocks_of_another_size_are_malformed(cells: bytes) -> None:
    world = MiningWorld()
    loop = Loop(world, world.ann)
    with pytest.raises(Malformed, match="two matrices"):
        world.submit(
            world.ann,
            "submit_block",
            loop.header,
            loop.shown,
            transient={"left": cells, "right": loop.transient["right"]},
        )


def test_matrices_of_ones_own_choice_win_nothing() -> None:
    """Zeros, whose product is known beforehand, instead of what was assigned."""
    world = MiningWorld()
    loop = Loop(world, world.ann)
    loop.left = loop.right = np.zeros((8, 8), np.int8)
    zero = matrix_hash(loop.left)
    lsp = replace(loop.lsp, nsub_hash=nsub_hash(zero, zero), result_hash=product_hash(np.zeros((8, 8), np.int32)))
    with pytest.raises(NotAllowed, match="not those that were assigned"):
        loop.submit(involved_header(1, world.tip.hash, world.ann.account, lsp))


def test_left_overs_of_the_block_before_win_nothing_until_assigned_anew() -> None:
    world = MiningWorld()
    loop = Loop(world, world.ann)
    world.submit(world.bob, "submit_block", free_header(1, world.tip.hash, world.bob.account, 0, 8))
    world.claim(world.ann)
    again = involved_header(2, world.tip.hash, world.ann.account, loop.lsp)
    with pytest.raises(NotAllowed, match="only at the tip"):
        loop.submit(again)


def test_a_liar_has_no_draws_left() -> None:
    world = MiningWorld()
    loop = Loop(world, world.ann)
    world.record(Faked(world.ann.account, b"a" * 32))
    with pytest.raises(NotAllowed, match="fake"):
        loop.submit()
    assert world.miner(world.ann).deposit == 70
    assert world.pool.treasury == 30
    world.books_balance()
