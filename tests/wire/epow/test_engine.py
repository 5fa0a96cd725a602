"""The miner's two loops have the same chance of a block, and a product that wins says which."""

import threading

import numpy as np
import pytest
from msgspec.structs import replace

from zoneshare.epow.engine import Engine, Finished, Won
from zoneshare.epow.messages import Run
from zoneshare_protocols.epow import work
from zoneshare_protocols.epow.difficulty import SCALE_ONE, target
from zoneshare_protocols.epow.draw import draw
from zoneshare_protocols.epow.exact import multiply
from zoneshare_protocols.epow.hashing import matrix_hash, product_hash
from zoneshare_protocols.epow.records import Assignment, LspField, Tip
from zoneshare_protocols.epow.work import Worker

BASIC, DRAWS, SIDE = 8, 16, 40
TIP = Tip(3, b"t" * 32, DRAWS << 16, 0)
EXPECTED = SIDE * SIDE / DRAWS
SPREAD = 4 * EXPECTED**0.5


def test_loops_of_both_kinds_win_as_often() -> None:
    rng = np.random.default_rng(1)
    won: list[Won] = []
    over = threading.Event()

    def told(event: Won | Finished) -> None:
        if isinstance(event, Won):
            won.append(event)
        elif event.assignment.run == SIDE - 1:
            over.set()

    engine = Engine("ann", BASIC, told, free_loops=False)
    left, right = ([rng.integers(-128, 128, (BASIC, BASIC), dtype=np.int8) for _ in range(SIDE)] for _ in range(2))
    for block in (*left, *right):
        engine.blocks.put(matrix_hash(block), block)
    engine.new_tip(TIP)
    for row in range(SIDE):
        assignment = Assignment(b"k" * 32, 0, row, row * SIDE, SIDE, "ann", TIP.hash, TIP.height)
        hashes = tuple(matrix_hash(left[row]) for _ in range(SIDE)), tuple(map(matrix_hash, right))
        engine.add(Run(assignment, *hashes), SCALE_ONE)
    engine.start()
    assert over.wait(60)
    engine.stop()
    assert abs(len(won) - EXPECTED) < SPREAD
    worker = Worker(BASIC)
    headers = [worker.free(TIP.height + 1, TIP.hash, "ann", nonce) for nonce in range(SIDE * SIDE)]
    free = sum(draw(header) < target(TIP.difficulty) for header in headers)
    assert abs(free - EXPECTED) < SPREAD
    for each in won:
        lsp = each.header.work
        assert isinstance(lsp, LspField)
        row, column = divmod(lsp.nsub_task, SIDE)
        assert each.left == left[row].tobytes()
        assert lsp.result_hash == product_hash(multiply(left[row], right[column]))
        assert draw(each.header) < target(TIP.difficulty)


def test_what_was_made_at_an_older_tip_draws_no_more_at_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "_AT_ONCE", 2 * BASIC * BASIC)
    easy = Tip(3, b"t" * 32, 1 << 16, 0)
    later = Tip(4, b"u" * 32, 1 << 16, 0)
    assignment = Assignment(b"k" * 32, 0, 0, 0, 6, "ann", easy.hash, easy.height)
    won: list[tuple[int, int]] = []
    over = threading.Event()

    def told(event: Won | Finished) -> None:
        if isinstance(event, Finished):
            over.set()
        elif isinstance(event.header.work, LspField):
            won.append((event.header.height, event.header.work.nsub_task))
            engine.new_tip(later)
            engine.carry(replace(assignment, tip=later.hash, height=later.height), SCALE_ONE)

    engine = Engine("ann", BASIC, told, free_loops=False)
    block = np.ones((BASIC, BASIC), np.int8)
    engine.blocks.put(matrix_hash(block), block)
    engine.new_tip(easy)
    hashes = (matrix_hash(block),) * assignment.count
    engine.add(Run(assignment, hashes, hashes), SCALE_ONE)
    engine.start()
    assert over.wait(60)
    engine.stop()
    # Two at a time: the first two won at once, the next two straddled the new tip.
    assert won == [(4, 0), (4, 1), (5, 4), (5, 5)]
