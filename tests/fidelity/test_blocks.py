"""Our own code comes to what a real Fabric 2.5 recorded: hashes, signatures, policies and every validation flag."""

import pytest
from fabric_protos.common import common_pb2

from tests.fidelity import recordings
from tests.fidelity.peer import RebuiltPeer
from zoneshare_protocols.errors import BadProof, BadSignature
from zoneshare_protocols.fabric import block as blocks
from zoneshare_protocols.fabric import config, endorsement, rwset, transaction
from zoneshare_protocols.fabric.commit_hash import commit_hash
from zoneshare_protocols.fabric.flags import TxFlag
from zoneshare_protocols.fabric.msp import Msp, Role
from zoneshare_protocols.fabric.validation import state_updates, validate_block

FIRST_APPLICATION_BLOCK = 6
CONFLICTS = {16: (0, 11), 17: (10,), 19: (9,)}
"""MVCC conflict, policy failure, duplicate: what the recordings are known to hold."""


def test_all_blocks_are_there() -> None:
    assert [one.header.number for one in recordings.blocks()] == list(range(21))


def test_header_and_data_hashes_chain() -> None:
    previous: common_pb2.BlockHeader | None = None
    for block in recordings.blocks():
        blocks.check_link(block, previous)
        previous = block.header


@pytest.mark.parametrize("field", ["number", "previous_hash", "data_hash", "data"])
def test_a_changed_block_breaks_the_chain(field: str) -> None:
    before, block = recordings.blocks()[6:8]
    if field == "number":
        block.header.number += 1
    elif field == "data":
        block.data.data[0] += b"\x00"
    else:
        setattr(block.header, field, bytes(32))
    with pytest.raises(BadProof):
        blocks.check_link(block, before.header)


def test_blocks_are_built_and_hashed_alike() -> None:
    for before, block in zip(recordings.blocks(), recordings.blocks()[1:], strict=False):
        built = blocks.build(block.header.number, blocks.header_hash(before.header), block.data.data)
        assert built.header == block.header


def test_orderers_signed_every_block() -> None:
    known = recordings.channel_config()
    policy = known.policies["/Channel/Orderer/BlockValidation"]
    for block in recordings.blocks()[1:]:
        signers = blocks.signers(block, known.orderers)
        assert [one.mspid for one in signers] == ["OrdererMSP"]
        assert signers[0].roles == {Role.MEMBER, Role.ORDERER}
        assert policy.satisfied_by(signers)
    assert not policy.satisfied_by([])


def test_an_orderers_signature_does_not_fit_another_header() -> None:
    block = recordings.blocks()[7]
    block.header.data_hash = bytes(32)
    with pytest.raises(BadSignature):
        blocks.signers(block, recordings.channel_config().orderers)


def test_configuration_of_block_zero() -> None:
    first = config.read(recordings.blocks()[0])
    assert first.channel == "zone-a"
    assert set(first.application) == {"Org1MSP", "Org2MSP"}
    assert set(first.orderers) == {"OrdererMSP"}
    assert first.capabilities["/Channel/Application"] == {"V2_5"}
    assert (first.limits.max_messages, first.limits.timeout_ms) == (100, 200)


def test_msps_survive_our_writing() -> None:
    for msp in config.read(recordings.blocks()[0]).msps.values():
        assert Msp.from_fabric_config(msp.to_fabric_config()) == msp


def test_transactions_are_read_and_written_alike() -> None:
    for block in recordings.blocks()[FIRST_APPLICATION_BLOCK:]:
        for envelope in block.data.data:
            found = transaction.parse(envelope)
            assert endorsement.encode_action(found.action) == found.response_payload
            assert rwset.decode(rwset.encode(found.action.results)) == found.action.results


def test_creators_and_endorsers_signed() -> None:
    known = recordings.channel_config().msps
    for block in recordings.blocks()[3:]:
        for envelope in block.data.data:
            found = transaction.parse(envelope)
            known[found.creator.mspid].validate(found.creator, found.timestamp_ms).verify(
                found.signature, found.payload
            )
            for endorser, signature in found.endorsements:
                identity = endorsement.verify_endorsement(found.response_payload, endorser, signature, known)
                assert Role.PEER in identity.roles


def test_every_application_transaction_gets_the_flag_the_peer_gave() -> None:
    peer = RebuiltPeer(recordings.channel_config())
    recorded = recordings.blocks()
    for block in recorded[3:FIRST_APPLICATION_BLOCK]:
        peer.take_as_given(block)
    assert peer.endorsement_policy("asset") is not None
    state_hash = _recorded_commit_hash(recorded[FIRST_APPLICATION_BLOCK - 1])
    seen = {}
    for block in recorded[FIRST_APPLICATION_BLOCK:]:
        found = validate_block(block, peer)
        assert found.flags == blocks.flags(block), f"block {block.header.number}"
        if any(found.flags):
            seen[block.header.number] = found.flags
        assert _recorded_commit_hash(block) == commit_hash(state_hash, found.flags, state_updates(found))
        state_hash = _recorded_commit_hash(block)
        peer.apply(state_updates(found))
        peer.tx_ids.update(one.tx_id for one in found.transactions if one is not None)
    assert seen == CONFLICTS


def _recorded_commit_hash(block: common_pb2.Block) -> bytes:
    value: bytes = common_pb2.Metadata.FromString(block.metadata.metadata[common_pb2.COMMIT_HASH]).value
    return value


def test_config_blocks_are_valid() -> None:
    peer = RebuiltPeer(recordings.channel_config())
    for block in recordings.blocks()[:3]:
        assert validate_block(block, peer).flags == (TxFlag.VALID,)


def test_an_unknown_chaincode_is_invalid() -> None:
    """Without lifecycle's definition the very same transactions are refused."""
    peer = RebuiltPeer(recordings.channel_config())
    assert validate_block(recordings.blocks()[6], peer).flags == (TxFlag.INVALID_CHAINCODE,)
