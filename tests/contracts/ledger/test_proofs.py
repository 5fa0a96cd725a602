"""A proof of what never happened: every field forged, every signature from the wrong hand."""

import datetime
from functools import cache

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.memory_identity import authority, identity
from tests.support.memory_proofs import prove, trust_in
from tests.support.memory_world import (
    CLIENT,
    HOUR,
    ORGS,
    World,
    approve,
    balance,
    prove_inbound,
    prove_outbound,
    refused,
)
from zoneshare_protocols.codec import decode
from zoneshare_protocols.errors import BadProof, Malformed, NotFound, ZoneshareError
from zoneshare_protocols.fabric.identity import certificate, parse
from zoneshare_protocols.sharing.records import EndorsedQuery, Outbound, ZoneParameters

BOB = identity("Org1MSP", "bob")
ALICE = identity("Org1MSP", "alice")
PEERS = [identity(mspid, "peer", "peer") for mspid in ORGS]


class Scene:
    """60 of Alice's 100, locked in zone A for Bob in zone B, and the honest proof of it."""

    def __init__(self) -> None:
        self.world = World()
        self.world.person("alice", self.world.a, 100)
        self.world.person("bob", self.world.b)
        before = self.world.net.now + HOUR
        sent = self.world.a.submit(ALICE, "ledger:send", "zone-b", BOB.account, 60, before)
        self.id = decode(Outbound, sent).id
        self.proof = prove_outbound(self.world.a, self.id)

    def refused(self, proof: EndorsedQuery, error: type[ZoneshareError] = BadProof, zone: str = "zone-a") -> None:
        """By every function that takes a proof of an outbound."""
        refused(self.world.b, error, CLIENT, "ledger:receive", zone, proof)
        self.world.net.advance(2 * HOUR)
        refused(self.world.b, error, CLIENT, "ledger:tombstone", zone, proof)
        self.world.net.advance(-2 * HOUR)

    def accepted(self, proof: EndorsedQuery) -> None:
        self.world.b.submit(CLIENT, "ledger:receive", "zone-a", proof)
        assert balance(self.world.b, BOB) == 60


@pytest.fixture
def scene() -> Scene:
    return Scene()


def changed(proof: EndorsedQuery, **fields: object) -> EndorsedQuery:
    present = {name: getattr(proof, name) for name in proof.__struct_fields__}
    return EndorsedQuery(**(present | fields))


def test_the_honest_proof_is_taken(scene: Scene) -> None:
    scene.accepted(scene.proof)


def test_an_outbound_endorsed_and_never_ordered_proves_nothing(scene: Scene) -> None:
    proof = prove(scene.world.a, ALICE, "ledger:send", "zone-b", BOB.account, 40, 0)
    scene.refused(proof)
    assert balance(scene.world.a, ALICE) == 40


@pytest.mark.parametrize("function", ["ledger:outbounds", "ledger:balance", "ledger:whoami"])
def test_the_answer_of_another_query_proves_nothing(scene: Scene, function: str) -> None:
    args = [ALICE.account] if function == "ledger:balance" else []
    scene.refused(prove(scene.world.a, ALICE, function, *args))


def test_an_inbound_is_no_outbound_and_the_reverse(scene: Scene) -> None:
    scene.world.b.submit(CLIENT, "ledger:receive", "zone-a", scene.proof)
    receipt = prove_inbound(scene.world.b, "zone-a", scene.id)
    for function in ("ledger:acknowledge", "ledger:reclaim"):
        refused(scene.world.a, BadProof, CLIENT, function, scene.id, scene.proof)
    refused(scene.world.b, BadProof, CLIENT, "ledger:receive", "zone-a", receipt)
    world = World()
    world.person("bob", world.a)
    refused(world.a, BadProof, CLIENT, "ledger:receive", "zone-b", receipt)


@pytest.mark.parametrize(
    "field", ["channel_header", "signature_header", "proposal_payload", "response_payload", "endorsements"]
)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_forged_byte_anywhere_is_found(field: str, data: st.DataObject) -> None:
    scene = _scene()
    value = getattr(scene.proof, field)
    if field == "endorsements":
        which, part = data.draw(st.integers(0, 1)), data.draw(st.integers(0, 1))
        pairs = [list(pair) for pair in value]
        honest = pairs[which][part]
        pairs[which][part] = _flip(honest, data)
        # PEM has more than one spelling of a certificate; another spelling of an honest one is no forgery.
        assume(part == 1 or _certificate(pairs[which][part]) != _certificate(honest))
        forged = changed(scene.proof, endorsements=tuple((pair[0], pair[1]) for pair in pairs))
    else:
        forged = changed(scene.proof, **{field: _flip(value, data)})
    refused(scene.world.b, BadProof, CLIENT, "ledger:receive", "zone-a", forged)


def _flip(value: bytes, data: st.DataObject) -> bytes:
    at, bit = data.draw(st.integers(0, len(value) - 1)), data.draw(st.integers(0, 7))
    return value[:at] + bytes([value[at] ^ (1 << bit)]) + value[at + 1 :]


def _certificate(endorser: bytes) -> tuple[str, bytes] | None:
    try:
        found = parse(endorser)
        return found.mspid, certificate(found.certificate).public_bytes(Encoding.DER)
    except Malformed:
        return None


@cache
def _scene() -> Scene:
    """One for all examples: what is refused changes nothing."""
    return Scene()


def test_parts_of_two_honest_proofs_do_not_make_a_third(scene: Scene) -> None:
    other = decode(Outbound, scene.world.a.submit(ALICE, "ledger:send", "zone-b", BOB.account, 1, 0))
    second = prove_outbound(scene.world.a, other.id)
    for field in scene.proof.__struct_fields__:
        mixed = changed(scene.proof, **{field: getattr(second, field)})
        if mixed != scene.proof:
            refused(scene.world.b, BadProof, CLIENT, "ledger:receive", "zone-a", mixed)


def test_too_few_endorsements(scene: Scene) -> None:
    first, second = scene.proof.endorsements
    for some in ((), (first,), (second,), (first, first), (second, second, second)):
        scene.refused(changed(scene.proof, endorsements=some))
    scene.accepted(changed(scene.proof, endorsements=(second, first)))


@pytest.mark.parametrize("role", ["client", "admin", "orderer"])
def test_only_peers_endorse(scene: Scene, role: str) -> None:
    signer = identity("Org2MSP", f"not-a-peer-{role}", role)
    scene.refused(prove(scene.world.a, CLIENT, "ledger:outbound", scene.id, peers=(PEERS[0], signer)))


def test_a_foreign_ca_that_claims_the_same_msp(scene: Scene) -> None:
    impostor = authority("Org2MSP", 1).issue("peer", "peer")
    scene.refused(prove(scene.world.a, CLIENT, "ledger:outbound", scene.id, peers=(PEERS[0], impostor)))


def test_an_organisation_that_nobody_trusts(scene: Scene) -> None:
    stranger = identity("Org3MSP", "peer", "peer")
    scene.refused(prove(scene.world.a, CLIENT, "ledger:outbound", scene.id, peers=(PEERS[0], stranger)))
    scene.refused(prove(scene.world.a, CLIENT, "ledger:outbound", scene.id, peers=(stranger,)))


def test_an_expired_endorser(scene: Scene) -> None:
    now = datetime.datetime.fromtimestamp(scene.world.net.now / 1000, tz=datetime.UTC)
    brief = authority("Org2MSP").issue("brief", "peer", until=now + datetime.timedelta(hours=1))
    proof = prove(scene.world.a, CLIENT, "ledger:outbound", scene.id, peers=(PEERS[0], brief))
    scene.world.net.advance(2 * HOUR)
    refused(scene.world.b, BadProof, CLIENT, "ledger:tombstone", "zone-a", proof)
    scene.world.net.advance(-2 * HOUR)
    scene.accepted(proof)


def test_a_revoked_endorser(scene: Scene) -> None:
    stolen = authority("Org2MSP").issue("stolen", "peer")
    proof = prove(scene.world.a, CLIENT, "ledger:outbound", scene.id, peers=(PEERS[0], stolen))
    crl = authority("Org2MSP").revoke(stolen)
    approve(scene.world.b, "trust", trust_in("zone-a", ORGS, version=2, revoked=(crl,)))
    scene.refused(proof)
    scene.accepted(scene.proof)


def test_trust_changes_only_for_what_comes_after(scene: Scene) -> None:
    approve(scene.world.b, "trust", trust_in("zone-a", ("Org1MSP", "Org3MSP"), version=2))
    scene.refused(scene.proof)
    peers = (PEERS[0], identity("Org3MSP", "peer", "peer"))
    scene.accepted(prove(scene.world.a, CLIENT, "ledger:outbound", scene.id, peers=peers))


def test_a_proof_from_another_channel_or_chaincode(scene: Scene) -> None:
    for channel, chaincode in (("zone-x", "zoneshare"), ("zone-a", "evil")):
        scene.refused(prove(scene.world.a, CLIENT, "ledger:outbound", scene.id, channel=channel, chaincode=chaincode))


def test_a_zone_is_not_another_zone(scene: Scene) -> None:
    """The signatures are good, but the claimed source or the destination is another zone."""
    scene.refused(scene.proof, NotFound, zone="zone-x")
    approve(scene.world.b, "trust", trust_in("zone-x", ORGS))
    scene.refused(scene.proof, zone="zone-x")
    world = World()
    world.person("alice", world.a, 100)
    approve(world.a, "trust", trust_in("zone-c", ORGS))
    sent = decode(Outbound, world.a.submit(ALICE, "ledger:send", "zone-c", BOB.account, 60, 0))
    refused(scene.world.b, BadProof, CLIENT, "ledger:receive", "zone-a", prove_outbound(world.a, sent.id))


def test_a_zone_that_lies_about_its_name_is_not_believed(scene: Scene) -> None:
    """Zone X is trusted for itself: its ledger may say what it likes, but not in zone A's name."""
    trust_x = trust_in("zone-x", ORGS)
    approve(scene.world.b, "trust", trust_x)
    proof = prove(scene.world.a, CLIENT, "ledger:outbound", scene.id, channel="zone-x")
    scene.refused(proof, zone="zone-x")
    scene.refused(proof, zone="zone-a")


def test_a_query_that_found_nothing_is_no_proof(scene: Scene) -> None:
    with pytest.raises(NotFound):
        prove(scene.world.a, CLIENT, "ledger:outbound", "transfer.nothing")


def test_a_changed_tolerance_moves_the_margin(scene: Scene) -> None:
    approve(scene.world.b, "parameters", ZoneParameters("zone-b", ALICE.account, HOUR, 2))
    scene.world.net.advance(HOUR + 2 * HOUR)
    scene.world.b.submit(CLIENT, "ledger:tombstone", "zone-a", scene.proof)
