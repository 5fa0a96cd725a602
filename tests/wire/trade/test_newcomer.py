"""What a newcomer runs into: each mistake is one clear line, and costs nothing."""

import asyncio
import errno
import gc
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from tests.wire.trade.rig import CHUNK, MONEY, PRICE, WRITES, Rig
from zoneshare.trade.partial import PartialFailed, PartialFile
from zoneshare.trade.seller import Seller
from zoneshare_protocols.errors import Misuse

CHUNKS = 40


async def selling(folder: Path, chunks: int = CHUNKS) -> tuple[Rig, Seller, bytes]:
    rig = Rig(folder)
    seller = await rig.seller()
    return rig, seller, seller.catalogue.add(rig.file(chunks), PRICE, CHUNK).data


@pytest.mark.parametrize("target", ["/proc/x", "n" * 300, "here/x"])
def test_a_path_that_cannot_be_written_costs_nothing(target: str, tmp_path: Path) -> None:
    async def play() -> None:
        rig, seller, data = await selling(tmp_path)
        (tmp_path / "here").touch()
        with pytest.raises(Misuse, match=r"cannot write|no folder"):
            await rig.buyer().buy(replace(rig.order(data), path=tmp_path / target))
        assert WRITES == []
        assert list(tmp_path.glob("*.zoneshare-part")) == []
        await seller.stop()
        rig.kill_journals()

    asyncio.run(play())


def test_a_full_disk_is_one_error_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.suffix == ".cipher":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    tries: list[int] = []

    async def play() -> None:
        rig, seller, data = await selling(tmp_path)
        buyer, keep = rig.buyer(), PartialFile.keep

        def counted(self: PartialFile, index: int, ciphertext: bytes) -> None:
            tries.append(index)
            keep(self, index, ciphertext)

        with monkeypatch.context() as disk:
            disk.setattr(Path, "write_bytes", full)
            disk.setattr(PartialFile, "keep", counted)
            with pytest.raises(PartialFailed, match="No space left"):
                await buyer.buy(rig.order(data))
        receipt = await buyer.buy(rig.order(data))
        await buyer.close(receipt.channel)
        assert rig.money == (MONEY - CHUNKS * PRICE, MONEY + CHUNKS * PRICE)
        await seller.stop()
        rig.kill_journals()

    with caplog.at_level(logging.ERROR, "asyncio"):
        asyncio.run(play())
        gc.collect()
    assert len(tries) == len(set(tries))
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
