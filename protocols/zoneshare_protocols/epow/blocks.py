"""When a block counts, and when a result does (sections II.B, II.C)."""

from zoneshare_protocols.codec import digest
from zoneshare_protocols.epow.difficulty import SCALE_ONE, final, scale_factor, target
from zoneshare_protocols.epow.draw import draw, fixed_nonce, free_header
from zoneshare_protocols.epow.exact import Int32
from zoneshare_protocols.epow.hashing import matrix_hash, product_hash
from zoneshare_protocols.epow.layout import Run
from zoneshare_protocols.epow.records import (
    Assignment,
    BlockHeader,
    Claim,
    FreeLoop,
    LspField,
    MiningRules,
    RunResult,
    Tip,
)
from zoneshare_protocols.errors import FakeResult, Malformed, NotAllowed, NotWon, StaleTip


def check_tip(header: BlockHeader, tip: Tip) -> None:
    """Raises StaleTip, with both heights, unless the header continues the tip."""
    if (header.height, header.previous) != (tip.height + 1, tip.hash):
        raise StaleTip("stale tip: another block came first", height=header.height, tip_height=tip.height)


def check_draw(header: BlockHeader, tip: Tip, scale: int) -> None:
    """Raises NotWon unless the header's draw meets the tip's basic difficulty times ``scale``."""
    limit = target(final(tip.difficulty, scale))
    if draw(header) >= limit:
        raise NotWon("the draw does not meet the target", height=header.height, scale=scale)


def check_involved(
    header: BlockHeader, tip: Tip, rules: MiningRules, *, claim: Claim, assignment: Assignment, verified: bytes | None
) -> None:
    """Whether a block of a task-involved loop counts.

    ``verified``: the digest of the LSP field whose result was revealed and passed Freivalds, None if none did. The
    scale factor comes from the recorded claim, never from the header, and for a loop that carries work only. Raises
    StaleTip, Malformed, NotAllowed (assigned to another, at another tip, or claim of a liar), NotWon, FakeResult.
    """
    check_tip(header, tip)
    lsp = header.work
    if not isinstance(lsp, LspField):
        raise Malformed("not the header of a task-involved loop", height=header.height)
    if header.nonce != fixed_nonce(header.previous, header.miner, lsp):
        raise NotAllowed("the nonce of a task-involved loop is fixed", nonce=header.nonce)
    if assignment.miner != header.miner or claim.miner != header.miner:
        raise NotAllowed("the nsub-task was assigned to another miner", miner=header.miner, assigned=assignment.miner)
    if assignment.tip != tip.hash or claim.height != tip.height:
        raise NotAllowed(
            "a result draws only at the tip it was assigned for", assigned=assignment.height, tip=tip.height
        )
    inside = assignment.first <= lsp.nsub_task < assignment.first + assignment.count
    if not inside or (assignment.task, assignment.sub_task) != (lsp.task, lsp.sub_task):
        raise NotAllowed("the nsub-task is not in the assignment", nsub_task=lsp.nsub_task, first=assignment.first)
    if claim.fake:
        raise NotAllowed("a miner with a fake result has no draws left in this block time", miner=header.miner)
    check_draw(header, tip, scale_factor(rules, claim.claimed))
    if verified != digest(lsp):
        raise FakeResult("the result was not revealed and verified whole", nsub_task=lsp.nsub_task)


def check_free(header: BlockHeader, tip: Tip, rules: MiningRules) -> None:
    """Whether a block of a task-free loop counts; does the one product again, if the draw wins.

    Raises StaleTip, Malformed, NotWon, FakeResult.
    """
    check_tip(header, tip)
    if not isinstance(header.work, FreeLoop):
        raise Malformed("not the header of a task-free loop", height=header.height)
    check_draw(header, tip, SCALE_ONE)
    if free_header(header.height, header.previous, header.miner, header.nonce, rules.basic) != header:
        raise FakeResult("the task-free loop's product is another", nonce=header.nonce)


def assign(task: bytes, sub_task: int, run: Run, miner: str, tip: Tip) -> Assignment:
    """The assignment of a run to a miner at the tip."""
    return Assignment(task, sub_task, run.index, run.first, run.count, miner, tip.hash, tip.height)


def check_commitment(result: RunResult, assignment: Assignment) -> None:
    """Raises Malformed unless the commitment is to this assignment, with one hash for each of its nsub-tasks."""
    if result.assignment != digest(assignment):
        raise Malformed("the commitment is to another assignment", run=assignment.run)
    if len(result.hashes) != assignment.count:
        raise Malformed("one hash for each nsub-task", hashes=len(result.hashes), nsub_tasks=assignment.count)


def check_sum(result: RunResult, total: Int32) -> None:
    """Raises FakeResult unless ``total`` is the sum that was committed to."""
    if matrix_hash(total) != result.sum_hash:
        raise FakeResult("the sum is not the one committed to")


def check_reveal(result: RunResult, assignment: Assignment, nsub: int, revealed: Int32) -> None:
    """Raises FakeResult unless ``revealed`` is what was committed to for this nsub-task, NotAllowed outside the run."""
    if not assignment.first <= nsub < assignment.first + assignment.count:
        raise NotAllowed("the nsub-task is not in the assignment", nsub_task=nsub, first=assignment.first)
    if product_hash(revealed) != result.hashes[nsub - assignment.first]:
        raise FakeResult("the result is not the one committed to", nsub_task=nsub)
