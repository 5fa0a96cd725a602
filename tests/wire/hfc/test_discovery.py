"""hfc's own discovery against the embedded server: organisations, peers, orderers, and who must endorse."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.wire.ledger.harness import CHAINCODE, CHANNEL, Site
from zoneshare.hfc.messages import INTERPRETER
from zoneshare.identity import write_identity


def test_hfc_finds_the_network_by_asking_one_peer(running: Site, tmp_path: Path) -> None:
    folder = tmp_path / "user"
    write_identity(folder, running.identity(), b"{}")
    (folder / "tls.pem").write_bytes(running.tls_roots)
    program = [sys.executable, "-m", "tests.wire.hfc.discover", str(folder), running.server.address, CHANNEL, CHAINCODE]
    environ = {**os.environ, INTERPRETER: "python"}
    done = subprocess.run(program, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "organisations": ["OrdererMSP", "Org1MSP", "Org2MSP"],
        # hfc names nodes by their host: of several on one host it keeps one.
        "peers": ["127.0.0.1", "asked"],
        "orderers": ["127.0.0.1"],
        "members": {"Org1MSP": 1, "Org2MSP": 1},
        "layouts": [2],
    }
