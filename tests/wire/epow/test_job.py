"""A sub-task's blocks, as they are named and sent."""

import numpy as np
import pytest

from tests.wire.epow.test_desk import BASIC, Shelf, job_of
from zoneshare.epow.fresh import Fresh
from zoneshare_protocols.epow.blocks import assign
from zoneshare_protocols.epow.hashing import matrix_hash
from zoneshare_protocols.epow.records import Tip

TIP = Tip(0, bytes(32), 1 << 16, 0)


@pytest.mark.parametrize("most", [0, 3 * BASIC**2, 1 << 20])
def test_a_block_is_what_its_hash_says_however_often_it_is_sent(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    left, right = (rng.integers(-127, 128, shape, dtype=np.int8) for shape in ((14, 5), (5, 14)))
    monkeypatch.setattr(Shelf, "load_matrix", lambda _, id, name: {"m0": left, "m1": right}[name])
    fresh = Fresh(most)
    job = job_of(left, right, fresh=fresh)
    hashes = set[bytes]()
    for run in range(job.layout.runs):
        given = job.order(assign(job.id, 0, job.layout.run(run), "ann", TIP))
        hashes |= {*given.left, *given.right}
        assert fresh.bytes <= most
    for _ in range(2):
        for hash in hashes:
            block = job.block(hash)
            assert block is not None
            assert matrix_hash(block) == hash
    assert fresh.bytes == 0
    assert job.block(bytes(32)) is None
