"""Claims, left-overs and penalties (section II.C).

The paper's miner "decreases the number it claims" by what is left over. A claim that was not worked off in the time
there was shrinks the next to what the miner has shown to be able to do.
"""

from msgspec.structs import replace

from zoneshare_protocols.epow.records import Claim, MiningRules
from zoneshare_protocols.errors import LimitExceeded, Malformed, NotAllowed

SLACK = 5
"""A shrunk limit is SLACK / 4 of the shown rate, so that it can grow back."""
_JUDGED_AFTER = 8
"""A block time shorter than 1 / 8 of its target says nothing about a miner's rate."""


def open_claim(previous: Claim | None, miner: str, height: int, wanted: int, rules: MiningRules) -> Claim:
    """The miner's claim at a new tip: ``wanted`` nsub-tasks in all, its left-overs among them.

    ``previous`` is its claim of the last block time it took part in, closed by :func:`close_claim`; None at first. Left
    over work of the block time just ended stays with the miner, as new draws. Raises Malformed for a negative number
    or another miner's claim, LimitExceeded when ``wanted`` is over ``max_claim``, NotAllowed right after a fake.
    """
    if wanted < 0:
        raise Malformed("a claim is a number of nsub-tasks", claim=wanted)
    if wanted > rules.max_claim:
        raise LimitExceeded("the claim is over what a block time can hold", value=wanted, limit=rules.max_claim)
    if previous is None:
        return Claim(miner, height, rules.max_claim, wanted)
    if previous.miner != miner or previous.height >= height:
        raise Malformed("not the claim before this one", miner=miner, height=height, previous=previous.height)
    if previous.fake and previous.height + 1 == height:
        raise NotAllowed("a fake result: no nsub-tasks in the next block time", miner=miner, height=height)
    carried = left_over(previous) if previous.height + 1 == height else 0
    return Claim(miner, height, previous.limit, max(carried, min(wanted, previous.limit)))


def left_over(claim: Claim) -> int:
    """nsub-tasks that the miner takes along into the next block time."""
    return 0 if claim.fake else claim.claimed - claim.done


def count_verified(claim: Claim, nsubs: int) -> Claim:
    """After ``nsubs`` more results were verified. Raises NotAllowed after a fake, LimitExceeded over the claim."""
    if claim.fake:
        raise NotAllowed("the miner's nsub-tasks of this block time went to others", miner=claim.miner)
    if nsubs < 0 or claim.done + nsubs > claim.claimed:
        raise LimitExceeded("more results than were claimed", value=claim.done + nsubs, limit=claim.claimed)
    return replace(claim, done=claim.done + nsubs)


def mark_fake(claim: Claim) -> tuple[Claim, int]:
    """After a fake result: the claim as it stays, and how many nsub-tasks go to other miners.

    These are all that are not verified whole; a verified product stays the product, whoever made it.
    """
    return replace(claim, fake=True), claim.claimed - claim.done


def close_claim(claim: Claim, rules: MiningRules, elapsed: int) -> Claim:
    """The claim when the next block came, ``elapsed`` ms after the last: with the limit for the next block time.

    All done: the limit doubles, up to ``max_claim``. Not all: it falls to 5/4 of what this rate makes in a target block
    time, if that is less, unless the block time was too short to tell. ``least_claim`` always stays.
    """
    if claim.done == claim.claimed:
        return replace(claim, limit=min(rules.max_claim, max(1, 2 * claim.limit)))
    if elapsed * _JUDGED_AFTER < rules.block_time:
        return claim
    shown = claim.done * rules.block_time * SLACK // (4 * elapsed)
    return replace(claim, limit=max(min(rules.least_claim, rules.max_claim), min(claim.limit, shown)))
