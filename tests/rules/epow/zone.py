"""A small zone of miners for tests: tasks, assignments, loops."""

from dataclasses import dataclass

import numpy as np

from zoneshare_protocols.codec import digest
from zoneshare_protocols.epow.blocks import assign
from zoneshare_protocols.epow.claims import open_claim
from zoneshare_protocols.epow.draw import involved_header, lsp_field
from zoneshare_protocols.epow.exact import Int8, Int32, multiply
from zoneshare_protocols.epow.hashing import matrix_hash
from zoneshare_protocols.epow.operands import SubTask
from zoneshare_protocols.epow.records import Assignment, BlockHeader, Claim, LspField, MiningRules, Tip

SEED = bytes(range(32))
TASK = b"t" * 32
EASY = Tip(7, b"p" * 32, 1 << 16, 0)
"""Every draw wins."""
HARD = Tip(7, b"p" * 32, 2**63 - 1, 0)
RULES = MiningRules(1, basic=8)


def random_int8(rng: np.random.Generator, rows: int, columns: int) -> Int8:
    return rng.integers(-128, 128, (rows, columns), dtype=np.int8)


@dataclass
class Loop:
    """One done task-involved loop and all that is needed to have it counted."""

    header: BlockHeader
    claim: Claim
    assignment: Assignment
    result: Int32

    @property
    def verified(self) -> bytes:
        return digest(self.header.work)


def loop(task: SubTask, tip: Tip, miner: str = "ann", nsub: int = 0, task_id: bytes = TASK) -> Loop:
    """What an honest miner does with an nsub-task."""
    left, right = task.blocks(nsub)
    result = multiply(left, right)
    run = task.layout.run(task.layout.run_of(nsub))
    lsp = lsp_field(task_id, 0, nsub, left=matrix_hash(left), right=matrix_hash(right), result=result)
    assert isinstance(lsp, LspField)
    return Loop(
        involved_header(tip.height + 1, tip.hash, miner, lsp),
        open_claim(None, miner, tip.height, 10, RULES),
        assign(task_id, 0, run, miner, tip),
        result,
    )
