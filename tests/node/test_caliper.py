"""Hyperledger Caliper, by its Fabric connector, runs a small round against the embedded server."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.node.rig import identity, served
from tests.support.embedded import CHANNEL
from zoneshare_benchmarks.node_tools import installed, node

HERE = Path(__file__).parent
TRANSACTIONS = 40
FILES = ("network.yaml", "benchmark.yaml", "put.js")


@pytest.mark.timeout(600)
def test_a_small_round(tmp_path: Path) -> None:
    modules, (program, _) = installed(HERE / "caliper"), node()
    for name in FILES:
        shutil.copy(HERE / "caliper" / name, tmp_path / name)
    with served(tmp_path / "network") as (network, _):
        identity(network, tmp_path / "identity", "car")
        launch = ["launch", "manager", "--caliper-workspace", str(tmp_path), "--caliper-flow-only-test"]
        files = ["--caliper-networkconfig", "network.yaml", "--caliper-benchconfig", "benchmark.yaml"]
        caliper = str(modules / "@hyperledger" / "caliper-cli" / "caliper.js")
        done = subprocess.run(
            [str(program), caliper, *launch, *files],
            cwd=tmp_path,
            env={"NODE_PATH": str(modules), "PATH": str(program.parent)},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        rows = re.findall(r"^\| put +\| (\d+) +\| (\d+) ", done.stdout, re.MULTILINE)
        assert rows[-1] == (str(TRANSACTIONS), "0"), "all succeed, none fails"
        with network.channel(CHANNEL).view() as view:
            written = [key for key, _ in view.snapshot.range("asset", "caliper", "calipes")]
        assert len(written) == TRANSACTIONS
