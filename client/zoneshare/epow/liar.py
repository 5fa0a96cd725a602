"""A miner that lies, for demonstrations: one cell of every sum it sends is wrong, and it commits to it.

It is the miner's own command, with its delivery bent: ``python -m zoneshare.epow.liar mine DEVICE ...``.
"""

from unittest.mock import patch

from zoneshare.__main__ import main
from zoneshare.epow.engine import Finished
from zoneshare.epow.miner import Miner
from zoneshare_protocols.epow.hashing import matrix_hash
from zoneshare_protocols.epow.records import RunResult

_deliver = Miner._finished


async def _bent(miner: Miner, finished: Finished) -> None:
    wrong = finished.sum.copy()
    wrong[0, 0] += 1
    result = RunResult(finished.result.assignment, finished.result.hashes, matrix_hash(wrong))
    await _deliver(miner, finished._replace(result=result, sum=wrong))


if __name__ == "__main__":
    with patch.object(Miner, "_finished", _bent):
        main()
