"""docker-compose.yaml against the topology: it is what the command prints, and its parts fit each other."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from zoneshare_network.real import package
from zoneshare_network.real.compose import TOPOLOGY, compose, document
from zoneshare_network.real.site import Mode, Site
from zoneshare_network.real.topology import Kind, parse, with_peer, with_zone

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / TOPOLOGY).read_text()
SHAPE = parse(TEXT)
ONCE = ("prepare", "setup")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = document(SHAPE)["services"]
    return found


def test_the_committed_file_is_made_from_the_committed_topology() -> None:
    assert (ROOT / "docker-compose.yaml").read_text() == compose(SHAPE)
    assert compose(parse(with_peer(TEXT, "Org1MSP"))) != compose(SHAPE)


def test_the_file_is_valid_by_the_compose_specifications_schema(tmp_path: Path) -> None:
    """The schema comes with check-jsonschema."""
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    text = compose(parse(with_zone(with_peer(TEXT, "Org1MSP"), "zone-x")))
    for name, content in (("good.yaml", text), ("bad.yaml", text.replace("healthcheck:", "healthchecks:", 1))):
        (tmp_path / name).write_text(content)
        done = subprocess.run([*check, tmp_path / name], capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == (name == "good.yaml"), done.stdout
    assert "'healthchecks' was unexpected" in done.stdout


def test_every_node_is_a_service_and_every_service_a_node(services: dict[str, Any]) -> None:
    assert set(services) == {node.name for node in SHAPE.nodes} | set(ONCE)


def test_ports_are_published_on_loopback_and_once(services: dict[str, Any]) -> None:
    ports = [port for one in services.values() for port in one.get("ports", ())]
    assert ports
    assert all(port.startswith("${ZONESHARE_BIND:-127.0.0.1}:") for port in ports)
    assert len({port.split(":")[-2] for port in ports}) == len(ports)
    for node in (*SHAPE.brokers, SHAPE.chaincode_node):
        assert "ports" not in services[node.name], "only containers of the network reach it"


def test_images_have_pinned_tags(services: dict[str, Any]) -> None:
    for name, one in services.items():
        assert re.fullmatch(r"[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?", one["image"]), name


def test_what_is_waited_for_exists_and_can_be_healthy(services: dict[str, Any]) -> None:
    dockerfile = (ROOT / "chaincode/Dockerfile").read_text()
    for one in services.values():
        for name, how in one.get("depends_on", {}).items():
            if how["condition"] == "service_completed_successfully":
                assert services[name]["restart"] == "no"
            else:
                assert "healthcheck" in services[name] or (name == "chaincode" and "HEALTHCHECK" in dockerfile)
    assert set(services["setup"]["depends_on"]) == {node.name for node in SHAPE.nodes if node.kind is not Kind.IPFS}


def test_state_is_on_named_volumes_that_are_declared(services: dict[str, Any]) -> None:
    declared = set(document(SHAPE)["volumes"])
    used = {
        volume.split(":")[0]
        for one in services.values()
        for volume in one.get("volumes", ())
        if not volume.startswith((".", "$"))
    }
    assert used == declared == {node.name for node in SHAPE.nodes if node.kind is not Kind.CHAINCODE}


def test_secrets_are_neither_in_the_file_nor_in_the_repository(services: dict[str, Any]) -> None:
    text = compose(SHAPE).lower()
    assert not [word for word in ("password", "private key", "passwd", "pw=", "begin ") if word in text]
    assert (ROOT / "fabric/.gitignore").read_text().splitlines()[1:] == ["*", "!.gitignore"]
    for one in services.values():
        for volume in one.get("volumes", ()):
            if "/nodes/" in volume or "genesis" in volume:
                assert volume.endswith(":ro")


def test_only_one_shot_services_see_the_whole_folder(services: dict[str, Any]) -> None:
    for name, one in services.items():
        whole = [volume for volume in one.get("volumes", ()) if volume.startswith("${ZONESHARE_DIR:-./fabric}:")]
        assert bool(whole) == (name in ONCE)
        if name in (*ONCE, "chaincode"):
            assert one["read_only"]
            assert one["cap_drop"] == ["ALL"]
            assert one.get("cap_add", []) == (["SETGID", "SETUID"] if name in ONCE else [])


def test_kafka_keeps_what_was_acknowledged(services: dict[str, Any]) -> None:
    for number, node in enumerate(SHAPE.brokers):
        environment = services[node.name]["environment"]
        assert environment["KAFKA_NODE_ID"] == str(number)
        assert environment["KAFKA_DEFAULT_REPLICATION_FACTOR"] == "3"
        assert environment["KAFKA_MIN_INSYNC_REPLICAS"] == "2"
        assert environment["KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE"] == "false"
        assert environment["KAFKA_LOG_RETENTION_MS"] == "-1"
        assert int(environment["KAFKA_MESSAGE_MAX_BYTES"]) > SHAPE.batch.absolute_max_bytes
        assert "256m" in environment["KAFKA_HEAP_OPTS"]
        assert len(environment["CLUSTER_ID"]) == 22


def test_the_pages_that_end_an_orderer_or_a_ca_are_not_asked(services: dict[str, Any]) -> None:
    for node in SHAPE.nodes:
        check = str(services[node.name].get("healthcheck", ""))
        assert ("/healthz" in check) == (node.kind is Kind.PEER)


def test_the_chaincode_is_started_under_the_id_its_package_has(services: dict[str, Any]) -> None:
    site = Site(SHAPE, Mode.COMPOSE, Path())
    assert services["chaincode"]["environment"]["CHAINCODE_ID"] == package.package_id(site)
    assert services["chaincode"]["environment"]["ZONESHARE_ORGANISATIONS"] == "Org1MSP,Org2MSP"


def test_the_images_install_only_what_is_locked() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    for dockerfile in ("network/compose/Dockerfile", "chaincode/Dockerfile"):
        text = (ROOT / dockerfile).read_text()
        packages = re.search(r'PACKAGES="([^"]+)"', text)
        assert packages is not None
        assert [name for name in packages[1].split() if f"\n{name}==" not in f"\n{lock}"] == []
        assert "--require-hashes" in text
        assert re.search(r"^USER \d+:\d+$", text, re.MULTILINE)
