"""A miner's blocks: right in both forms however little memory there is, and never gone while a run needs them."""

import numpy as np
import pytest

from zoneshare.epow.store import BlockStore, Slots
from zoneshare_protocols.epow.hashing import matrix_hash

BASIC = 8
RNG = np.random.default_rng(3)
BLOCKS = [RNG.integers(-127, 128, (BASIC, BASIC), dtype=np.int8) for _ in range(40)]
HASHES = [matrix_hash(block) for block in BLOCKS]


def filled(limit: int) -> BlockStore:
    store = BlockStore(BASIC, limit)
    for hash, block in zip(HASHES, BLOCKS, strict=True):
        store.put(hash, block)
    return store


@pytest.mark.parametrize("limit", [0, 600, 1100, 2100, 8000, 1 << 20])
def test_a_pair_is_right_whatever_is_kept_in_float(limit: int) -> None:
    store = filled(limit)
    for _ in range(5):
        for at in range(len(BLOCKS)):
            other = at * 7 % len(BLOCKS)
            left, right = store.wide(HASHES[at]), store.wide(HASHES[other])
            assert (left == BLOCKS[at]).all()
            assert (right == BLOCKS[other]).all()


def test_what_is_over_the_limit_goes_but_not_what_is_needed() -> None:
    store = filled(20 * BASIC * BASIC)
    needed = set(HASHES[:3])
    store.trim(lambda: needed)
    kept = [hash for hash in HASHES if hash in store]
    assert kept == HASHES[:3] + HASHES[-7:]
    fresh = RNG.integers(-127, 128, (BASIC, BASIC), dtype=np.int8)
    store.put(matrix_hash(fresh), fresh)
    for hash in kept:
        assert matrix_hash(store.small(hash)) == hash
    with pytest.raises(KeyError):
        store.small(HASHES[5])


def test_prepared_memory_is_what_blocks_are_put_into() -> None:
    basic, blocks = 64, 6
    slots = Slots(basic, np.int8)
    slots.prepare(blocks * basic * basic)
    first = slots.take()
    assert isinstance(first.base, np.ndarray)
    others = [slots.take() for _ in range(blocks - 1)]
    assert all(other.base is first.base for other in others)
    assert slots.take().base is not first.base


def test_memory_for_very_many_small_blocks_is_not_prepared() -> None:
    slots = Slots(1, np.int8)
    slots.prepare(1 << 20)
    base = slots.take().base
    assert base is not None
    assert base.size == 6 << 20
