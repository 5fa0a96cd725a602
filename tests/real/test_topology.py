"""The topology file: what it may say, and how commands edit it."""

from pathlib import Path

import pytest

from zoneshare_network.real import topology
from zoneshare_network.real.topology import parse, with_peer, with_zone
from zoneshare_protocols.errors import Misuse

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "network/compose/topology.toml").read_text()


def test_no_two_nodes_share_a_name_or_a_port() -> None:
    nodes = parse(TEXT).nodes
    ports = [port for node in nodes for port in node.ports]
    assert len({node.name for node in nodes}) == len(nodes) == 14
    assert len(set(ports)) == len(ports)


def test_the_policy_asks_every_organisation() -> None:
    assert parse(TEXT).endorsement_policy() == "AND('Org1MSP.peer','Org2MSP.peer')"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"zone-a", "zone-b"', '"zone-a", "zone-a"', "the same zone twice"),
        ('"zone-a"', '"Zone"', "zones"),
        ("port = 7210", "port = 7120", "the same port twice"),
        ('mspid = "Org2MSP"', 'mspid = "OrdererMSP"', "the same MSP id twice"),
        ('name = "org2"', 'name = "org1"', "the same organisation twice"),
        ("apache/kafka:3.9.1", "apache/kafka:latest", "images.kafka"),
        ("hyperledger/fabric-peer:2.5.15", "hyperledger/fabric-peer", "images.peer"),
        ("min_insync = 2", "min_insync = 4", "min_insync"),
        ("preferred_max_bytes = 2097152", "preferred_max_bytes = 20971520", "preferred_max_bytes"),
        ("ca_port = 7290", "ca_port = 80", "ca_port"),
        ('policy = ""', 'policy = "ANY of them"', "policy"),
        ("format = 1", "format = 2", "format"),
        ("[ipfs]", "[ipsf]", "ipsf"),
        ("[kafka]", "[kafka", "topology"),
    ],
)
def test_what_no_network_can_be_made_of_is_refused(old: str, new: str, why: str) -> None:
    assert old in TEXT
    with pytest.raises(Misuse, match=why):
        parse(TEXT.replace(old, new))


def test_a_zone_is_added_and_all_else_stays() -> None:
    changed = with_zone(TEXT, "zone-c")
    assert parse(changed).zones == ("registry", "zone-a", "zone-b", "zone-c")
    assert len(changed.splitlines()) == len(TEXT.splitlines())
    assert with_zone(changed, "zone-c") == changed
    assert with_zone(TEXT.replace('"zone-b"]', '"zone-b",\n]'), "zone-c").count("zone-c") == 1


def test_a_peer_is_added_to_its_organisation_only() -> None:
    members = parse(with_peer(TEXT, "Org2MSP")).organisations
    assert [member.peers for member in members] == [2, 3]
    assert [member.peers for member in parse(with_peer(TEXT, "Org1MSP")).organisations] == [3, 2]


def test_bad_edits_are_refused() -> None:
    with pytest.raises(Misuse, match="lower-case"):
        with_zone(TEXT, "Zone C")
    with pytest.raises(Misuse, match="no such organisation"):
        with_peer(TEXT, "Org3MSP")
    crowded = TEXT.replace("peers = 2\nport = 7110", "peers = 9\nport = 7310")
    with pytest.raises(Misuse, match="peers"):
        with_peer(crowded, "Org1MSP")


def test_a_layout_that_cannot_be_edited_is_left_to_its_author() -> None:
    quoted = TEXT.replace("zones = [", '"zones" = [')
    with pytest.raises(Misuse, match="by hand"):
        with_zone(quoted, "zone-c")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="cannot be read"):
        topology.read(tmp_path / "none.toml")
