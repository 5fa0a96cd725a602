"""Difficulty re-targeting (section III.C). All in integers, so that every peer gets the same.

A difficulty is the expected number of draws for a block, so a lower one is easier, and final difficulty = basic
difficulty * scale factor as in the paper.
"""

from zoneshare_protocols.epow.records import MiningRules, Mode, Tip
from zoneshare_protocols.errors import LimitExceeded, Malformed

DIFFICULTY_ONE = 1 << 16
SCALE_ONE = 1 << 32
MAX_DIFFICULTY = 2**63 - 1
MAX_STEP = 4
"""A window changes the basic difficulty by this factor at most, up or down."""
_DRAWS = 1 << 256


def target(difficulty: int) -> int:
    """A draw below this number (0 to 2^256) makes a block: its chance is 65,536 / difficulty, at most 1."""
    return min(_DRAWS, _DRAWS * DIFFICULTY_ONE // difficulty)


def final(basic: int, scale: int) -> int:
    """Final difficulty = basic difficulty * scale factor; at least one draw."""
    return max(DIFFICULTY_ONE, basic * scale // SCALE_ONE)


def scale_factor(rules: MiningRules, claim: int) -> int:
    """The scale factor of a miner's task-involved loops, in 1/2^32; 1 without a claim and for every task-free loop.

    Mode cost: free_cost / task_cost, whatever the claim. A task-involved loop is never harder than a task-free one.
    Mode paper: claim_unit / claim. Raises Malformed for a negative claim, LimitExceeded over ``max_claim``.
    """
    if claim < 0:
        raise Malformed("a claim is a number of nsub-tasks", claim=claim)
    if claim > rules.max_claim:
        raise LimitExceeded("the claim is over what a block time can hold", value=claim, limit=rules.max_claim)
    if claim == 0:
        return SCALE_ONE
    part, whole = (rules.free_cost, rules.task_cost) if rules.mode is Mode.COST else (rules.claim_unit, claim)
    return max(1, min(SCALE_ONE, SCALE_ONE * part // whole))


def initial_difficulty(draws_per_second: float, block_time: int) -> int:
    """The basic difficulty at which miners who together make this many draws a second take ``block_time`` ms."""
    return max(DIFFICULTY_ONE, min(MAX_DIFFICULTY, int(draws_per_second * block_time / 1000 * DIFFICULTY_ONE)))


def retarget(basic: int, rules: MiningRules, elapsed: int) -> int:
    """The next window's basic difficulty, after a window of w blocks that took ``elapsed`` ms.

    new = old * (actual rate / target rate) * (w - 1) / w. The times of w blocks at a constant rate have
    E[1 / elapsed] = rate / (w - 1), not rate / w: without the last factor blocks would take w / (w - 1) too long
    on average.
    """
    new = basic * (rules.window - 1) * rules.block_time // max(1, elapsed)
    new = max(basic // MAX_STEP, min(basic * MAX_STEP, new))
    return max(DIFFICULTY_ONE, min(MAX_DIFFICULTY, new))


def extend(tip: Tip, rules: MiningRules, block: bytes, now: int) -> Tip:
    """The tip after ``block`` (its hash), made at ``now`` (ms); re-targets when it is the last of a window."""
    height = tip.height + 1
    if height % rules.window:
        return Tip(height, block, tip.difficulty, tip.window_began)
    return Tip(height, block, retarget(tip.difficulty, rules, now - tip.window_began), now)
