"""What the contract ``mining`` keeps and takes: zone, tasks with their escrow, miners, blocks, batches.

A batch is what the coordinator records at once: the root over the assignments it gave, and its steps in order.
"""

from enum import StrEnum
from typing import Annotated

import msgspec

from zoneshare_protocols.codec import Amount, Count, Digest, Millis, Name, Record
from zoneshare_protocols.epow.records import Assignment, BlockHeader, Claim, Height, MiningRules, Positive, Task, Tip

MAX_STEPS = 1000
"""In one batch."""


class MiningZone(Record, frozen=True, tag="zoneshare/epow-zone/1"):
    """How a zone mines; takes effect when every organisation has approved the same."""

    zone: Name
    coordinator: Name
    """The account that records batches."""
    dispute_time: Millis
    """How long a source can dispute a result, before the coordinator may settle the task without it."""
    rules: MiningRules


class Pool(Record, frozen=True, tag="zoneshare/epow-pool/1"):
    """The zone's treasury, and its market of work in the present block time."""

    treasury: Amount
    offered: Count
    """nsub-tasks that wait (at most; by the worst case of their tasks)."""
    claimed: Count
    """nsub-tasks claimed since the last block."""
    fee: Amount
    """Going rate of an nsub-task: what the reward adjustment asks sources to offer."""
    batches: Count
    """Recorded so far."""


class TaskStatus(StrEnum):
    OPEN = "open"
    DONE = "done"
    """Its result is recorded; the source can dispute it."""
    ACCEPTED = "accepted"
    FAILED = "failed"
    """Values outgrew 64 bits: what was done is paid."""
    WITHDRAWN = "withdrawn"
    DISPUTED = "disputed"
    """The contract found the result wrong."""


class TaskRecord(Record, frozen=True, tag="zoneshare/epow-task-record/1"):
    """A task on the ledger. ``escrow`` and ``margin``: what the zone still holds of the source's money."""

    task: Task
    until: Millis
    """From then on the source may withdraw what is not done."""
    nsubs: Positive
    """Of the worst case."""
    status: TaskStatus
    escrow: Amount
    margin: Amount
    """The coordinator's part of what was paid, kept until the source has accepted or its time is over."""
    verified: Count = 0
    """nsub-tasks paid for."""
    result: Digest | None = None
    done_at: Millis = 0


class MinerRecord(Record, frozen=True, tag="zoneshare/epow-miner/1"):
    """Who mines: its deposit, its claim as the coordinator recorded it, and what it has done."""

    account: Name
    deposit: Amount
    claim: Claim | None = None
    verified: Count = 0
    earned: Amount = 0
    """Rewards for nsub-tasks; block rewards apart."""
    blocks: Count = 0
    fakes: Count = 0


class Mined(Record, frozen=True, tag="zoneshare/epow-mined/1"):
    """A block as it was taken."""

    header: BlockHeader
    hash: Digest
    time: Millis
    reward: Amount
    difficulty: Positive
    """Basic difficulty it met; ``scale`` eased it."""
    scale: Positive
    tip: Tip
    """After it."""


class Assigned(Record, frozen=True, tag="zoneshare/epow-assigned/1"):
    """A leaf of a batch's Merkle tree: an assignment and the hashes of its nsub-tasks (LSP field's fourth)."""

    assignment: Assignment
    nsubs: tuple[Digest, ...]


class Wanted(Record, frozen=True, tag="zoneshare/epow-wanted/1"):
    """Step: a miner's claim at a tip. ``held``: nsub-tasks of its claim before that it still holds."""

    miner: Name
    height: Height
    wanted: Count
    held: Count = 0


class RunDone(Record, frozen=True, tag="zoneshare/epow-run-done/1"):
    """Step: a run was verified; its miner is paid. On the ledger for inquiry, by (task, sub-task, run)."""

    task: Digest
    sub_task: Count
    run: Count
    count: Positive
    miner: Name
    result: Digest
    """Of the RunResult."""


class Faked(Record, frozen=True, tag="zoneshare/epow-faked/1"):
    """Step: a miner's sum was wrong."""

    miner: Name
    assignment: Digest


class Finished(Record, frozen=True, tag="zoneshare/epow-finished/1"):
    """Step: a task is merged. ``result``: its :func:`matrix_hash` as int64; None when values outgrew 64 bits."""

    task: Digest
    result: Digest | None


Step = Wanted | RunDone | Faked | Finished


class Batch(Record, frozen=True, tag="zoneshare/epow-batch/1"):
    """What the coordinator records in one transaction. ``root``: over ``size`` leaves (Assigned); None without."""

    number: Positive
    height: Height
    """Of the tip of its assignments."""
    root: Digest | None
    size: Count
    steps: Annotated[tuple[Step, ...], msgspec.Meta(max_length=MAX_STEPS)]


class BatchRecord(Record, frozen=True, tag="zoneshare/epow-batch-record/1"):
    """A recorded batch: its digest, its assignments' root, and the steps that were refused, by their place in it."""

    digest: Digest
    height: Height
    root: Digest | None
    size: Count
    skipped: tuple[tuple[Count, str], ...]


class Shown(Record, frozen=True, tag="zoneshare/epow-shown/1"):
    """Where a winning loop's assignment stands in a batch: with it, a block needs nobody's word."""

    assigned: Assigned
    batch: Positive
    index: Count
    path: tuple[Digest, ...]


def held(task: TaskRecord) -> int:
    """What the zone holds of a task's money."""
    return task.escrow + task.margin
