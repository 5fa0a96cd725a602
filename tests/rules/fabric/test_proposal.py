"""Proposals, endorsements and the transactions made of them."""

from collections.abc import Callable
from typing import Any

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.fabric import channel_world as world
from tests.support.memory_identity import authority, identity
from zoneshare_protocols.errors import BadSignature, Malformed, Misuse, NotAllowed, ZoneshareError
from zoneshare_protocols.fabric import endorsement, proposal, rwset, transaction, wire
from zoneshare_protocols.fabric.endorsement import Action, Event
from zoneshare_protocols.fabric.flags import InvalidTransaction
from zoneshare_protocols.fabric.identity import serialize
from zoneshare_protocols.fabric.rwset import (
    MerkleSummary,
    NamespaceSet,
    RangeQuery,
    Read,
    ReadWriteSet,
    Version,
    Write,
)
from zoneshare_protocols.stub import Response

MSPS = {mspid: world.msp(mspid) for mspid in world.ORGANISATIONS}


@given(
    st.lists(st.binary(max_size=20), max_size=4),
    st.dictionaries(st.text(max_size=5), st.binary(max_size=5), max_size=3),
    st.binary(min_size=1, max_size=30),
    st.integers(0, 2**41),
)
def test_proposals_are_read_as_they_were_made(
    args: list[bytes], transient: dict[str, bytes], nonce: bytes, at: int
) -> None:
    who = world.client()
    creator = serialize(who.creator)
    made, tx_id = proposal.build(
        "zone-a", "zoneshare", args, creator=creator, nonce=nonce, timestamp_ms=at, transient=transient
    )
    call, found = proposal.check(proposal.sign(made, who.key), MSPS)
    assert (call.channel, call.chaincode, call.args) == ("zone-a", "zoneshare", tuple(args))
    assert (call.tx_id, call.nonce, call.timestamp_ms) == (tx_id, nonce, at)
    assert dict(call.transient) == transient
    assert found.creator == call.creator == who.creator
    hidden, _ = proposal.build("zone-a", "zoneshare", args, creator=creator, nonce=nonce, timestamp_ms=at)
    assert call.hash == proposal.parse(wire.write(hidden)).hash


def changed(change: Callable[[Any, Any, Any], None]) -> proposal_pb2.SignedProposal:
    made = world.propose(b"f")
    header = common_pb2.Header.FromString(made.header)
    channel = common_pb2.ChannelHeader.FromString(header.channel_header)
    signer = common_pb2.SignatureHeader.FromString(header.signature_header)
    change(made, channel, signer)
    header.channel_header, header.signature_header = wire.write(channel), wire.write(signer)
    made.header = wire.write(header)
    return proposal.sign(made, world.client().key)


def other_name(_made: Any, channel: Any, _signer: Any) -> None:
    channel.extension = proposal_pb2.ChaincodeHeaderExtension().SerializeToString()


CHANGES: dict[str, Callable[[Any, Any, Any], None]] = {
    "invalid header type": lambda m, c, s: setattr(c, "type", common_pb2.MESSAGE),
    "epoch is non-zero": lambda m, c, s: setattr(c, "epoch", 1),
    "incorrectly computed txid": lambda m, c, s: setattr(c, "tx_id", "0" * 64),
    "nonce is empty": lambda m, c, s: setattr(s, "nonce", b""),
    "creator is empty": lambda m, c, s: setattr(s, "creator", b""),
    "Name is empty": other_name,
    "any input": lambda m, c, s: setattr(m, "payload", b""),
    "error unmarshalling": lambda m, c, s: setattr(m, "payload", b"\xff"),
}


@pytest.mark.parametrize("reason", CHANGES)
def test_what_an_endorser_refuses(reason: str) -> None:
    with pytest.raises(Malformed, match=reason):
        proposal.check(changed(CHANGES[reason]), MSPS)


def test_who_an_endorser_refuses() -> None:
    def refused(signed: proposal_pb2.SignedProposal, kind: type[ZoneshareError], message: str, reason: str) -> None:
        with pytest.raises(kind) as refusal:
            proposal.check(signed, MSPS, world.NOW)
        assert refusal.value.message == message
        assert reason in str(refusal.value.values.get("reason", ""))

    known = "access denied: channel [zone-a] creator org [Org1MSP]"
    unknown = "access denied: channel [zone-a] creator org unknown, creator is malformed"
    who, stranger = world.client(), identity("Org3MSP", "client")
    unsigned = proposal.sign(world.propose(), who.key)
    unsigned.signature = b""
    refused(unsigned, BadSignature, "empty signature bytes", "")
    refused(proposal.sign(world.propose(), stranger.key), BadSignature, known, "invalid")
    refused(proposal.sign(world.propose(who=stranger), stranger.key), NotAllowed, unknown, "Org3MSP")
    forged = authority("Org1MSP", 1).issue("client")
    refused(proposal.sign(world.propose(who=forged), forged.key), NotAllowed, unknown, "authority")
    no_role = authority("Org1MSP").issue("x", "nothing")
    refused(proposal.sign(world.propose(who=no_role), no_role.key), NotAllowed, known, "OU")


def test_endorsements_cover_payload_and_endorser() -> None:
    first, second = world.peers()
    made = world.propose()
    answer = world.answers(made, world.results(), [first])[0]
    mark = answer.endorsement
    found = endorsement.verify_endorsement(answer.payload, mark.endorser, mark.signature, MSPS)
    assert found.creator == first.creator
    for payload, endorser in ((answer.payload + b"x", mark.endorser), (answer.payload, serialize(second.creator))):
        with pytest.raises(BadSignature):
            endorsement.verify_endorsement(payload, endorser, mark.signature, MSPS)
    with pytest.raises(NotAllowed, match="unknown"):
        endorsement.verify_endorsement(answer.payload, mark.endorser, mark.signature, {})


def test_failures_are_not_endorsed_and_make_no_transaction() -> None:
    made = world.propose()
    failed = world.answers(made, world.results(), world.peers(), response=Response(500, "boom"))
    assert not failed[0].HasField("endorsement")
    with pytest.raises(Malformed, match="boom"):
        transaction.assemble(made, failed)
    with pytest.raises(Malformed, match="at least one"):
        transaction.assemble(made, [])
    unsigned = world.answers(made, world.results(), world.peers())
    unsigned[1].ClearField("endorsement")
    with pytest.raises(Malformed, match="no endorsement"):
        transaction.assemble(made, unsigned)
    one, other = (world.answers(made, world.results(reads=(Read("k", Version(n, 0)),)), world.peers()) for n in (1, 2))
    with pytest.raises(transaction.DivergentEndorsements, match="do not match"):
        transaction.assemble(made, [one[0], other[1]])


def test_transactions_carry_what_was_proposed_and_endorsed() -> None:
    event = Event("zoneshare", "id", "sold", b"1")
    made = world.propose(b"f", b"x")
    answers = world.answers(made, world.results(writes=(Write("k", b"v"),)), world.peers(), event=event)
    found = transaction.parse(
        transaction.sign(transaction.assemble(made, answers), world.client().key).SerializeToString()
    )
    assert (found.channel, found.chaincode, found.args) == ("zone-a", "zoneshare", (b"f", b"x"))
    assert found.action.event == event
    assert found.action.response == world.ANSWER
    assert [one for one, _ in found.endorsements] == [serialize(one.creator) for one in world.peers()]
    assert found.timestamp_ms == world.NOW


@given(st.binary(max_size=100))
def test_garbage_is_malformed(data: bytes) -> None:
    with pytest.raises(InvalidTransaction):
        transaction.parse(data)
    with pytest.raises(Malformed):
        proposal.parse(data)


names = st.text(st.characters(codec="utf-8"), max_size=6)
versions = st.none() | st.builds(Version, st.integers(0, 2**63), st.integers(0, 2**63))
reads = st.lists(st.builds(Read, names, versions), max_size=4, unique_by=lambda one: one.key)
merkles = st.builds(
    MerkleSummary,
    st.integers(2, 9),
    st.integers(1, 9),
    st.lists(st.binary(min_size=1, max_size=4), max_size=3).map(tuple),
)
ranges = st.builds(RangeQuery, names, names, st.booleans(), reads.map(tuple)) | st.builds(
    RangeQuery, names, names, st.booleans(), st.just(()), merkles
)
writes = st.lists(st.builds(Write, names, st.binary(max_size=6), st.booleans()), max_size=4, unique_by=lambda w: w.key)
namespaces = st.builds(
    NamespaceSet,
    names,
    reads.map(lambda some: tuple(sorted(some, key=lambda one: one.key))),
    st.lists(ranges, max_size=2).map(tuple),
    writes.map(lambda some: tuple(sorted(some))),
)
sets = st.lists(namespaces, max_size=3, unique_by=lambda one: one.namespace).map(
    lambda some: ReadWriteSet(tuple(sorted(some, key=lambda one: one.namespace)))
)


@given(sets, st.randoms(use_true_random=False))
def test_read_write_sets_survive_and_do_not_depend_on_order(found: ReadWriteSet, random: Any) -> None:
    data = rwset.encode(found)
    assert rwset.decode(data) == found
    shuffled = list(found.namespaces)
    random.shuffle(shuffled)
    assert rwset.encode(ReadWriteSet(tuple(shuffled))) == data


@given(sets, st.binary(max_size=10), st.integers(200, 399), st.text(st.characters(codec="utf-8"), max_size=5))
def test_actions_survive(found: ReadWriteSet, payload: bytes, status: int, message: str) -> None:
    action = Action(b"h" * 32, "zoneshare", "1.0", found, None, Response(status, message, payload))
    assert endorsement.decode_action(endorsement.encode_action(action)) == action


def test_what_we_do_not_carry_is_not_written() -> None:
    with pytest.raises(Misuse):
        rwset.encode(ReadWriteSet((NamespaceSet("x", other=True),)))
    with pytest.raises(Malformed):
        rwset.decode(b"\xff")
    with pytest.raises(Malformed, match="data model"):
        rwset.decode(b"\x08\x05")
