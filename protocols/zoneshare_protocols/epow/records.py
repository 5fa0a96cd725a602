"""The records of E-PoW: tasks, assignments, commitments, headers and the zone's mining rules.

Names follow the paper: LSP field (Learning-Service-Providing), nsub-task, BDRT window, scale factor. Hashes of matrices
and draws are BLAKE3, digests of records SHA-256; both have 32 bytes.
"""

from enum import StrEnum
from typing import Annotated

import msgspec

from zoneshare_protocols.codec import Amount, Count, Digest, Name, Record, digest
from zoneshare_protocols.epow.layout import BasicSize, Limbs, Side

Height = Count
Ppm = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Difficulty = Positive
"""Expected draws for a block, in 1/65,536 of a draw."""
Scale = Annotated[int, msgspec.Meta(ge=1, le=2**32)]
"""A scale factor in (0, 1], in 1/2^32."""


class Mode(StrEnum):
    """How a task-involved loop's scale factor is set."""

    COST = "cost"
    """The default, from the loop's cost: a second of computing has the same chance in every loop, for every claim."""
    PAPER = "paper"
    """Inversely proportional to the miner's claim (section III.C), unfair as that is."""


class MiningRules(Record, frozen=True, tag="zoneshare/epow-rules/1"):
    """A zone's mining parameters. Costs are in any common unit, for instance ns on a reference machine."""

    version: Positive
    basic: BasicSize = 500
    """The basic size b."""
    block_time: Positive = 300_000
    """Target time of a block, ms: the target block generation rate is its inverse."""
    window: Annotated[int, msgspec.Meta(ge=2, le=10_000)] = 10
    """The BDRT window w, in blocks."""
    initial: Difficulty = 400 << 16
    """The basic difficulty of the first window. 400 draws: the paper's 2.5e-3 read as a chance per draw."""
    mode: Mode = Mode.COST
    free_cost: Positive = 1
    """Cost of a task-free loop."""
    task_cost: Positive = 1
    """Cost of a task-involved loop."""
    claim_unit: Positive = 1
    """Mode paper: a claim of n nsub-tasks has the scale factor min(1, claim_unit / n)."""
    max_claim: Positive = 600
    """nsub-tasks a miner may hold in one block time, left-overs included."""
    least_claim: Positive = 1
    """A claim that was not worked off shrinks the next to this at least; a whole run has to fit to be assigned."""
    block_reward: Amount = 0
    levy: Ppm = 50_000
    """Part of every fee that goes to the zone's treasury, out of which block rewards are paid."""
    margin: Ppm = 50_000
    """Part of every fee that the coordinator keeps."""
    penalty: Amount = 0
    """Taken from a miner's deposit for a fake result."""


class MatrixInfo(Record, frozen=True, tag="zoneshare/epow-matrix/1"):
    """One matrix of a task, as it is offered. ``hash``: BLAKE3 (:func:`matrix_hash`)."""

    rows: Side
    columns: Side
    limbs: Limbs
    hash: Digest


class Task(Record, frozen=True, tag="zoneshare/epow-task/1"):
    """The product of two or more matrices, from left to right. Its id is its digest."""

    source: Name
    matrices: Annotated[tuple[MatrixInfo, ...], msgspec.Meta(min_length=2, max_length=64)]
    basic: BasicSize
    fee: Amount
    """What the source pays for one nsub-task: the miner's reward, the coordinator's margin and the levy."""
    nonce: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]

    @property
    def id(self) -> bytes:
        return digest(self)


class Assignment(Record, frozen=True, tag="zoneshare/epow-assignment/1"):
    """A run given to a miner at a tip: only at this tip do its results give draws."""

    task: Digest
    sub_task: Count
    run: Count
    first: Count
    """nsub-task id of the run's first."""
    count: Positive
    miner: Name
    tip: Digest
    height: Height
    """Of the tip."""


class RunResult(Record, frozen=True, tag="zoneshare/epow-run-result/2"):
    """What a miner commits to when it has done a run: the hash of each nsub-result, in order, and of their sum."""

    assignment: Digest
    hashes: tuple[Digest, ...]
    sum_hash: Digest


class LspField(Record, frozen=True, tag="zoneshare/epow-lsp/2"):
    """The five elements of the paper's LSP field (section II.C)."""

    task: Digest
    sub_task: Count
    nsub_task: Count
    nsub_hash: Digest
    result_hash: Digest


class FreeLoop(Record, frozen=True, tag="zoneshare/epow-free-loop/2"):
    """A task-free loop: the product of two blocks made from (previous, miner, nonce)."""

    result_hash: Digest


class BlockHeader(Record, frozen=True, tag="zoneshare/epow-header/1"):
    """A mined block. Its hash, the tip of the next, is its digest. Nothing in it can be varied without new work."""

    height: Positive
    previous: Digest
    miner: Name
    nonce: Count
    """The loop's number in a task-free loop; in a task-involved loop fixed by (previous, miner, LSP field)."""
    work: LspField | FreeLoop

    @property
    def hash(self) -> bytes:
        return digest(self)


class Tip(Record, frozen=True, tag="zoneshare/epow-tip/1"):
    """The newest block, and the basic difficulty that the next has to meet."""

    height: Height
    hash: Digest
    difficulty: Difficulty
    window_began: Count
    """When the block before this BDRT window's first was made, ms."""


class Claim(Record, frozen=True, tag="zoneshare/epow-claim/1"):
    """A miner's nsub-tasks in one block time (section II.C)."""

    miner: Name
    height: Height
    """Of the tip it is at work on."""
    limit: Count
    """What it may hold in one block time, by what it has shown."""
    claimed: Count
    """What it holds, left-overs included."""
    done: Count = 0
    """Verified."""
    fake: bool = False
