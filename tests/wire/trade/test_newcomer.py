"""What a newcomer runs into: each mistake is one clear line, and costs nothing."""

import asyncio
import errno
import gc
import logging
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.wire.trade.rig import CHUNK, MONEY, PRICE, WRITES, Rig
from tests.wire.trade.terminal import PROGRAM, Terminal, until
from zoneshare.cli.main import run
from zoneshare.cli.trade_roles import Shown, Stake
from zoneshare.cli.trade_show import break_off, buying
from zoneshare.ledger import LedgerUnavailable
from zoneshare.trade.escrow import Escrow
from zoneshare.trade.moment import AWAY, SystemClock, persist
from zoneshare.trade.opening import Plan
from zoneshare.trade.partial import PartialFailed, PartialFile
from zoneshare.trade.seller import Seller
from zoneshare.trade.wire import PeerGone
from zoneshare_protocols.errors import BadAmount, LedgerFailed, Misuse, ZoneshareError

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


def test_who_breaks_off_hears_what_is_locked_and_goes_on(terminal: Terminal) -> None:
    """By the commands: Ctrl-C in the middle of a purchase, and the same line again; the seller says what it sells."""
    folder = terminal.folder
    terminal.start("network", "up", "--dir", "net", "--port", "0", ready=lambda text: "ready" in text)
    terminal.run("zones", "init", "--network", "net")
    for name, at in (("bob", "37.80,-122.27"), ("alice", "37.76,-122.43")):
        terminal.run("device", "new", name, "--network", "net", "--at", at)
    terminal.run("account", "issue", "alice", "1000", "--network", "net")
    (folder / "goods.bin").write_bytes(os.urandom(2_000 * 400))
    offer = terminal.run("seller", "add", "bob", "goods.bin", "--chunk-size", "2000")
    seller, text = terminal.start("seller", "serve", "bob", "--port", "0", ready=lambda text: "max-price" in text)
    address = text.partition("sells on ")[2].split()[0]
    line = ["buy", "alice", offer["data"], "--from", address, "--max-price", "1", "--out", "got.bin", "--window", "2"]
    buyer = subprocess.Popen(
        [str(PROGRAM), *line], cwd=folder, env=terminal.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    terminal.running.append(buyer)
    data = folder / "got.bin.zoneshare-part" / "data"
    until(lambda: data.exists() and data.stat().st_size > 2_000 * 20)
    buyer.send_signal(signal.SIGINT)
    _, said = buyer.communicate(timeout=60)
    channel = terminal.run("channel", "list", "alice")[0]["channel"]
    again = "run the same line again to go on, or zoneshare channel close alice"
    assert (buyer.returncode, said) == (130, f"up to 400 are locked in channel {channel}: {again} {channel}\n")

    assert terminal.run(*line)["paid"] == 400
    seller.terminate()
    lines = seller.communicate(timeout=60)[0].splitlines()
    assert lines == [
        f"sells {offer['data'][:12]}, 400 chunks, in channel {channel}",
        f"settled channel {channel}: 400 earned",
    ]
    assert terminal.run("account", "show", "bob")["balances"] == {"zone-b": 400}
    check_private_folder(folder / "devices" / "bob")


def check_private_folder(device: Path) -> None:
    """A device's folder and journals are its owner's only."""
    assert device.stat().st_mode & 0o077 == 0
    journals = list(device.glob("*.db*"))
    assert {"seller.db", "catalogue.db"} <= {path.name for path in journals}
    assert [path for path in journals if path.stat().st_mode & 0o077] == []


def test_who_waits_hears_for_what(capsys: pytest.CaptureFixture[str]) -> None:
    """A ledger that is away twice, then the seller: one line each, without a terminal."""
    rig_clock, failures = SystemClock(), [LedgerUnavailable("away"), LedgerUnavailable("away"), PeerGone("gone")]

    async def answer() -> str:
        if failures:
            raise failures.pop(0)
        return "here"

    async def play(shown: Shown) -> None:
        AWAY.set(shown.away)
        shown.settling()
        assert await persist(rig_clock, answer) == "here"

    with buying([]) as shown:
        asyncio.run(play(shown))
    said = capsys.readouterr().err.splitlines()
    assert said == ["settling: waiting for the network", "settling: waiting for the seller"]


def test_what_is_settled_alone_waits_in_words_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settler tells of a ledger that takes nothing, instead of a line in the log each second."""
    close, failures, told = Escrow.close, [LedgerUnavailable("away")] * 2, list[LedgerFailed]()

    def away(self: Escrow, *args: Any) -> None:
        if failures:
            raise failures.pop()
        close(self, *args)

    async def play() -> None:
        rig, seller, data = await selling(tmp_path)
        buyer = rig.buyer()
        receipt = await buyer.buy(rig.order(data))
        await seller.stop()
        monkeypatch.setattr(Escrow, "close", away)
        AWAY.set(told.append)
        await rig.clock.run(buyer.close_alone(receipt.channel))
        rig.kill_journals()

    asyncio.run(play())
    assert [str(failed) for failed in told] == ["away", "away"]


@pytest.mark.parametrize(
    ("on", "words"), [(True, "run the same line again to go on, or zoneshare"), (False, "zoneshare")]
)
def test_an_error_comes_before_what_is_locked(on: bool, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as left:
        break_off("alice", PeerGone("cannot reach the seller"), [Stake("5f0c", 7, on)], debug=False)
    assert left.value.exit_code == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: cannot reach the seller",
        f"up to 7 are locked in channel 5f0c: {words} channel close alice 5f0c",
    ]
    with pytest.raises(PeerGone):
        break_off("alice", PeerGone("cannot reach the seller"), [Stake("5f0c", 7, on)], debug=True)
