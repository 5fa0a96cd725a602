"""The command's frame: help, errors in one line, exit codes, parts that are missing, start-up without their weight."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from tests.wire.cli.command import Run, zoneshare
from zoneshare.cli import main
from zoneshare.cli.common import columns, one_line, plain, when
from zoneshare_protocols.errors import InsufficientFunds

GROUPS = {
    "zones": ["init", "list", "audit"],
    "device": ["new", "show", "move"],
    "account": ["show", "issue", "transfer", "send", "finish", "collect"],
    "macro": ["offer", "pay", "deliver", "complete", "dispute", "refund", "cancel", "show", "list"],
    "channel": ["list", "show"],
}


def test_help_lists_all_commands(cli: Run) -> None:
    found = cli("--help")
    assert found.code == 0
    for name in (*GROUPS, "network", "bench", "seller", "buy", "watchtower", "demo"):
        assert f"\n  {name} " in found.out
    assert "Example: zoneshare demo" in found.out
    assert "data and computing" in found.out


def test_the_demos_scenes_are_told_wherever_it_is_named(cli: Run) -> None:
    makefile = (Path(__file__).parents[3] / "Makefile").read_text()
    assert "Watch a sale, frauds that fail, mining, and auctions.\n" in cli("--help").out
    for text in (cli("demo", "--help").out, makefile):
        for scene in ("a file being sold", "four frauds fail", "miners train", "drones buy computing"):
            assert scene in " ".join(text.split())


@pytest.mark.parametrize(("group", "command"), [(g, c) for g, names in GROUPS.items() for c in names])
def test_every_commands_help_has_an_example_and_json(cli: Run, group: str, command: str) -> None:
    found = cli(group, command, "--help")
    assert found.code == 0
    assert f"Example: zoneshare {group} {command}" in found.out
    assert "--json" in found.out


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_alone_shows_its_help(cli: Run, group: str) -> None:
    found = cli(group)
    assert found.code == 2
    for command in GROUPS[group]:
        assert command in found.err + found.out
    assert f"Example: zoneshare {group} " in found.err + found.out


def test_version(cli: Run) -> None:
    assert cli("--version").out.startswith("zoneshare 0.")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["foo"], "No such command 'foo'"),
        (["--foo"], "No such option: --foo"),
        (["account", "foo"], "No such command 'foo'"),
        (["account", "show"], "Missing argument 'DEVICE'"),
        (["account", "show", "nobody"], "no folder devices/nobody"),
        (["account", "show", "./nobody"], "no folder nobody"),
        (["account", "issue", "a" * 40, "x", "--network", "net"], "not an amount: 'x'"),
        (["account", "issue", "a" * 40, "1.5", "--network", "net"], "not an amount: '1.5'"),
        (["account", "issue", "a" * 40, "5", "--network", "net"], "there is no network in net"),
        (["zones", "audit", "--network", "net"], "there is no network in net"),
        (["zones", "init", "--network", "net"], "there is no network in net"),
        (["device", "new", "x", "--network", "net", "--at", "here"], "not a position"),
        (["device", "new", "x", "--network", "net", "--at", "1,2,3"], "not a position"),
        (["device", "new", "x", "--network", "net", "--at", "nan,0"], "not a position"),
        (["device", "new", "x", "--network", "net", "--at", "91,0"], "no such place"),
        (["device", "new", "x", "--network", "net", "--at", "0,181"], "no such place"),
        (["device", "new", "x", "--network", "net", "--at", "0,0"], "there is no network in net"),
        (["zones", "init", "--network", "net", "--capacity", "0"], "--capacity"),
    ],
)
def test_a_misuse_is_one_line_and_exit_code_2(cli: Run, args: list[str], words: str) -> None:
    found = cli(*args)
    assert found.code == 2
    assert found.out == ""
    assert found.err.startswith("error: ")
    assert words in found.err
    assert found.err.count("\n") == 1
    assert "Traceback" not in found.err


def test_nothing_was_made_by_a_refused_command(cli: Run) -> None:
    cli("device", "new", "x", "--network", "net", "--at", "0,0")
    assert list(Path().iterdir()) == []


def test_a_failure_of_our_own_is_one_line_unless_debugged(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer()

    @app.command()
    def explode() -> None:
        raise ValueError("two\nlines")

    app.callback()(lambda: None)
    monkeypatch.setattr(main, "_OWN", {"broken": main.Command("", lambda root: root.add_typer(app, name="broken"))})
    found = cli("broken", "explode")
    assert found.code == 1
    assert found.err.startswith("error: internal error: ValueError: two lines")
    assert found.err.count("\n") == 1
    with pytest.raises(ValueError, match="two"):
        cli("--debug", "broken", "explode")


def test_a_part_that_is_not_installed(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "_OWN", {"gone": main.Command("", main._app("gone", "zoneshare.cli.nowhere"))})
    found = cli("gone")
    assert found.code == 2
    assert "the command gone is not installed" in found.err


def test_without_the_network_part_the_sdk_still_starts(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneshare.cli.main.entry_points", lambda group: ())
    monkeypatch.setattr("zoneshare.enrolment.entry_points", lambda **_: ())
    assert "account" in cli("--help").out
    found = cli("device", "new", "x", "--network", "net", "--at", "0,0")
    assert found.code == 2
    assert "no part that enrols identities is installed" in found.err


def test_help_needs_none_of_the_heavy_parts() -> None:
    heavy = "grpc cryptography fabric_protos tenacity requests rich.progress zoneshare_network"
    code = (
        "import sys\nfrom zoneshare.cli.main import run\nrun(['--help'])\n"
        f"print([name for name in '{heavy}'.split() if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_traceback_only_with_debug(tmp_path: Path) -> None:
    quiet = zoneshare(tmp_path, "account", "show", "nobody")
    loud = zoneshare(tmp_path, "--debug", "account", "show", "nobody")
    assert quiet.code == 2
    assert "Traceback" not in quiet.err
    assert loud.code != 0
    assert "Traceback" in loud.err


def test_one_line() -> None:
    assert one_line(InsufficientFunds("too little", balance=1)) == "error: too little (balance=1)"
    assert one_line(FileNotFoundError(2, "No such file", "x.bin")) == "error: x.bin: No such file"


def test_when() -> None:
    assert when(None) == "-"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+", when(1_800_000_000_000))


def test_plain_and_columns() -> None:
    assert plain({"a": (b"\x01", None, Path("x"))}) == {"a": ["01", None, "x"]}
    assert columns(("a", "bb"), [(100, 2)]) == "a    bb\n100  2"
