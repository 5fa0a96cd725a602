"""``zoneshare network`` as a person runs it: processes, files, one-line errors."""

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.embedded.command import ready
from tests.embedded.command import up as start
from tests.support.embedded import Client, enrol, running
from zoneshare.connection import Connection
from zoneshare_network import host, pki
from zoneshare_network.cli import app
from zoneshare_protocols.errors import Misuse, NotFound, ZoneshareError


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, "subprocess.Popen[str]", list[str]]]:
    folder = tmp_path_factory.mktemp("up")
    process = start(folder, "--port", "0", "--batch-timeout", "5")
    try:
        yield folder, process, ready(process)
    finally:
        process.terminate()
        process.communicate(timeout=30)
        assert process.returncode == 0, "SIGTERM is a graceful stop"


Up = tuple[Path, "subprocess.Popen[str]", list[str]]
_TAKEN = "port {} of 127.0.0.1 is in use, or may not be used: say another with --port, 0 for a free one"


def test_it_says_what_it_is_and_where(up: Up) -> None:
    folder, process, lines = up
    assert "not for production" in lines[0]
    text = "\n".join(lines)
    for word in ("registry", "zone-a", "zone-b", "Org1MSP", "Org2MSP"):
        assert word in text
    found = json.loads(_run("status", "--dir", str(folder), "--json"))
    assert found["running"] is True
    assert found["pid"] == process.pid
    assert lines[-1] == f"ready {found['address']}"
    assert found["heights"]["zone-a"] >= 1
    assert "running" in _run("status", "--dir", str(folder))


def test_an_enrolled_identity_reaches_the_network(up: Up) -> None:
    folder, _, _ = up
    made = json.loads(_run("enroll", "alice", "--dir", str(folder), "--org", "Org2MSP", "--json"))
    identity = Path(made["folder"])
    assert (identity / "key.pem").stat().st_mode & 0o777 == 0o600
    assert (identity / "mspid").read_text().strip() == "Org2MSP"
    with Connection.open(identity) as connection:
        assert connection.channels == ("registry", "zone-a", "zone-b")
        with pytest.raises(ZoneshareError) as caught:
            connection.ledger("zone-a").evaluate("nosuch:function")
        assert "access denied" not in str(caught.value)
    profile = json.loads((identity / "connection.json").read_text())
    root = (folder / "orgs/Org1MSP/ca/cert.pem").read_text()
    assert profile["certificateAuthorities"]["ca.Org1MSP"]["tlsCACerts"]["pem"] == root
    with pytest.raises(Misuse, match="nothing was changed"):
        _run("enroll", "alice", "--dir", str(folder))


def test_a_request_leaves_the_key_where_it_is(up: Up, tmp_path: Path) -> None:
    folder, _, _ = up
    request = tmp_path / "request.pem"
    request.write_bytes(pki.signing_request(pki.new_key(), "car"))
    out = tmp_path / "car"
    _run("enroll", "car", "--dir", str(folder), "--csr", str(request), "--out", str(out), "--role", "admin")
    assert sorted(file.name for file in out.iterdir()) == ["cert.pem", "connection.json", "mspid"]


def test_a_running_network_takes_up_zones_and_revocations(up: Up) -> None:
    folder, _, _ = up
    identity = json.loads(_run("enroll", "mallory", "--dir", str(folder), "--json"))["folder"]
    assert json.loads(_run("zone", "add", "zone-c", "--dir", str(folder), "--json")) == {
        "zone": "zone-c",
        "applied": True,
    }
    with Connection.open(Path(identity)) as connection:
        for channel in ("zone-a", "zone-c"):
            with pytest.raises(ZoneshareError) as before:
                connection.ledger(channel).evaluate("nosuch:function")
            assert "access denied" not in str(before.value)
        revoked = json.loads(_run("revoke", "mallory", "--dir", str(folder), "--json"))
        assert (revoked["certificates"], revoked["applied"]) == (1, True)
        for channel in ("zone-a", "zone-c"):
            with pytest.raises(ZoneshareError, match="access denied"):
                connection.ledger(channel).evaluate("nosuch:function")
    found = json.loads(_run("verify", "--dir", str(folder), "--json"))
    assert set(found) == {"registry", "zone-a", "zone-b", "zone-c"}


def test_a_second_process_and_a_port_in_use_are_one_line(up: Up, tmp_path: Path) -> None:
    folder, _, lines = up
    second = start(folder)
    _, err = second.communicate(timeout=30)
    assert second.returncode != 0
    assert err.strip() == f"error: another process runs the network in {folder}"
    port = lines[-1].rpartition(":")[2]
    third = start(tmp_path, "--port", port)
    _, err = third.communicate(timeout=30)
    assert third.returncode != 0
    assert err.strip() == f"error: {_TAKEN.format(port)}"
    assert not list(tmp_path.iterdir())


def test_a_new_network_gives_way_to_a_port_in_use(tmp_path: Path) -> None:
    folder = tmp_path / "net"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Misuse, match=_TAKEN.format(port)):
            _run("up", "--dir", str(folder), "--port", str(port))
    assert not folder.exists()


def test_with_a_port_the_other_nodes_give_way_too(tmp_path: Path) -> None:
    process = start(tmp_path, "--port", "0")
    ready(process)
    process.terminate()
    process.communicate(timeout=30)
    before = {node.name: node.port for node in host.nodes(tmp_path)}
    files = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    name = host.nodes(tmp_path)[1].name
    with socket.create_server(("127.0.0.1", before[name])):
        with pytest.raises(Misuse, match=_TAKEN.format(before[name])):
            _run("up", "--dir", str(tmp_path))
        assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == files
        process = start(tmp_path, "--port", "0")
        ready(process)
        after = {node.name: node.port for node in host.nodes(tmp_path)}
        process.terminate()
        process.communicate(timeout=30)
    assert after[name] != before[name]
    assert after["orderer0.OrdererMSP"] == before["orderer0.OrdererMSP"], "only who must gives way"


@pytest.mark.parametrize("command", ["up", "status", "enroll x"])
def test_a_file_is_no_network(tmp_path: Path, command: str) -> None:
    file = tmp_path / "README.md"
    file.write_text("hello")
    with pytest.raises(Misuse) as caught:
        _run(*command.split(), "--dir", str(file))
    assert str(caught.value) == f"a network lives in a folder, and {file} is none"
    assert file.read_text() == "hello"


def test_the_port_stays_and_interrupt_stops(tmp_path: Path) -> None:
    seen = []
    for options in (("--port", "0"), ()):
        process = start(tmp_path, *options)
        seen.append(ready(process)[-1])
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert (process.returncode, err) == (0, "")
    assert seen[0] == seen[1]
    assert not json.loads(_run("status", "--dir", str(tmp_path), "--json"))["running"]


def test_a_spoilt_topology_does_not_stop_a_running_network(tmp_path: Path) -> None:
    process = start(tmp_path, "--port", "0")
    ready(process)
    assert process.stderr is not None
    good = (tmp_path / "network.json").read_bytes()
    (tmp_path / "network.json").write_text("{")
    process.send_signal(signal.SIGHUP)
    assert "is not the file of a network" in process.stderr.readline()
    (tmp_path / "network.json").write_bytes(good)
    assert json.loads(_run("zone", "add", "zone-d", "--dir", str(tmp_path), "--json"))["applied"] is True
    process.terminate()
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")


def test_without_a_running_network_changes_wait_for_the_next_start(tmp_path: Path) -> None:
    with running(tmp_path) as network:
        enrol(network, name="bad")
    assert "next start" in _run("zone", "add", "zone-c", "--dir", str(tmp_path))
    assert "next start" in _run("revoke", "bad", "--dir", str(tmp_path))
    with running(tmp_path) as network:
        assert network.channels == ("zone-a", "zone-b", "zone-c")
        assert network.channel("zone-a").config.sequence == 1
        assert Client(network, enrol(network), "zone-c").submit("put", "k", "1").flag == 0
    assert "zone-c: 3 blocks" in _run("status", "--dir", str(tmp_path))
    assert "good" in _run("verify", "--dir", str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("enroll", "a/b"), Misuse),
        (("enroll", "alice", "--org", "Org9MSP"), Misuse),
        (("enroll", "alice", "--role", "peer"), Misuse),
        (("enroll", "alice", "--csr", "missing.pem"), Misuse),
        (("revoke", "nobody"), NotFound),
        (("zone", "add", "Zone A"), Misuse),
    ],
)
def test_mistakes_are_named_and_change_nothing(tmp_path: Path, arguments: tuple[str, ...], error: type) -> None:
    with running(tmp_path):
        pass
    before = host.digest(tmp_path)
    with pytest.raises(error):
        _run(*arguments, "--dir", str(tmp_path))
    assert host.digest(tmp_path) == before
    assert not (tmp_path / "identities").exists()


@pytest.mark.parametrize("command", ["status", "verify", "enroll x", "revoke x", "zone add zone-x"])
def test_where_there_is_no_network(tmp_path: Path, command: str) -> None:
    with pytest.raises(Misuse, match="there is no network in"):
        _run(*command.split(), "--dir", str(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["up", "status", "enroll", "revoke", "zone add", "verify"])
def test_help_shows_an_example(command: str) -> None:
    assert f"Example: zoneshare network {command}" in _run(*command.split(), "--help")
