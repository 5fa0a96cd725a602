"""A round of ``zoneshare auction`` and ``zoneshare bid`` by real processes, which are killed on the way."""

import contextlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import steady_port
from tests.wire.seal.test_process import PATIENCE_S, Site
from zoneshare.cli.main import run

ROUND = ("--seed", "3", "--per-stop", "2", "--bidding", "12", "--deposits", "12", "--deadline", "15", "--slack", "20",
         "--final")  # fmt: skip


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.chdir(tmp_path)
    made = Site(tmp_path)
    monkeypatch.setenv("ZONESHARE_HOME", made.env["ZONESHARE_HOME"])
    try:
        made.start("network", "network", "up", "--dir", "net", "--port", "0", "--batch-timeout", "2")
        made.until("network", "ready")
        told("zones", "init", "--network", "net", "--tolerance", "1500")
        for name in ("dora", "ann"):
            told("device", "new", name, "--network", "net", "--at", "37.76,-122.43")
            told("account", "issue", name, "100000", "--network", "net")
        told("enclave", "init", "dora", "--network", "net")
        told("auction", "init", "dora", "--network", "net")
        yield made
    finally:
        made.close()


def told(*words: str) -> Any:
    """What a command of this process prints as JSON."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert run([*words, "--json"]) == 0
    return json.loads(out.getvalue()) if out.getvalue().strip() else None


def refused(*words: str) -> str:
    """The one line in which a command is refused."""
    error = io.StringIO()
    with contextlib.redirect_stderr(error):
        assert run(words) in (1, 2)
    assert error.getvalue().count("\n") == 1
    return error.getvalue()


def test_a_round_by_processes_that_are_killed(site: Site) -> None:
    """kill -9 of the vehicle that has bid, and of the drone that has paid in: both go on when they start again."""
    assert "0 auctions begin with 5f" in refused("auction", "show", "ann", "5f")
    _, enclave = site.enclave()
    words = ("auction", "run", "dora", "--enclave", f"127.0.0.1:{enclave}", *ROUND)
    drone = site.start("drone", *words, "--port", str(steady_port()))
    port = re.search(r"takes bids on 127.0.0.1:(\d+)", site.until("drone", "takes bids on"))
    assert port is not None
    vehicle = ("bid", "serve", "ann", "--drone", f"127.0.0.1:{port[1]}", "--unit-cost", "20")
    ann = site.start("ann", *vehicle)
    site.until("ann", "sealed bid for")
    ann.kill()
    ann.wait()
    site.start("ann", *vehicle)
    site.until("drone", "sealed bid; deposit")
    drone.kill()
    drone.wait()
    again = site.start("again", *words, "--port", port[1])
    assert again.wait(PATIENCE_S) == 0, site.until("again", "")
    assert "1 auction closed" in site.until("again", "closed")
    site.until("ann", "claimed with payword")
    (auction,) = told("auction", "list", "ann")
    assert auction["phase"] == "closed"
    assert auction["simulated"]
    shown = told("auction", "show", "dora", auction["auction"][:12])
    paid = sum(task["payment"] for task in shown["tasks"] if task["state"] == "released")
    assert paid > 0
    assert list(shown["claims"].values()) == [paid]
    (mine,) = told("bid", "list", "ann")
    assert mine["claimed"] == paid
    assert told("account", "show", "ann")["balances"]["zone-a"] == 100_000 + paid
    assert told("auction", "finish", "dora", "--port", "0") == []
    assert "phase=closed" in refused("auction", "refund", "ann", auction["auction"])
    audit = told("zones", "audit", "--network", "net")
    assert audit["issued"] == audit["held"]
