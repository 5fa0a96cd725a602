"""What a network's own administrators order: a channel's first block, chaincode definitions, revocation lists."""

import secrets
from collections.abc import Sequence
from dataclasses import replace

from fabric_protos.common import common_pb2, configtx_pb2

from zoneshare_network import lifecycle
from zoneshare_network.lifecycle import Definition
from zoneshare_network.members import Signer
from zoneshare_network.store import Snapshot
from zoneshare_protocols.fabric import config as configs
from zoneshare_protocols.fabric import endorsement, proposal, transaction
from zoneshare_protocols.fabric.config import BatchLimits
from zoneshare_protocols.fabric.endorsement import Action
from zoneshare_protocols.fabric.msp import Msp
from zoneshare_protocols.fabric.signatures import sign
from zoneshare_protocols.stub import OK, Response

_NONCE_BYTES = 24


def genesis(
    channel: str, application: Sequence[Msp], orderer: Msp, signer: Signer, *, limits: BatchLimits, now_ms: int
) -> common_pb2.Block:
    """Block 0 of a new channel."""
    return configs.genesis(
        channel,
        application,
        [orderer],
        orderer_addresses=("127.0.0.1:7050",),
        creator=signer.serialized,
        nonce=secrets.token_bytes(_NONCE_BYTES),
        timestamp_ms=now_ms,
        limits=limits,
    )


def definition_to_commit(wanted: Definition, snapshot: Snapshot) -> Definition | None:
    """The definition with the sequence it would get, or None where the channel has it as wanted."""
    present = lifecycle.read(snapshot, wanted.name)
    if present is None:
        return wanted
    if replace(present, sequence=wanted.sequence) == wanted:
        return None
    return replace(wanted, sequence=present.sequence + 1)


def deploy(
    channel: str, definition: Definition, snapshot: Snapshot, admin: Signer, peers: Sequence[Signer], *, now_ms: int
) -> bytes:
    """The envelope that commits a chaincode's definition, endorsed by all peers."""
    proposed, _ = proposal.build(
        channel,
        lifecycle.NAMESPACE,
        lifecycle.arguments(definition),
        creator=admin.serialized,
        nonce=secrets.token_bytes(_NONCE_BYTES),
        timestamp_ms=now_ms,
    )
    call = proposal.parse(proposed.SerializeToString(deterministic=True))
    results = lifecycle.results(definition, snapshot)
    action = Action(call.hash, lifecycle.NAMESPACE, "syscc", results, None, Response(OK))
    responses = [endorsement.endorse(action, peer.serialized, peer.key) for peer in peers]
    envelope = transaction.sign(transaction.assemble(proposed, responses), admin.key)
    data: bytes = envelope.SerializeToString(deterministic=True)
    return data


def with_msps(
    config_block: common_pb2.Block, msps: Sequence[Msp], admins: Sequence[Signer], orderer: Signer, now_ms: int
) -> bytes:
    """The envelope of the next configuration, in which the organisations ``msps`` are as given."""
    first = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(config_block.data.data[0]).payload)
    header = common_pb2.ChannelHeader.FromString(first.header.channel_header)
    config = configtx_pb2.ConfigEnvelope.FromString(first.data).config
    update = configtx_pb2.ConfigUpdate(channel_id=header.channel_id)
    for msp in msps:
        _put_msp(config.channel_group, msp, update)
    config.sequence += 1
    header.timestamp.FromMilliseconds(now_ms)
    request = configtx_pb2.ConfigUpdateEnvelope(config_update=update.SerializeToString(deterministic=True))
    for admin in admins:
        creator = _signature_header(admin)
        signature = sign(admin.key, creator + request.config_update)
        request.signatures.add(signature_header=creator, signature=signature)
    header.type = common_pb2.CONFIG_UPDATE
    last_update = _envelope(header, request.SerializeToString(deterministic=True), admins[0])
    header.type = common_pb2.CONFIG
    body = configtx_pb2.ConfigEnvelope(config=config, last_update=last_update)
    data: bytes = _envelope(header, body.SerializeToString(deterministic=True), orderer).SerializeToString(
        deterministic=True
    )
    return data


def _put_msp(root: configtx_pb2.ConfigGroup, msp: Msp, update: configtx_pb2.ConfigUpdate) -> None:
    """Change one organisation's MSP in the configuration, and say so in the update's read and write sets."""
    section = next(name for name in ("Application", "Orderer") if msp.mspid in root.groups[name].groups)
    group = root.groups[section].groups[msp.mspid]
    value = group.values["MSP"]
    for tree in (update.read_set, update.write_set):
        tree.version = root.version
        tree.groups[section].version = root.groups[section].version
        tree.groups[section].groups[msp.mspid].version = group.version
    value.value = msp.to_fabric_config()
    value.version += 1
    update.write_set.groups[section].groups[msp.mspid].values["MSP"].CopyFrom(value)


def _signature_header(signer: Signer) -> bytes:
    header = common_pb2.SignatureHeader(creator=signer.serialized, nonce=secrets.token_bytes(_NONCE_BYTES))
    data: bytes = header.SerializeToString(deterministic=True)
    return data


def _envelope(header: common_pb2.ChannelHeader, body: bytes, signer: Signer) -> common_pb2.Envelope:
    headers = common_pb2.Header(
        channel_header=header.SerializeToString(deterministic=True), signature_header=_signature_header(signer)
    )
    payload = common_pb2.Payload(header=headers, data=body).SerializeToString(deterministic=True)
    return common_pb2.Envelope(payload=payload, signature=sign(signer.key, payload))
