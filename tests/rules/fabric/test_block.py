"""Blocks and the configuration in block 0."""

import pytest
from fabric_protos.common import common_pb2, configtx_pb2
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.fabric import channel_world as world
from tests.support.memory_identity import authority, identity
from zoneshare_protocols.errors import BadProof, BadSignature, Malformed, NotAllowed
from zoneshare_protocols.fabric import block, config
from zoneshare_protocols.fabric.commit_hash import commit_hash
from zoneshare_protocols.fabric.identity import serialize
from zoneshare_protocols.fabric.mvcc import Update
from zoneshare_protocols.fabric.rwset import Version

ORDERER = identity("OrdererMSP", "orderer", "orderer")
ORDERERS = {"OrdererMSP": world.msp("OrdererMSP")}
LIMITS = config.BatchLimits(max_messages=7, preferred_bytes=1000, absolute_bytes=2000, timeout_ms=1500)


def first() -> common_pb2.Block:
    return config.genesis(
        "zone-a",
        [world.msp(mspid) for mspid in world.ORGANISATIONS],
        list(ORDERERS.values()),
        orderer_addresses=("127.0.0.1:7050",),
        creator=serialize(ORDERER.creator),
        nonce=b"n" * 24,
        timestamp_ms=world.NOW,
        limits=LIMITS,
    )


def test_the_configuration_is_read_as_it_was_made() -> None:
    found = config.read(first())
    assert (found.channel, found.sequence, found.limits) == ("zone-a", 0, LIMITS)
    assert dict(found.application) == {mspid: world.msp(mspid) for mspid in world.ORGANISATIONS}
    assert dict(found.orderers) == ORDERERS
    assert set(found.msps) == {*world.ORGANISATIONS, "OrdererMSP"}
    assert found.capabilities == {
        "/Channel": {"V2_0"},
        "/Channel/Application": {"V2_5"},
        "/Channel/Orderer": {"V2_0"},
    }
    assert first() == first()


def test_default_policies() -> None:
    found = config.read(first())
    peers = [world.msp(one.mspid).validate(one.creator) for one in world.peers()]
    client = world.msp("Org1MSP").validate(world.client().creator)
    admins = [world.msp(m).validate(identity(m, "admin", "admin").creator) for m in world.ORGANISATIONS]
    orderer = ORDERERS["OrdererMSP"].validate(ORDERER.creator)

    def allowed(path: str, *who: object) -> bool:
        return found.policies[path].satisfied_by(who)  # type: ignore[arg-type]  # identities

    assert allowed("/Channel/Application/Endorsement", *peers)
    assert not allowed("/Channel/Application/Endorsement", peers[0])
    assert not allowed("/Channel/Application/Endorsement", client, *admins)
    assert allowed("/Channel/Application/Writers", client)
    assert not allowed("/Channel/Application/Writers", peers[0])
    assert allowed("/Channel/Application/Readers", peers[0])
    assert allowed("/Channel/Application/Admins", *admins)
    assert not allowed("/Channel/Application/Admins", admins[0])
    assert allowed("/Channel/Orderer/BlockValidation", orderer)
    assert not allowed("/Channel/Orderer/BlockValidation", client)
    assert allowed("/Channel/Writers", client)


def test_an_organisation_without_the_policy_rejects_for_its_part() -> None:
    genesis = first()
    envelope = common_pb2.Envelope.FromString(genesis.data.data[0])
    payload = common_pb2.Payload.FromString(envelope.payload)
    content = configtx_pb2.ConfigEnvelope.FromString(payload.data)
    del content.config.channel_group.groups["Application"].groups["Org2MSP"].policies["Endorsement"]
    payload.data = content.SerializeToString()
    envelope.payload = payload.SerializeToString()
    genesis.data.data[0] = envelope.SerializeToString()
    peers = [world.msp(one.mspid).validate(one.creator) for one in world.peers()]
    assert not config.read(genesis).policies["/Channel/Application/Endorsement"].satisfied_by(peers)


def test_what_is_no_configuration() -> None:
    with pytest.raises(Malformed, match="exactly one"):
        config.read(world.block_of())
    with pytest.raises(Malformed, match="not a config block"):
        config.read(world.block_of(world.envelope(world.results())))


@given(st.integers(0, 2**64 - 1), st.binary(max_size=40), st.binary(max_size=300))
def test_headers_are_der(number: int, previous: bytes, data: bytes) -> None:
    """Against a reader of DER: strict lengths, and a non-negative number in the fewest bytes."""
    header = common_pb2.BlockHeader(number=number, previous_hash=previous, data_hash=data)

    def element(at: bytes, tag: int) -> tuple[bytes, bytes]:
        assert at[0] == tag
        size, start = at[1], 2
        if size >= 0x80:
            start = 2 + size - 0x80
            size = int.from_bytes(at[2:start], "big")
            assert size >= 0x80
            assert at[2]
        return at[start : start + size], at[start + size :]

    body, rest = element(block.header_bytes(header), 0x30)
    raw, body = element(body, 0x02)
    assert int.from_bytes(raw, "big", signed=True) == number
    assert len(raw) == 1 or not (raw[0] == 0 and raw[1] < 0x80)
    assert (element(body, 0x04)[0], rest) == (previous, b"")
    assert element(element(body, 0x04)[1], 0x04) == (data, b"")


def test_signing_and_linking() -> None:
    genesis = first()
    block.check_link(genesis, None)
    made = block.build(1, block.header_hash(genesis.header), [b"one", b"two"])
    block.check_link(made, genesis.header)
    block.sign(made, ORDERER.key, serialize(ORDERER.creator), b"n", 0)
    assert [one.creator for one in block.signers(made, ORDERERS)] == [ORDERER.creator]
    assert block.signers(genesis, ORDERERS) == []
    with pytest.raises(NotAllowed):
        block.signers(made, {})
    with pytest.raises(NotAllowed):
        block.signers(made, {"OrdererMSP": world.msp("OrdererMSP", (authority("OrdererMSP").revoke(ORDERER),))})
    made.header.number = 2
    with pytest.raises(BadSignature):
        block.signers(made, ORDERERS)
    with pytest.raises(BadProof, match="out of order"):
        block.check_link(made, genesis.header)


def test_flags() -> None:
    made = world.block_of(b"one", b"two")
    assert block.flags(made) == ()
    block.set_flags(made, [0, 11])
    assert block.flags(made) == (0, 11)


@given(st.permutations(["a", "b", "c"]), st.binary(max_size=3))
def test_the_commit_hash_knows_last_writes_not_their_order(order: list[str], value: bytes) -> None:
    def one(key: str, data: bytes | None) -> Update:
        return Update("cc", key, data, Version(300, 0), "")

    plain = [one("a", value), one("b", None), one("c", b"x" * 200)]
    mixed = [one("a", b"superseded"), *sorted(plain, key=lambda update: order.index(update.key))]
    assert commit_hash(b"p", [0], mixed) == commit_hash(b"p", [0], plain)
    assert commit_hash(b"p", [0], plain) != commit_hash(b"p", [11], plain)
    assert commit_hash(b"p", [0], plain) != commit_hash(b"q", [0], plain)
    assert commit_hash(b"p", [0], plain) != commit_hash(b"p", [0], plain[:2])
