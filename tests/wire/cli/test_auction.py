"""``zoneshare auction`` and ``zoneshare bid``: their help, and what they refuse."""

import pytest

from tests.wire.cli.command import Run

GROUPS = {"auction": ["init", "run", "finish", "list", "show", "refund"], "bid": ["serve", "finish", "list"]}


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
    assert f"Example: zoneshare {group} " in found.err + found.out
    assert all(command in found.err + found.out for command in GROUPS[group])


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["auction", "run", "nobody"], "no folder devices/nobody"),
        (["auction", "run", "nobody", "--enclave", "here"], "not HOST:PORT"),
        (["auction", "run", "nobody", "--tasks", "cats"], "no such tasks: 'cats'"),
        (["auction", "run", "nobody", "--route", "nowhere"], "no such file or folder: nowhere"),
        (["auction", "run", "nobody", "--route", "."], "no traces in ."),
        (["auction", "run", "nobody", "--rounds", "0"], "--rounds"),
        (["auction", "run", "nobody", "--sample", "101"], "--sample"),
        (["auction", "init", "nobody", "--network", "net"], "no folder devices/nobody"),
        (["auction", "init", "nobody", "--network", "net", "--keys", "."], "no proving keys"),
        (["auction", "show", "nobody", "5f"], "no folder devices/nobody"),
        (["auction", "finish", "nobody"], "no folder devices/nobody"),
        (["bid", "serve", "nobody"], "Missing option '--drone'"),
        (["bid", "serve", "nobody", "--drone", "127.0.0.1"], "not HOST:PORT"),
        (["bid", "serve", "nobody", "--drone", "127.0.0.1:7700", "--free", "0"], "--free"),
        (["bid", "serve", "nobody", "--drone", "127.0.0.1:7700"], "no folder devices/nobody"),
        (["bid", "list", "nobody"], "no folder devices/nobody"),
    ],
)
def test_a_misuse_is_one_line_and_exit_code_2(cli: Run, args: list[str], words: str) -> None:
    found = cli(*args)
    assert found.code == 2
    assert found.out == ""
    assert found.err.startswith("error: ")
    assert words in found.err
    assert found.err.count("\n") == 1


def test_what_must_come_first_is_said_before_anything_begins(here: Run) -> None:
    """bob's zone, in which nothing is allowed yet."""
    enclave = here("enclave", "serve", "bob", "--port", "0")
    assert (enclave.code, enclave.out) == (2, "")
    assert "no simulated platform in" in enclave.err
    assert "zoneshare enclave init" in enclave.err
    keys = here("auction", "init", "bob", "--network", "net")
    assert (keys.code, keys.out) == (2, "")
    assert "run zoneshare enclave init first" in keys.err
    run = ("auction", "run", "bob", "--port", "0")
    rules = here(*run)
    assert (rules.code, rules.out) == (1, "")
    assert "zoneshare enclave init" in rules.err
    assert here("enclave", "init", "bob", "--network", "net").code == 0
    unproven = here(*run)
    assert (unproven.code, unproven.out) == (2, "")
    assert "run zoneshare auction init first" in unproven.err
    for refused in (enclave, keys, rules, unproven):
        assert refused.err.count("\n") == 1
