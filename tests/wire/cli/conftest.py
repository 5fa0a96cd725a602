import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.wire.cli.command import Outcome, Run
from zoneshare.cli.main import run


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a running network in ``net``, its zones set up, and the devices alice, bob and carol."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "tests.wire.cli.command", "network", "up", "--dir", str(folder / "net")]
    server = subprocess.Popen(
        [*command, "--port", "0", "--batch-timeout", "2"], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    try:
        for line in server.stdout or ():
            if line.startswith("ready"):
                break
        assert server.poll() is None
        for args in (
            "zones init --network net",
            "device new alice --network net --at 37.76,-122.43",
            "device new bob --network net --at 37.80,-122.27 --org Org2MSP",
            "device new carol --network net --at 37.77,-122.42",
            "account issue alice 1000 --network net",
        ):
            with contextlib.chdir(folder):
                assert run(args.split()) == 0, args
        yield folder
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process, in an empty folder; ``at`` may name another folder."""
    return _runner(tmp_path, monkeypatch, capsys)


@pytest.fixture
def here(site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process, where the network and the devices are."""
    return _runner(site, monkeypatch, capsys)


def _runner(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("ZONESHARE_HOME", raising=False)

    def call(*args: str) -> Outcome:
        capsys.readouterr()
        code = run(args)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call
