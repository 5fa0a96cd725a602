"""Rewards, penalties, and the reward adjustment that the paper leaves for the future (sections II.B, V)."""

from typing import NamedTuple

from zoneshare_protocols.epow.difficulty import DIFFICULTY_ONE
from zoneshare_protocols.epow.records import MiningRules
from zoneshare_protocols.errors import BadAmount

PPM = 1_000_000
STEP = 8
"""A block time changes the fee by 1/8 at most."""


class Shares(NamedTuple):
    """Who gets what of the fees of verified nsub-tasks; the three add up to the fees."""

    miner: int
    coordinator: int
    treasury: int


def share(fee: int, nsubs: int, rules: MiningRules) -> Shares:
    """Divide the fees of ``nsubs`` verified nsub-tasks. Raises BadAmount for a negative number or over 2^63 - 1."""
    whole = fee * nsubs
    if fee < 0 or nsubs < 0 or whole > 2**63 - 1 or rules.levy + rules.margin > PPM:
        raise BadAmount("not a fee that can be divided", fee=fee, nsubs=nsubs)
    levy, margin = whole * rules.levy // PPM, whole * rules.margin // PPM
    return Shares(whole - levy - margin, margin, levy)


def block_reward(rules: MiningRules, treasury: int) -> int:
    """What a block's miner gets: the zone's block reward, or what the treasury has if that is less."""
    return min(rules.block_reward, treasury)


def draw_value(rules: MiningRules, difficulty: int) -> float:
    """What one draw at this final difficulty is expected to gain: block reward / expected draws."""
    return rules.block_reward * DIFFICULTY_ONE / difficulty


def fee_floor(rules: MiningRules, difficulty: int) -> int:
    """The least fee of an nsub-task, handed out at this final difficulty, at which tasks one made oneself gain nothing.

    Who offers worthless tasks and mines them all himself gets back all but the levy; so levy >= draw value, even for
    one who has all identities, all claims and the coordinator. A task whose fee is below the floor waits until the
    difficulty has risen again. Raises BadAmount when there are block rewards and no levy.
    """
    if rules.block_reward == 0:
        return 0
    if rules.levy == 0:
        raise BadAmount("block rewards need a levy that pays them", block_reward=rules.block_reward)
    return -(-rules.block_reward * DIFFICULTY_ONE * PPM // (difficulty * rules.levy))


def penalty_floor(fee: int, sampled: int) -> int:
    """The least penalty at which a faked result is expected to lose, if ``sampled`` ppm of results are checked.

    Faking gains at most the fee when it passes and loses the penalty when it does not. Sums of runs are all checked;
    this is for what is only sampled. Raises BadAmount when nothing is sampled.
    """
    if not 0 < sampled <= PPM:
        raise BadAmount("something has to be sampled", sampled=sampled)
    return fee * (PPM - sampled) // sampled + 1


def adjust_fee(fee: int, offered: int, claimed: int, floor: int, ceiling: int) -> int:
    """The fee of the next block time: up when more work is offered than miners claim, down when less.

    ``offered``: nsub-tasks that wait or are expected in a block time; ``claimed``: what miners claimed of the last. The
    step is an eighth of the relative gap, and at least one unit. A higher fee draws claims up to the offered work, a
    lower one lets those miners go for whom it is not worth it: it settles where claims equal offers. Raises BadAmount
    for an impossible range or count.
    """
    if floor > ceiling or floor < 0 or offered < 0 or claimed < 0:
        raise BadAmount("not a range of fees", floor=floor, ceiling=ceiling)
    gap, larger = offered - claimed, max(offered, claimed, 1)
    step = max(1, abs(gap) * fee // (larger * STEP))
    moved = fee + (gap > 0) * step - (gap < 0) * step
    return min(ceiling, max(floor, moved))
