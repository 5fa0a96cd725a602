"""What a coordinator shows while it serves, and a zone's mining in words."""

import asyncio
import contextlib
import json
import logging
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from rich.console import Console

from tests.support.memory_ledger import as_identity
from tests.wire.epow.rig import RULES, Rig, int8
from tests.wire.epow.test_attacks import Liar, rig_account
from zoneshare.cli import epow, epow_roles
from zoneshare.cli.common import MISUSED
from zoneshare.cli.epow_show import zone_rows
from zoneshare.cli.main import run
from zoneshare.epow import show
from zoneshare.epow.book import Book
from zoneshare.epow.coordinator import Coordinator
from zoneshare.epow.standing import Standing
from zoneshare_protocols.epow.records import Mode

RNG = np.random.default_rng(11)
A, B = int8(RNG, 40, 30), int8(RNG, 30, 40)
NSUBS = 3 * 3 * 2


async def until(lines: list[str], words: str) -> None:
    while not any(words in line for line in lines):
        await asyncio.sleep(0.01)


def test_a_line_for_every_miner_and_task_and_the_numbers_of_now(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    lines: list[str] = []

    async def play() -> bytes:
        async with (
            rig.coordinator(told=lines.append) as coordinator,
            rig.miners("lars", kind=Liar),
            rig.source() as source,
        ):
            asking = asyncio.create_task(source.multiply([A, B], fee=20_000))
            while not coordinator.standing().caught:
                await asyncio.sleep(0.01)
            at_work = coordinator.standing()
            assert (at_work.miners, at_work.tasks, at_work.runs, at_work.verified) == (1, 1, 9, 0)
            async with rig.miners("ann"):
                assert (await asking).shape == (40, 40)
                now = coordinator.standing()
                assert now == Standing(2, 0, 0, NSUBS, now.height, now.height, 1)
            await until(lines, " is gone")
            return source.tasks[-1]

    task = asyncio.run(asyncio.wait_for(play(), 30)).hex()[:16]
    lars, ann, sue = (rig_account(rig, name) for name in ("lars", "ann", "sue"))
    assert lines[:4] == [
        f"miner {lars} is here",
        f"task {task} of {sue}: 2 matrices, fee 20000",
        f"miner {ann} is here",
        f"task {task} is done",
    ]
    assert lines[4] == f"miner {ann} is gone"


def test_serve_prints_lines_where_no_terminal_is_and_does_as_its_options_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig(tmp_path)
    sampled: list[int] = []
    spared: list[int] = []
    made = Coordinator

    @contextlib.asynccontextmanager
    async def lasting(*_: object) -> AsyncIterator[epow_roles.Party]:
        yield epow_roles.Party(as_identity(rig.cora), rig.of(rig.cora), rig.trusted)

    def coordinator(*words: Any, **options: Any) -> Any:
        sampled.append(options["sample"])
        return made(*words, **options)

    def book(folder: Path, *, spare: int) -> Book:
        spared.append(spare)
        return Book(folder, spare=spare)

    monkeypatch.setattr(epow_roles, "Book", book)
    monkeypatch.setattr(epow_roles, "lasting", lasting)
    monkeypatch.setattr(epow_roles, "keep_memory", lambda: None)
    monkeypatch.setattr(epow_roles, "Coordinator", coordinator)
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)

    async def play(quiet: bool) -> str:
        ready = asyncio.get_running_loop().create_future()
        options = epow_roles.Serving("127.0.0.1", 0, 0, 60.0, 2.5, 7 << 20)
        serving = asyncio.create_task(epow_roles.serve(tmp_path, options, ready.set_result, quiet=quiet))
        rig.port = await ready
        async with rig.miners("quiet" if quiet else "ann"), rig.source("sam" if quiet else "sue") as source:
            await source.multiply([A, B], fee=20_000)
        signal.raise_signal(signal.SIGTERM)
        await serving
        return capsys.readouterr().out

    out = asyncio.run(asyncio.wait_for(play(quiet=False), 30))
    assert [line.split(" ")[0] for line in out.splitlines()[:3]] == ["miner", "task", "task"]
    assert asyncio.run(asyncio.wait_for(play(quiet=True), 30)) == ""
    assert sampled == [25_000, 25_000]
    assert spared == [7 << 20, 7 << 20]


@pytest.mark.parametrize(
    "words", [("--sample", "-1"), ("--sample", "101"), ("--sample", "some"), ("--spare", "-1"), ("--spare", "4G")]
)
def test_a_sample_is_a_percentage_and_what_is_spared_a_number_of_megabytes(
    words: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["coordinator", "serve", "cora", *words]) == MISUSED
    assert words[0] in capsys.readouterr().err


def test_the_table_on_a_terminal_has_the_rate_of_the_last_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "Console", lambda **_: Console(file=sys.stderr, force_terminal=True))
    times = iter((0.0, 5.0, 20.0, 25.0))
    shown = show.Coordinating("cora", quiet=False, now=lambda: next(times))
    verified = iter((100, 200, 1200, 1300))
    shown.standing = lambda: Standing(2, 1, 7, next(verified), 5, 3, 1)
    assert shown.live.shows
    shown.told("task x is done")
    console = Console(width=80)
    rows = []
    for _ in range(4):
        with console.capture() as captured:
            console.print(shown.table())
        rows.append(captured.get().splitlines())
    heads = "coordinator miners tasks runs verified rate/s height blocks caught"
    assert " ".join(rows[0][0].split()) == heads
    assert rows[0][1].split() == ["cora", "2", "1", "7", "100", "0.0", "5", "3", "1"]
    assert [row[1].split()[5] for row in rows] == ["0.0", "20.0", "0.0", "20.0"]
    assert rows[0][2].strip() == "task x is done"
    assert not show.Coordinating("cora", quiet=True).live.shows


def test_a_zone_is_shown_with_units_and_raw_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = Rig(tmp_path, replace(RULES, block_time=2_500, initial=3 << 15))
    me = epow_roles.Party(as_identity(rig.cora), rig.of(rig.cora), rig.trusted)
    monkeypatch.setattr(epow_roles, "party", lambda _: contextlib.nullcontext(me))
    epow.show("cora", "zone")
    out = capsys.readouterr().out
    for name, value in (
        ("block time", "2.5 s (target)"),
        ("difficulty", "1.50 draws a block expected, set anew every 10 blocks"),
        ("first difficulty", "1.50 draws"),
        ("levy", "5 % of fees, to the treasury"),
        ("claims", "256 to 4096 nsub-tasks a miner, each block time"),
        ("dispute", "3,600 s for a source, after its task is done"),
        ("coordinator", rig.cora.account),
    ):
        assert any(line.split("  ")[0] == name and line.endswith("  " + value) for line in out.splitlines()), name
    assert "50000" not in out.replace(rig.cora.account, "")
    epow.show("cora", "zone", as_json=True)
    raw = {row["name"]: row["value"] for row in json.loads(capsys.readouterr().out)}
    assert (raw["levy"], raw["block_time"], raw["initial"], raw["difficulty"]) == (50_000, 2_500, 3 << 15, 1.5)
    assert dict(zone_rows({**raw, "mode": Mode.PAPER}))["scale factor"] == "as in the paper: 1 / claim, at most 1"
