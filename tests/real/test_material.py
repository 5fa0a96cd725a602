"""Certificates and keys in the layout Fabric's programs read, and block 0."""

import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID
from fabric_protos.common import common_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2

from zoneshare_network.real import material, operate, topology
from zoneshare_network.real.site import MODE, Mode, Site, load
from zoneshare_network.real.topology import Kind
from zoneshare_protocols.errors import Misuse
from zoneshare_protocols.fabric import config, consortium, wire
from zoneshare_protocols.fabric.msp import Role
from zoneshare_protocols.stub import Creator

TEXT = (Path(__file__).parents[2] / "network/compose/topology.toml").read_text()
_UNITS = {Kind.PEER: "peer", Kind.ORDERER: "orderer"}


def _tree(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_every_node_has_an_msp_whose_certificate_chains_to_its_organisation(native_site: Site) -> None:
    for node in (*native_site.topology.peers, *native_site.topology.orderer_nodes):
        msp = native_site.node_folder(node) / "msp"
        assert {path.name for path in msp.iterdir()} == {
            "cacerts", "tlscacerts", "signcerts", "keystore", "config.yaml"
        }  # fmt: skip
        certificate = x509.load_pem_x509_certificate((msp / "signcerts/cert.pem").read_bytes())
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate((msp / "cacerts/ca.pem").read_bytes()))
        units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
        assert [unit.value for unit in units] == [_UNITS[node.kind]]
        assert f"OrganizationalUnitIdentifier: {_UNITS[node.kind]}" in (msp / "config.yaml").read_text()
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(msp / "tlscacerts/tlsca.pem")


def test_tls_certificates_name_their_node_and_loopback(compose_site: Site) -> None:
    for node in (
        *compose_site.topology.peers,
        *compose_site.topology.orderer_nodes,
        *compose_site.topology.authorities,
    ):
        tls = compose_site.node_folder(node) / "tls"
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls / "server.crt", tls / "server.key")
        certificate = x509.load_pem_x509_certificate((tls / "server.crt").read_bytes())
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate((tls / "ca.crt").read_bytes()))
        names = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
        assert isinstance(names, x509.SubjectAlternativeName)
        assert names.get_values_for_type(x509.DNSName) == ["localhost", node.name]
        assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def _believed(root: Path, certificate: Path, key: Path) -> bool:
    """Whether OpenSSL, strictly, believes a chain: a TLS handshake in memory, by the library in Python."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    client.load_verify_locations(root)
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(down, up), server.wrap_bio(up, down, server_side=True)]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
    return ends[0].version() is not None


def test_openssl_believes_the_chains_and_not_another_organisations(native_site: Site) -> None:
    nodes = native_site.folder / "nodes"
    own, other = nodes / "peer0.org1", nodes / "peer0.org2"
    (key,) = (own / "msp" / "keystore").iterdir()
    signing = own / "msp" / "signcerts" / "cert.pem"
    assert _believed(own / "msp" / "cacerts" / "ca.pem", signing, key)
    assert _believed(own / "tls" / "ca.crt", own / "tls" / "server.crt", own / "tls" / "server.key")
    assert not _believed(other / "msp" / "cacerts" / "ca.pem", signing, key)


def test_private_keys_are_for_their_owner_only(native_site: Site) -> None:
    secrets = [path for path, data in _tree(native_site.folder).items() if b"PRIVATE KEY" in data]
    secrets += list(native_site.folder.rglob("*.secret")) + list(
        native_site.folder.rglob("fabric-ca-server-config.yaml")
    )
    assert len(secrets) > 20
    assert [path for path in secrets if path.stat().st_mode & 0o077] == []


def test_the_administrator_is_one_by_its_unit(native_site: Site) -> None:
    for mspid, member in material.organisations(native_site).items():
        pem = (member.folder / "admin/msp/signcerts/cert.pem").read_bytes()
        assert Role.ADMIN in member.msp().validate(Creator(mspid, pem)).roles


def test_block_0_says_kafka_the_capabilities_and_the_consortium(native_site: Site) -> None:
    block = wire.read(common_pb2.Block, native_site.genesis.read_bytes())
    found = config.read(block)
    assert found.channel == material.SYSTEM_CHANNEL
    assert found.capabilities == {"/Channel": {"V2_0"}, "/Channel/Orderer": {"V2_0"}}
    assert found.limits == native_site.topology.batch.limits()
    assert set(found.orderers) == {"OrdererMSP"}
    root = consortium.config_group(block)
    values = root.groups["Orderer"].values
    assert wire.read(orderer_pb2.ConsensusType, values["ConsensusType"].value).type == "kafka"
    brokers = wire.read(orderer_pb2.KafkaBrokers, values["KafkaBrokers"].value).brokers
    assert list(brokers) == ["127.0.0.1:9092", "127.0.0.1:9102", "127.0.0.1:9112"]
    assert set(root.groups["Consortiums"].groups[topology.CONSORTIUM].groups) == {"Org1MSP", "Org2MSP"}


def test_preparing_again_changes_nothing(tmp_path: Path) -> None:
    operate.prepare(TEXT, Mode.NATIVE, tmp_path)
    before = _tree(tmp_path)
    operate.prepare(TEXT, Mode.NATIVE, tmp_path)
    assert _tree(tmp_path) == before


def test_preparing_after_a_break_makes_what_is_missing_and_keeps_the_rest(tmp_path: Path) -> None:
    operate.prepare(TEXT, Mode.COMPOSE, tmp_path)
    before = _tree(tmp_path)
    lost = [tmp_path / "genesis.block", tmp_path / MODE, tmp_path / "nodes/peer1.org2/tls/server.crt"]
    for path in lost:
        path.unlink()
    operate.prepare(TEXT, Mode.COMPOSE, tmp_path)
    after = _tree(tmp_path)
    assert set(after) == set(before)
    changed = {path for path in after if after[path] != before[path]}
    assert changed <= {*lost, tmp_path / "nodes/peer1.org2/tls/server.key"}


def test_a_peer_more_gets_certificates_and_nobody_elses_change(tmp_path: Path) -> None:
    operate.prepare(TEXT, Mode.NATIVE, tmp_path)
    before = _tree(tmp_path)
    place = operate.change(tmp_path, lambda text: topology.with_peer(text, "Org1MSP"))
    assert (place.node_folder(place.topology.peers[2]) / "msp/signcerts/cert.pem").exists()
    assert [
        path
        for path in before
        if path.name.endswith(("pem", "crt", "key", "block")) and before[path] != path.read_bytes()
    ] == []


def test_another_networks_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    operate.prepare(TEXT, Mode.NATIVE, tmp_path)
    before = _tree(tmp_path)
    for text, mode, why in (
        (TEXT, Mode.COMPOSE, "runs by native"),
        (TEXT.replace('"Org2MSP"', '"Org3MSP"'), Mode.NATIVE, "channels' configuration"),
        (TEXT.replace(', "zone-b"', ""), Mode.NATIVE, "cannot be taken away: zone-b"),
        ("zones = []", Mode.NATIVE, "not a network's topology"),
    ):
        with pytest.raises(Misuse, match=why):
            operate.prepare(text, mode, tmp_path)
    assert _tree(tmp_path) == before


def test_an_embedded_networks_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text("{}")
    with pytest.raises(Misuse, match="embedded"):
        operate.prepare(TEXT, Mode.NATIVE, tmp_path)
    with pytest.raises(Misuse, match="no real network"):
        load(tmp_path)
