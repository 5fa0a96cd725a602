"""Plain processes: what is missing, what is in the way, what ends too early."""

import os
import socket
from pathlib import Path

import pytest

from zoneshare_network.real import native, operate
from zoneshare_network.real.native import Native
from zoneshare_network.real.site import Mode, Site
from zoneshare_protocols.errors import LedgerFailed, Misuse

TEXT = (Path(__file__).parents[2] / "network/compose/topology.toml").read_text()


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Stand-ins for Fabric's and Kafka's programs; they write what they are told and end."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in native.NEEDED:
        path = folder / name
        path.write_text('#!/bin/sh\necho "told $0 $*"\nexit 3\n' if "start" in name else "#!/bin/sh\nexit 0\n")
        path.chmod(0o755)
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """On ports that the system has just given out, so that no other network is in the way."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        base = 20000 + probe.getsockname()[1] % 10000
    text = TEXT
    for number, port in enumerate((9092, 7010, 7110, 7190, 7210, 7290, 9999, 5001)):
        text = text.replace(f"port = {port}", f"port = {base + 50 * number}")
    return operate.prepare(text, Mode.NATIVE, tmp_path / "net")


def test_missing_programs_are_named_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "peer").write_text("")
    with pytest.raises(Misuse, match=r"peer, orderer, kafka-server-start\.sh, kafka-storage\.sh"):
        operate.up_native(tmp_path / "net", None, [tmp_path], print)
    with pytest.raises(Misuse, match="--bin"):
        operate.up_native(tmp_path / "net", None, [], print)
    assert not (tmp_path / "net").exists()


def test_a_node_that_ends_is_told_with_its_log_and_all_others_are_stopped(site: Site, programs: Path) -> None:
    network = Native(site, [programs], print)
    with pytest.raises(LedgerFailed, match=r"kafka0 ended with 3: see .*kafka0\.log"):
        network.run(lambda: pytest.fail("it is not ready"))
    told = (site.folder / "logs/kafka0.log").read_text()
    assert str(site.folder / "nodes/kafka0/server.properties") in told
    assert native.supervisor(site.folder) is None
    assert all(process.poll() is not None for process in network._running.values())
    assert "told" in operate.logs(site.folder, "kafka0")


def test_a_port_that_is_taken_is_told_before_anything_starts(site: Site, programs: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", site.topology.peers[0].port))
        other.listen()
        with pytest.raises(Misuse, match=r"peer0\.org1 cannot listen on 127\.0\.0\.1:\d+"):
            Native(site, [programs], print).run(lambda: None)
    assert not (site.folder / "logs").exists()


def test_two_supervisors_do_not_share_a_network(site: Site, programs: Path) -> None:
    with native._Locked(site.folder):
        assert native.supervisor(site.folder) == os.getpid()
        with pytest.raises(Misuse, match="runs already"):
            Native(site, [programs], print).run(lambda: None)
    assert native.stop(site.folder) is False


def test_the_plan_starts_every_node_but_kubo_and_fabric_ca_where_it_is_missing(site: Site, programs: Path) -> None:
    planned = [program.node.name for program in Native(site, [programs], print).plan()]
    assert planned == [node.name for node in site.topology.nodes if node.kind not in ("ca", "ipfs")]
    (programs / "fabric-ca-server").write_text("")
    assert "ca.org1" in [program.node.name for program in Native(site, [programs], print).plan()]


def test_status_of_a_network_that_does_not_run(site: Site) -> None:
    (site.folder / "logs").mkdir()
    (site.folder / "logs/orderer0.log").write_text("")
    found = operate.status(site.folder)
    assert found["nodes"] == {"orderer0": {"good": False, "said": "Connection refused"}}
    assert set(found["heights"]["zone-a"].values()) == {None}
    assert "DOWN orderer0" in operate.status_text(found)


def test_logs_of_nobody(site: Site) -> None:
    with pytest.raises(Misuse, match="no such node; there are kafka0"):
        operate.logs(site.folder, "kafka9")
    with pytest.raises(Misuse, match="no log yet"):
        operate.logs(site.folder, "kafka0")


def test_a_node_that_ends_is_started_again_but_not_for_ever(
    site: Site, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    network = Native(site, [programs], said.append)
    (program,) = (one for one in network.plan() if one.node.name == "peer0.org1")
    monkeypatch.setattr(network, "plan", lambda: [program])
    network._start(program)
    for _ in range(native._RESTARTS + 3):
        network._running["peer0.org1"].wait()
        network._watch()
    assert ["started again" in line for line in said] == [True] * native._RESTARTS + [False]
    assert "given up" in said[-1]
