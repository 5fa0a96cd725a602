"""What ``status`` says of a node: that it answers, not that something on the way accepts; containers started again."""

import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.kubo import serving
from zoneshare_network.cli import app
from zoneshare_network.real import __main__ as one_shot
from zoneshare_network.real import health, operate
from zoneshare_network.real.compose import document
from zoneshare_network.real.site import Site
from zoneshare_network.real.topology import Node
from zoneshare_protocols.errors import LedgerFailed, Misuse

ROW = '{"Service":"kafka0","Health":"healthy","Status":"Up 3 minutes (healthy)","State":"running"}'


@contextmanager
def listening(context: ssl.SSLContext | None) -> Iterator[int]:
    """A port behind which one caller is served: a TLS handshake, or nothing but an end."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            try:
                (context.wrap_socket(client, server_side=True) if context else client).close()
            except OSError:
                client.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(5)


def secured(site: Site, node: Node) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    folder = site.node_folder(node) / "tls"
    context.load_cert_chain(folder / "server.crt", folder / "server.key")
    return context


def test_an_orderer_and_a_ca_are_up_when_they_greet_by_the_networks_tls(compose_site: Site) -> None:
    for node in (compose_site.topology.orderer_nodes[0], compose_site.topology.authorities[0]):
        with listening(secured(compose_site, node)) as port:
            assert health.alive(compose_site, replace(node, port=port)) == health.Health(True, "answers")


def test_a_port_that_only_accepts_and_a_foreign_certificate_are_no_orderer(compose_site: Site) -> None:
    orderer, peer = compose_site.topology.orderer_nodes[0], compose_site.topology.peers[0]
    with listening(None) as port:
        assert not health.alive(compose_site, replace(orderer, port=port)).good
    with listening(secured(compose_site, peer)) as port:
        found = health.alive(compose_site, replace(orderer, port=port))
    assert not found.good
    assert "CERTIFICATE_VERIFY_FAILED" in found.said


def test_kubo_is_asked_over_its_rpc(compose_site: Site) -> None:
    node = compose_site.topology.ipfs_node
    with serving() as kubo:
        assert health.alive(compose_site, replace(node, port=kubo.server_port)) == health.Health(True, "OK")
    with listening(None) as port:
        assert not health.alive(compose_site, replace(node, port=port)).good


def test_nodes_without_a_published_port_are_as_docker_says(compose_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def answer(*words: str) -> str:
        asked.append(words)
        return ROW + "\n"

    monkeypatch.setattr(operate, "_compose", answer)
    nodes = operate.status(compose_site.folder)["nodes"]
    assert asked == [("ps", "--all", "--format", "json")]
    assert list(nodes) == [node.name for node in compose_site.topology.nodes]
    assert nodes["kafka0"] == {"good": True, "said": "Up 3 minutes (healthy)"}
    assert nodes["chaincode"] == {"good": False, "said": "no container"}


def test_status_without_docker_says_what_it_cannot_know(compose_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    nodes = operate.status(compose_site.folder)["nodes"]
    assert not nodes["kafka0"]["good"]
    assert nodes["kafka0"]["said"].startswith("not known: docker is not installed")


@pytest.mark.parametrize("listing", ["[]", "no json", '{"Service": "kafka0"}', "7"])
def test_a_listing_of_another_form_is_one_clear_line(listing: str) -> None:
    with pytest.raises(LedgerFailed, match=r"2\.21"):
        health.contained(listing)


def test_the_containers_own_check_sees_a_listener_and_its_absence(compose_site: Site) -> None:
    orderer = compose_site.topology.orderer_nodes[0]
    _, *command = document(compose_site.topology)["services"][orderer.name]["healthcheck"]["test"]
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        here = [word.replace(f"{orderer.port:04X}", f"{port:04X}") for word in command]
        assert here != command
        assert subprocess.run(here, check=False, stderr=subprocess.DEVNULL).returncode != 0
        server.listen()
        assert subprocess.run(here, check=False).returncode == 0


def test_the_one_shot_services_go_on_as_the_folders_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[tuple[str, object]] = []
    for name in ("setgroups", "setgid", "setuid"):
        monkeypatch.setattr(os, name, lambda value, name=name: became.append((name, value)))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    one_shot._as_owner_of(tmp_path)
    owner = tmp_path.stat()
    assert became == [("setgroups", []), ("setgid", owner.st_gid), ("setuid", owner.st_uid)]
    with pytest.raises(Misuse, match="cannot go on as its owner"):
        one_shot._as_owner_of(tmp_path / "missing")
    became.clear()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    one_shot._as_owner_of(tmp_path)
    assert became == []


def test_containers_that_were_prepared_are_started_again(compose_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def answer(*words: str) -> str:
        asked.append(words)
        return "setup: done"

    monkeypatch.setattr(operate, "_compose", answer)
    found = CliRunner().invoke(app, ["up", "--dir", str(compose_site.folder)])
    assert (found.exit_code, found.output) == (0, "setup: done\n")
    assert [words[0] for words in asked] == ["up", "logs"]
    assert not (compose_site.folder / "network.json").exists()


def test_plain_processes_are_not_started_as_containers_nor_embedded(native_site: Site) -> None:
    found = CliRunner().invoke(app, ["up", "--embedded", "--dir", str(native_site.folder)])
    assert isinstance(found.exception, Misuse)
    assert "say --native" in str(found.exception)
    assert not (native_site.folder / "network.json").exists()
