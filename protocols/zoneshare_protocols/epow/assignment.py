"""Who gets which run: at random, by the tip, so that a source cannot choose its miner (nor the coordinator, unseen)."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from zoneshare_protocols.epow.hashing import keyed
from zoneshare_protocols.epow.records import Claim
from zoneshare_protocols.errors import Misuse


def pick_miner(claims: Sequence[Claim], tip: bytes, task: bytes, sub_task: int, run: int) -> str:
    """The miner of a run: drawn by BLAKE3 over (tip, task, sub-task, run), weighted by what each has left to do.

    ``claims`` in any order; the same claims give the same miner everywhere, so an assignment can be checked later.
    Raises Misuse when nobody has anything left.
    """
    able = sorted((c for c in claims if not c.fake and c.claimed > c.done), key=lambda c: c.miner)
    if not able:
        raise Misuse("no miner has a claim left")
    ends = list(accumulate(c.claimed - c.done for c in able))
    place = b"%d/%d" % (sub_task, run)
    drawn = int.from_bytes(keyed("zoneshare/epow-assignment/1", tip, task, place), "big")
    return able[bisect_right(ends, drawn % ends[-1])].miner
