"""What a newcomer runs into: each mistake is one clear line, and costs nothing."""

import asyncio
import errno
import gc
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from tests.wire.trade.rig import CHUNK, MONEY, PRICE, WRITES, Rig
from zoneshare.cli.main import run
from zoneshare.trade.opening import Plan
from zoneshare.trade.partial import PartialFailed, PartialFile
from zoneshare.trade.seller import Seller
from zoneshare_protocols.errors import BadAmount, Misuse, ZoneshareError

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


@pytest.mark.parametrize(
    ("deposit", "plan", "error", "words"),
    [
        (1, {}, BadAmount, f"the file costs {CHUNKS * PRICE}"),
        (CHUNKS * PRICE - 1, {}, BadAmount, f"the file costs {CHUNKS * PRICE}"),
        (None, {"lifetime": 1_000}, Misuse, r"too short for 40 chunks: at least \d\d s are needed \(--lock \d\d\)"),
        (None, {"challenge": 10}, Misuse, r"wants 1 s at least \(--challenge 1\)"),
        (None, {"lifetime": 90_000_000}, Misuse, r"takes 86380 s at most \(--lock 86380\)"),
        (None, {"challenge": 90_000_000}, Misuse, "the challenge window is too long: .* 86400 s at most"),
    ],
)
def test_terms_that_do_not_do_lock_nothing(
    deposit: int | None, plan: dict[str, int], error: type[ZoneshareError], words: str, tmp_path: Path
) -> None:
    async def play() -> None:
        rig, seller, data = await selling(tmp_path)
        rig.plan = rig.plan._replace(**plan)
        buyer = rig.buyer()
        with pytest.raises(error, match=words):
            await buyer.buy(rig.order(data, deposit=deposit))
        assert (WRITES, buyer.book.channels()) == ([], [])
        await seller.stop()
        rig.kill_journals()

    asyncio.run(play())


def test_the_smallest_lock_that_is_named_does(tmp_path: Path) -> None:
    async def play() -> None:
        rig, seller, data = await selling(tmp_path)
        rig.plan = Plan(lifetime=1_000, tick=10, challenge=1_000, funding=20_000)
        with pytest.raises(Misuse, match="--lock") as refused:
            await rig.buyer().buy(rig.order(data))
        rig.kill("alice")
        least = int(str(refused.value).rpartition("--lock ")[2].rstrip(")"))
        rig.plan = rig.plan._replace(lifetime=least * 1000)
        await rig.buyer().buy(rig.order(data))
        await seller.stop()
        rig.kill_journals()

    asyncio.run(play())


BUY = ("buy", "nobody", "00" * 32, "--from", "127.0.0.1:1", "--max-price")


@pytest.mark.parametrize(
    "words",
    [
        (*BUY, "0"),
        (*BUY, str(2**63)),
        (*BUY, "1", "--deposit", "99999999999999999999999"),
        (*BUY, "1", "--lock", "999999999999999999999"),
        (*BUY, "1", "--challenge", "99999999999999999999"),
        ("seller", "serve", "nobody", "--bond", str(2**63)),
        ("seller", "serve", "nobody", "--max-lock", str(10**12)),
        ("seller", "serve", "nobody", "--min-challenge", str(10**12)),
    ],
)
def test_a_number_that_cannot_be_is_one_line(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    shown = capsys.readouterr().err
    assert "Invalid value for '--" in shown
    assert shown.count("\n") == 1
