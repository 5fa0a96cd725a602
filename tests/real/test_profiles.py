"""Connection profiles, as our client and the official SDKs read them."""

import json

import pytest
from cryptography import x509

from zoneshare.connection import Profile
from zoneshare_network import operator, pki
from zoneshare_network.real import profiles
from zoneshare_network.real.site import Site
from zoneshare_protocols.errors import LedgerFailed, Misuse


@pytest.mark.parametrize(("number", "endpoint"), [(0, "127.0.0.1:7110"), (1, "127.0.0.1:7210")])
def test_our_client_finds_its_own_organisations_gateway(compose_site: Site, number: int, endpoint: str) -> None:
    home = compose_site.topology.organisations[number]
    found = Profile(profiles.encoded(compose_site, home), compose_site.folder)
    assert [peer.endpoint for peer in found.peers] == [endpoint, endpoint.replace("10", "20")]
    assert found.channels == ("registry", "zone-a", "zone-b")
    assert [peer.server_name for peer in found.peers] == [f"peer0.{home.name}", f"peer1.{home.name}"]
    x509.load_pem_x509_certificate(found.peers[0].tls_roots)


def test_what_a_profile_names_it_also_describes(compose_site: Site) -> None:
    for home in compose_site.topology.organisations:
        found = json.loads((compose_site.folder / "profiles" / f"{home.name}.json").read_text())
        assert found["client"]["organization"] in found["organizations"]
        for one in found["organizations"].values():
            assert set(one["peers"]) <= set(found["peers"])
            assert set(one["certificateAuthorities"]) <= set(found["certificateAuthorities"])
        for channel in found["channels"].values():
            assert set(channel["peers"]) == set(found["peers"])
            assert set(channel["orderers"]) == set(found["orderers"])
        for node in (*found["peers"].values(), *found["orderers"].values()):
            assert node["url"].startswith("grpcs://127.0.0.1:")
            x509.load_pem_x509_certificate(node["tlsCACerts"]["pem"].encode())
        assert (compose_site.folder / "profiles" / f"{home.name}.yaml").read_text().startswith("name: zoneshare\n")


def test_a_device_enrols_with_a_native_network_that_has_no_fabric_ca(native_site: Site) -> None:
    request = pki.signing_request(pki.new_key(), "whatever")
    made = operator.enroll(native_site.folder, "alice", request, "Org2MSP")
    certificate = x509.load_pem_x509_certificate(made.certificate)
    assert made.mspid == "Org2MSP"
    assert certificate.subject.rfc4514_string() == "CN=alice,OU=client,O=Org2MSP"
    assert Profile(made.profile, native_site.folder).peers[0].endpoint == "127.0.0.1:7210"


def test_bad_enrolments_are_refused(native_site: Site, compose_site: Site) -> None:
    request = pki.signing_request(pki.new_key(), "x")
    with pytest.raises(Misuse, match="no such organisation"):
        operator.enroll(native_site.folder, "alice", request, "Org9MSP")
    with pytest.raises(Misuse, match="client or admin"):
        operator.enroll(native_site.folder, "alice", request, "Org1MSP", "peer")
    with pytest.raises(LedgerFailed, match=r"ca\.org1 does not answer"):
        operator.enroll(compose_site.folder, "alice", request, "Org1MSP")


def test_what_other_networks_need_to_believe_this_one(native_site: Site) -> None:
    found = operator.describe(native_site.folder)
    assert found.organisations == ("Org1MSP", "Org2MSP")
    assert found.channels == ("registry", "zone-a", "zone-b")
    assert [mspid for mspid, _ in found.roots] == ["Org1MSP", "Org2MSP"]
