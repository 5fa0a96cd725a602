"""Training on the digits through the coordinator: the same bits as locally, and as good as in float."""

import asyncio
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from tests.wire.epow.rig import RULES, Rig
from zoneshare.epow import training

DIGITS = training.load_digits()


def test_every_product_by_miners_gives_the_weights_of_local_training(tmp_path: Path) -> None:
    rig = Rig(tmp_path, replace(RULES, basic=128, block_reward=0))
    steps = 3

    async def play() -> None:
        async with rig.coordinator(), rig.miners("ann", "bob"), rig.source() as source:
            mined = await training.train(DIGITS, training.mined(source, 10), steps)
            assert len(source.tasks) == 5 * steps + 2
            await source.accept()
            local = await training.train(DIGITS, training.local, steps)
            assert mined.fingerprint == local.fingerprint
            assert mined.accuracy == local.accuracy

    asyncio.run(asyncio.wait_for(play(), 60))
    rig.books_balance()


def test_eight_bits_are_within_one_percent_of_float() -> None:
    async def both() -> tuple[training.Trained, training.Trained]:
        return await training.train(DIGITS, training.local, 60), await training.train_float(DIGITS, 60)

    eight, real = asyncio.run(both())
    assert eight.accuracy > 0.96
    assert abs(eight.accuracy - real.accuracy) <= 0.01
    assert eight.losses[-1] < eight.losses[0] / 20


def test_quantizing_keeps_a_matrix_of_zeros_and_the_largest_value() -> None:
    values, scale = training.quantize(np.zeros((2, 2)))
    assert (values == 0).all()
    values, scale = training.quantize(np.array([[-3.0, 1.5]]))
    assert values.tolist() == [[-127, 64]]
    assert values[0, 0] * scale == -3.0
