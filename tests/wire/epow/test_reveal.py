"""Single nsub-results: sampled before a run is verified, and asked about afterwards."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from tests.rules.epow.twin import twin
from tests.wire.epow.rig import Rig, int8
from tests.wire.epow.test_attacks import rig_account, until
from zoneshare.epow.engine import Finished
from zoneshare.epow.messages import Done, Fetch, Prove, Revealed
from zoneshare.epow.miner import Miner
from zoneshare_protocols.epow.exact import multiply, product
from zoneshare_protocols.epow.hashing import matrix_bytes, product_hash
from zoneshare_protocols.errors import NotFound

RNG = np.random.default_rng(8)
A, B = int8(RNG, 32, 48), int8(RNG, 48, 32)
FEE = 20_000
ALL = 1_000_000


def play(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 40))


class Lazy(Miner):
    """Its sums are right, but it never hashed the single results."""

    async def _finished(self, finished: Finished) -> None:
        made_up = replace(finished.result, hashes=tuple(bytes(32) for _ in finished.result.hashes))
        await super()._finished(finished._replace(result=made_up))


class Twins(Miner):
    """Its sums and hashes are right; what it shows for a hash is another matrix of that hash."""

    async def _send(self, message: Done | Fetch | Prove | Revealed) -> None:
        if isinstance(message, Revealed):
            right = np.frombuffer(message.cells, "<i4").reshape(16, 16)
            message = Revealed(message.assignment, matrix_bytes(twin(right)))
        await super()._send(message)


@pytest.mark.parametrize(("kind", "why"), [(Lazy, "committed"), (Twins, "is not the product")])
def test_who_does_not_show_the_product_of_its_hash_is_caught_by_a_sample(
    kind: type[Miner], why: str, tmp_path: Path
) -> None:
    rig = Rig(tmp_path)

    async def work() -> None:
        async with rig.coordinator(sample=ALL), rig.miners("lucy", kind=kind) as liars, rig.source() as source:
            asking = asyncio.create_task(source.multiply([A, B], fee=FEE))
            await until(lambda: rig.mining.miner(rig_account(rig, "lucy")).fakes == 1)
            async with rig.miners("ann"):
                assert (await asking == product(A, B)).all()
            assert any(why in said for said in liars[0].tally.taken)

    play(work())
    assert rig.mining.miner(rig_account(rig, "lucy")).verified == 0
    rig.books_balance()


def test_commitments_can_be_asked_for_until_the_task_is_settled(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    async def work() -> None:
        async with rig.coordinator(sample=ALL) as coordinator, rig.miners("ann"), rig.source() as source:
            await source.multiply([A, B], fee=FEE)
            task = source.tasks[-1]
            await source._until_done(task)
            shown = await source.inquire(task, 0, 3)
            assert shown.hashes == tuple(
                product_hash(multiply(A[16:, k : k + 16].copy(), B[k : k + 16, 16:].copy())) for k in (0, 16, 32)
            )
            with pytest.raises(NotFound):
                await source.inquire(task, 0, 4)
            await source.accept()
            assert coordinator._clerk is not None
            coordinator._clerk.intake._wake.set()
            await until(lambda: coordinator._book.find(task) is None)
            with pytest.raises(NotFound, match="settled"):
                await source.inquire(task, 0, 3)

    play(work())
