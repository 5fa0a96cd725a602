"""A sub-task's blocks, as they are named and sent."""

import numpy as np
import pytest

from tests.wire.epow.test_desk import BASIC, Shelf, job_of
from zoneshare.epow import job as job_module
from zoneshare_protocols.epow.blocks import assign
from zoneshare_protocols.epow.hashing import matrix_hash
from zoneshare_protocols.epow.records import Tip

TIP = Tip(0, bytes(32), 1 << 16, 0)


@pytest.mark.parametrize("most", [0, 3 * BASIC**2, 1 << 20])
def test_a_block_is_what_its_hash_says_however_often_it_is_sent(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_module, "_FRESH", most)
    rng = np.random.default_rng(6)
    left, right = (rng.integers(-127, 128, shape, dtype=np.int8) for shape in ((14, 5), (5, 14)))
    monkeypatch.setattr(Shelf, "load_matrix", lambda _, id, name: {"m0": left, "m1": right}[name])
    job = job_of(left, right)
    hashes = set[bytes]()
    for run in range(job.layout.runs):
        given = job.order(assign(job.id, 0, job.layout.run(run), "ann", TIP))
        hashes |= {*given.left, *given.right}
        assert len(job._fresh) * BASIC**2 <= most
    for _ in range(2):
        for hash in hashes:
            block = job.block(hash)
            assert block is not None
            assert matrix_hash(block) == hash
    assert not job._fresh
    assert job.block(bytes(32)) is None
