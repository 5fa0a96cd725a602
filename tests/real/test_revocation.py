"""Revoking on a real network: the list in the organisation's folder, the config update, and every zone that has it."""

from pathlib import Path

import pytest
from cryptography import x509
from fabric_protos.common import configtx_pb2

from tests.real.conftest import TEXT
from tests.real.test_setup import ZONES, FakeOrderer, FakePeer, World
from zoneshare_network import pki
from zoneshare_network.real import material, members, operate, package, setup
from zoneshare_network.real.authority import CaClient
from zoneshare_network.real.setup import Setup
from zoneshare_network.real.site import Mode, Site
from zoneshare_protocols.errors import Malformed, NotFound
from zoneshare_protocols.fabric import consortium
from zoneshare_protocols.fabric.msp import Msp

ORGS = ("Org1MSP", "Org2MSP")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Of its own: its revocation lists change."""
    return operate.prepare(TEXT, Mode.NATIVE, tmp_path / "net")


def root(site: Site) -> configtx_pb2.ConfigGroup:
    made = configtx_pb2.ConfigGroup(version=3)
    made.groups["Application"].version = 2
    for mspid in ORGS:
        member = made.groups["Application"].groups[mspid]
        member.version = 5
        member.values["MSP"].version = 7
        member.values["MSP"].value = material.organisations(site)[mspid].msp().to_fabric_config()
        member.values["AnchorPeers"].version = 1
        member.policies["Admins"].version = 4
    return made


def enrol(site: Site, name: str, mspid: str = "Org1MSP") -> int:
    request = pki.signing_request(pki.new_key(), name)
    certificate = members.certify(site, members.member(site, mspid), name, request, "client")
    return x509.load_pem_x509_certificate(certificate).serial_number


def listed(site: Site, mspid: str = "Org1MSP") -> set[int]:
    crls = material.organisations(site)[mspid].msp().crls
    return {one.serial_number for crl in crls for one in x509.load_pem_x509_crl(crl)}


def test_the_update_changes_the_members_lists_and_nothing_else(site: Site) -> None:
    before = root(site)
    serial = enrol(site, "eve")
    assert members.revoke(site, members.member(site, ""), "eve") == 1
    msp = material.organisations(site)["Org1MSP"].msp()
    update = consortium.revocation_update("zone-a", before, "Org1MSP", msp.crls)
    assert update is not None
    written = update.write_set.groups["Application"].groups["Org1MSP"]
    assert (written.version, written.values["MSP"].version, written.values["MSP"].mod_policy) == (5, 8, "Admins")
    assert Msp.from_fabric_config(written.values["MSP"].value) == msp
    assert (written.values["AnchorPeers"].version, written.policies["Admins"].version) == (1, 4)
    assert list(update.write_set.groups["Application"].groups) == ["Org1MSP"]
    assert "MSP" not in update.read_set.groups["Application"].groups["Org1MSP"].values
    before.groups["Application"].groups["Org1MSP"].values["MSP"].value = written.values["MSP"].value
    assert consortium.revocations(before, "Org1MSP") == msp.crls
    assert consortium.revocation_update("zone-a", before, "Org1MSP", msp.crls) is None
    assert listed(site) == {serial}
    with pytest.raises(Malformed, match="no such member"):
        consortium.revocations(before, "Org9MSP")


def test_all_of_a_names_certificates_are_listed_and_earlier_ones_stay(site: Site) -> None:
    home = members.member(site, "Org1MSP")
    first = {enrol(site, "eve"), enrol(site, "eve")}
    assert members.revoke(site, home, "eve") == 2
    second = enrol(site, "mallory")
    members.revoke(site, home, "mallory")
    assert listed(site) == {*first, second}
    assert listed(site, "Org2MSP") == set()
    with pytest.raises(NotFound, match="Org1MSP has issued no certificate to this name"):
        members.revoke(site, home, "nobody")
    assert listed(site) == {*first, second}


def test_the_cas_revocations_join_those_of_the_folder(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    contained, home = Site(site.topology, Mode.COMPOSE, site.folder), members.member(site, "Org1MSP")
    here = enrol(site, "eve")
    monkeypatch.setattr(CaClient, "revoke", lambda *_: (1, frozenset({77})))
    assert members.revoke(contained, home, "eve") == 2
    assert listed(site) == {here, 77}

    def unknown(*_: object) -> None:
        raise NotFound("the CA knows no such name")

    monkeypatch.setattr(CaClient, "revoke", unknown)
    assert members.revoke(contained, home, "eve") == 1
    with pytest.raises(NotFound, match="the CA knows"):
        members.revoke(contained, home, "nobody")


def test_every_zone_is_told_once_and_a_later_zone_by_set_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr(setup, "Orderer", lambda *_: FakeOrderer(world))
    monkeypatch.setattr(setup, "Peer", lambda address, _, mspid, signer: FakePeer(world, address, mspid, signer))
    monkeypatch.setattr(FakePeer, "world_package", package.package_id(site))
    with Setup(site, lambda _: None) as made:
        made.run()
    for config in world.configs.values():
        for mspid, group in root(site).groups["Application"].groups.items():
            config.groups["Application"].groups[mspid].values["MSP"].CopyFrom(group.values["MSP"])
    enrol(site, "eve", "Org2MSP")
    count, said = len(world.changes), list[str]()
    assert operate.revoke(site.folder, "eve", "Org2MSP", said.append) == 1
    assert world.changes[count:] == [f"revoke {zone} Org2MSP" for zone in ZONES]
    assert said == [f"{zone}: the revocations of Org2MSP are published" for zone in ZONES]
    assert operate.revoke(site.folder, "eve", "Org2MSP", said.append) == 1, "a new list, of the same certificate"
    assert len(material.organisations(site)["Org2MSP"].msp().crls) == 1
