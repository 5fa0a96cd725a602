"""What one zone shows another: forge every part of it, and see it refused."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import pytest
from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.fabric import channel_world as world
from tests.support.memory_identity import Identity, authority, identity
from zoneshare_protocols.errors import BadProof, Malformed
from zoneshare_protocols.fabric import endorsed_query, proposal, wire
from zoneshare_protocols.fabric.identity import serialize
from zoneshare_protocols.fabric.rwset import NamespaceSet, Read, ReadWriteSet, Version, Write
from zoneshare_protocols.fabric.transaction import DivergentEndorsements
from zoneshare_protocols.sharing.records import EndorsedQuery, Trust
from zoneshare_protocols.stub import Response

FUNCTION = b"ledger:outbound"
READ_ONLY = world.results(reads=(Read("outbound", Version(3, 0)),))
BOTH = "AND('Org1MSP.peer', 'Org2MSP.peer')"


def trust(**changes: object) -> Trust:
    own = Trust(
        zone="a",
        fabric_channel=world.CHANNEL,
        chaincode=world.CHAINCODE,
        policy=world.policy(BOTH).envelope,
        roots=tuple((mspid, (authority(mspid).pem,)) for mspid in world.ORGANISATIONS),
        revoked=(),
        version=1,
        chaincode_version="1.0",
    )
    return msgspec.structs.replace(own, **changes)


def proof(
    *,
    args: tuple[bytes, ...] = (FUNCTION, b"id"),
    found: ReadWriteSet = READ_ONLY,
    endorsers: list[Identity] | None = None,
    channel: str = world.CHANNEL,
    chaincode: str = world.CHAINCODE,
    answered_by: str = world.CHAINCODE,
    version: str = "1.0",
) -> EndorsedQuery:
    proposed = world.propose(*args, channel=channel, chaincode=chaincode)
    chosen = world.peers() if endorsers is None else endorsers
    return endorsed_query.make(proposed, world.answers(proposed, found, chosen, chaincode=answered_by, version=version))


def verify(query: EndorsedQuery, **changes: object) -> endorsed_query.VerifiedQuery:
    return endorsed_query.verify(query, trust(**changes), {"ledger:outbound", "ledger:inbound"}, world.NOW)


def test_a_good_proof() -> None:
    made = proof()
    shown = verify(made)
    assert (shown.function, shown.args, shown.result) == ("ledger:outbound", (b"id",), b"ok")
    assert shown.timestamp_ms == world.NOW
    assert len(shown.tx_id) == 64
    assert verify(made, chaincode_version="") == shown


@dataclass(frozen=True)
class Forgery:
    make: Callable[[], EndorsedQuery]
    reason: str


def old_peer() -> Identity:
    until = datetime.datetime.fromtimestamp(world.NOW / 1000, datetime.UTC)
    return authority("Org2MSP").issue("old", "peer", until)


FIRST, SECOND = world.peers()
WRITING = world.results(writes=(Write("outbound", b"never happened"),))
ELSEWHERE = ReadWriteSet((NamespaceSet("other", writes=(Write("k", b"v"),)),))
FORGERIES = {
    "an endorsed write, never ordered": Forgery(lambda: proof(found=WRITING), "writes"),
    "a delete": Forgery(lambda: proof(found=world.results(writes=(Write("k", b"", True),))), "writes"),
    "a write to another chaincode": Forgery(lambda: proof(found=ELSEWHERE), "writes"),
    "another function": Forgery(lambda: proof(args=(b"ledger:lock_outbound", b"id")), "function"),
    "no function": Forgery(lambda: proof(args=()), "function"),
    "a name that only begins alike": Forgery(lambda: proof(args=(FUNCTION + b"\x00",)), "function"),
    "another channel": Forgery(lambda: proof(channel="zone-b"), "channel"),
    "another chaincode": Forgery(lambda: proof(chaincode="evil", answered_by="evil"), "another chaincode was"),
    "another chaincode answered": Forgery(lambda: proof(answered_by="evil"), "another chaincode answered"),
    "another version": Forgery(lambda: proof(version="0.9"), "version"),
    "nobody": Forgery(lambda: msgspec.structs.replace(proof(), endorsements=()), "policy"),
    "one organisation only": Forgery(lambda: proof(endorsers=[FIRST]), "policy"),
    "one organisation twice": Forgery(lambda: proof(endorsers=[FIRST, FIRST]), "policy"),
    "two peers of one organisation": Forgery(
        lambda: proof(endorsers=[FIRST, identity("Org1MSP", "peer2", "peer")]), "policy"
    ),
    "a client": Forgery(lambda: proof(endorsers=[FIRST, identity("Org2MSP", "client")]), "not a peer"),
    "an administrator": Forgery(lambda: proof(endorsers=[FIRST, identity("Org2MSP", "a", "admin")]), "not a peer"),
    "a foreign CA": Forgery(lambda: proof(endorsers=[FIRST, authority("Org2MSP", 1).issue("p", "peer")]), "authority"),
    "an unknown MSP": Forgery(lambda: proof(endorsers=[FIRST, identity("Org3MSP", "peer", "peer")]), "unknown"),
    "an expired certificate": Forgery(lambda: proof(endorsers=[FIRST, old_peer()]), "expired"),
    "too many": Forgery(lambda: proof(endorsers=[FIRST] * 65), "too many"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forgeries(name: str) -> None:
    with pytest.raises(BadProof, match=FORGERIES[name].reason):
        verify(FORGERIES[name].make())


def test_the_certificate_was_good_a_moment_before() -> None:
    made = proof(endorsers=[FIRST, old_peer()])
    assert endorsed_query.verify(made, trust(), {FUNCTION.decode()}, world.NOW - 1)


def test_a_revoked_peer() -> None:
    made = proof()
    with pytest.raises(BadProof, match="revoked"):
        verify(made, revoked=(authority("Org2MSP").revoke(SECOND),))
    assert verify(made, revoked=(authority("Org2MSP").revoke(identity("Org2MSP", "other")),))


def test_other_trust() -> None:
    made = proof()
    for changes, reason in (
        ({"fabric_channel": "zone-x"}, "channel"),
        ({"chaincode": "other"}, "chaincode"),
        ({"chaincode_version": "2.0"}, "version"),
        ({"roots": (("Org1MSP", (authority("Org1MSP").pem,)),)}, "unknown"),
        ({"roots": tuple((m, (authority(m, 1).pem,)) for m in world.ORGANISATIONS)}, "authority"),
        ({"policy": world.policy("OutOf(3, 'Org1MSP.peer', 'Org2MSP.peer', 'Org2MSP.peer')").envelope}, "policy"),
        ({"policy": b"\xff"}, "cannot be read"),
    ):
        with pytest.raises(BadProof, match=reason):
            verify(made, **changes)


def test_a_policy_that_asks_for_nobody_still_needs_somebody() -> None:
    made = msgspec.structs.replace(proof(), endorsements=())
    with pytest.raises(BadProof, match="policy"):
        verify(made, policy=world.policy("OutOf(0, 'Org1MSP.peer')").envelope)


def test_a_failed_query() -> None:
    """A peer signs no failure; a proof of one would need a peer that lies. Refused all the same."""
    proposed = world.propose(FUNCTION, b"id")
    made = world.answers(proposed, READ_ONLY, world.peers(), response=Response(201, "", b"ok"))
    with pytest.raises(BadProof, match="did not succeed"):
        verify(endorsed_query.make(proposed, made))


FIELDS = ("channel_header", "signature_header", "proposal_payload", "response_payload")
GOOD, OTHER = proof(), proof(args=(FUNCTION, b"another"))


@pytest.mark.parametrize("field", [*FIELDS, "endorsements"])
def test_parts_of_two_good_proofs_do_not_mix(field: str) -> None:
    mixed = msgspec.structs.replace(GOOD, **{field: getattr(OTHER, field)})
    with pytest.raises(BadProof):
        verify(mixed)


@given(st.sampled_from(FIELDS), st.integers(0, 5000), st.integers(1, 255))
def test_no_byte_can_be_changed(field: str, place: int, change: int) -> None:
    data = bytearray(getattr(GOOD, field))
    data[place % len(data)] ^= change
    with pytest.raises(BadProof):
        verify(msgspec.structs.replace(GOOD, **{field: bytes(data)}))


@given(st.sampled_from([0, 1]), st.sampled_from([0, 1]), st.integers(0, 5000), st.integers(1, 255))
def test_no_byte_of_an_endorsement_can_be_changed(which: int, part: int, place: int, change: int) -> None:
    endorsements = [list(one) for one in GOOD.endorsements]
    data = bytearray(endorsements[which][part])
    data[place % len(data)] ^= change
    endorsements[which][part] = bytes(data)
    forged = tuple((one[0], one[1]) for one in endorsements)
    with pytest.raises(BadProof):
        verify(msgspec.structs.replace(GOOD, endorsements=forged))


@given(st.sampled_from(FIELDS), st.binary(max_size=40))
def test_garbage(field: str, data: bytes) -> None:
    with pytest.raises(BadProof):
        verify(msgspec.structs.replace(GOOD, **{field: data}))
    with pytest.raises(BadProof):
        verify(msgspec.structs.replace(GOOD, endorsements=((data, data),)))


def test_headers_that_do_not_agree() -> None:
    """The header names the trusted chaincode, the invocation another one."""
    spec = chaincode_pb2.ChaincodeSpec(
        chaincode_id=chaincode_pb2.ChaincodeID(name="evil"), input=chaincode_pb2.ChaincodeInput(args=[FUNCTION])
    )
    inner = wire.write(chaincode_pb2.ChaincodeInvocationSpec(chaincode_spec=spec))
    payload = wire.write(proposal_pb2.ChaincodeProposalPayload(input=inner))
    with pytest.raises(BadProof, match="inconsistent"):
        verify(msgspec.structs.replace(GOOD, proposal_payload=payload))
    header = common_pb2.ChannelHeader.FromString(GOOD.channel_header)
    header.type = common_pb2.CONFIG
    with pytest.raises(BadProof, match="type"):
        verify(msgspec.structs.replace(GOOD, channel_header=wire.write(header)))


def test_private_writes_are_writes() -> None:
    proposed = world.propose(FUNCTION, b"id")
    private = world.with_private_data(world.answers(proposed, READ_ONLY, world.peers()), world.peers())
    with pytest.raises(BadProof, match="writes"):
        verify(endorsed_query.make(proposed, private))


def test_transient_data_shown() -> None:
    content = proposal_pb2.ChaincodeProposalPayload.FromString(GOOD.proposal_payload)
    content.TransientMap["secret"] = b"shown"
    with pytest.raises(BadProof, match="transient"):
        verify(msgspec.structs.replace(GOOD, proposal_payload=wire.write(content)))


def test_transient_data_stay_out() -> None:
    made, _ = proposal.build(
        world.CHANNEL,
        world.CHAINCODE,
        (FUNCTION, b"id"),
        creator=serialize(world.client().creator),
        nonce=b"n" * 24,
        timestamp_ms=world.NOW,
        transient={"secret": b"hidden"},
    )
    query = endorsed_query.make(made, world.answers(made, READ_ONLY, world.peers()))
    assert b"hidden" not in query.proposal_payload
    assert verify(query)


def test_making_one_of_answers_that_differ_or_fail() -> None:
    proposed = world.propose(FUNCTION, b"id")
    good = world.answers(proposed, READ_ONLY, [FIRST])
    other = world.answers(proposed, READ_ONLY, [SECOND], response=Response(200, "", b"other"))
    with pytest.raises(DivergentEndorsements):
        endorsed_query.make(proposed, [*good, *other])
    with pytest.raises(Malformed, match="not successful"):
        endorsed_query.make(proposed, world.answers(proposed, READ_ONLY, [FIRST], response=Response(500, "boom")))
    with pytest.raises(Malformed, match="at least one"):
        endorsed_query.make(proposed, [])
