"""A network with a system channel, as Fabric's Kafka orderers need one: its block 0, new channels, anchor peers."""

from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2, policies_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.peer import configuration_pb2 as peer_pb2

from zoneshare_protocols.errors import Malformed
from zoneshare_protocols.fabric import genesis, signatures, wire
from zoneshare_protocols.fabric.genesis import BatchLimits
from zoneshare_protocols.fabric.msp import Msp

_ORDERER_ADMINS = "/Channel/Orderer/Admins"
_ANCHORS = "AnchorPeers"
_MSP = "MSP"
_Meta = policies_pb2.ImplicitMetaPolicy


def system_genesis(
    channel: str,
    consortium: str,
    members: Sequence[Msp],
    orderers: Sequence[Msp],
    *,
    orderer_addresses: Sequence[str],
    brokers: Sequence[str],
    creator: bytes,
    nonce: bytes,
    timestamp_ms: int,
    limits: BatchLimits,
) -> common_pb2.Block:
    """Block 0 of the system channel ``channel``; any administrator of ``members`` may then make channels of them.

    ``brokers`` are Kafka's (host:port).
    """
    any_admin = wire.write(genesis.meta("Admins", _Meta.ANY))
    allowed = configtx_pb2.ConfigValue(value=any_admin, mod_policy=_ORDERER_ADMINS)
    union = configtx_pb2.ConfigGroup(mod_policy=_ORDERER_ADMINS, values={"ChannelCreationPolicy": allowed})
    for msp in members:
        union.groups[msp.mspid].CopyFrom(genesis.application_org(msp))
    nobody_asked = policies_pb2.SignaturePolicyEnvelope(
        rule=policies_pb2.SignaturePolicy(n_out_of=policies_pb2.SignaturePolicy.NOutOf(n=0))
    )
    everyone = policies_pb2.Policy(type=policies_pb2.Policy.SIGNATURE, value=wire.write(nobody_asked))
    # As configtxgen makes it: nothing is ever governed by this policy itself, the group's mod_policy is the orderers'.
    consortiums = configtx_pb2.ConfigGroup(
        mod_policy=_ORDERER_ADMINS,
        groups={consortium: union},
        policies={"Admins": configtx_pb2.ConfigPolicy(policy=everyone, mod_policy=_ORDERER_ADMINS)},
    )
    ordering = genesis.orderer_group(orderers, orderer_addresses, limits, brokers)
    root = genesis.channel_group(orderer_addresses, {"Consortiums": consortiums, "Orderer": ordering})
    return genesis.config_block(channel, root, creator=creator, nonce=nonce, timestamp_ms=timestamp_ms)


def new_channel(channel: str, consortium: str, members: Sequence[str]) -> configtx_pb2.ConfigUpdate:
    """The update that makes ``channel`` out of the consortium's ``members`` (MSP ids)."""
    named = configuration_pb2.Consortium(name=consortium)
    read, write = configtx_pb2.ConfigGroup(), configtx_pb2.ConfigGroup()
    read.values["Consortium"].version = 0
    write.values["Consortium"].CopyFrom(configtx_pb2.ConfigValue(value=wire.write(named)))
    application = genesis.application_group({mspid: configtx_pb2.ConfigGroup() for mspid in members})
    application.version = 1
    for mspid in members:
        read.groups["Application"].groups[mspid].version = 0
    write.groups["Application"].CopyFrom(application)
    return configtx_pb2.ConfigUpdate(channel_id=channel, read_set=read, write_set=write)


def config_group(block: common_pb2.Block) -> Any:
    """The common.ConfigGroup at the root of a config block. Raises Malformed."""
    if len(block.data.data) != 1:
        raise Malformed("a config block has exactly one transaction", found=len(block.data.data))
    envelope = wire.read(common_pb2.Envelope, block.data.data[0])
    payload = wire.read(common_pb2.Payload, envelope.payload)
    return wire.read(configtx_pb2.ConfigEnvelope, payload.data).config.channel_group


def anchors(root: Any, mspid: str) -> tuple[tuple[str, int], ...]:
    """The anchor peers (host, port) that a channel's configuration ``root`` has for a member. Raises Malformed."""
    found = _member(root, mspid).values
    if _ANCHORS not in found:
        return ()
    peers = wire.read(peer_pb2.AnchorPeers, found[_ANCHORS].value).anchor_peers
    return tuple((peer.host, peer.port) for peer in peers)


def anchor_update(
    channel: str, root: Any, mspid: str, peers: Sequence[tuple[str, int]]
) -> configtx_pb2.ConfigUpdate | None:
    """The update that gives a member the anchor ``peers`` (host, port); None where it has just these."""
    if anchors(root, mspid) == tuple(peers):
        return None
    value = peer_pb2.AnchorPeers(anchor_peers=[peer_pb2.AnchorPeer(host=host, port=port) for host, port in peers])
    return _value_update(channel, root, mspid, _ANCHORS, wire.write(value))


def revocations(root: Any, mspid: str) -> tuple[bytes, ...]:
    """A member's revocation lists (PEM) in a channel's configuration."""
    return Msp.from_fabric_config(_member(root, mspid).values[_MSP].value).crls


def revocation_update(channel: str, root: Any, mspid: str, crls: tuple[bytes, ...]) -> configtx_pb2.ConfigUpdate | None:
    """The update that gives a member these revocation lists; None where it has just these."""
    if revocations(root, mspid) == crls:
        return None
    outer = wire.read(msp_config_pb2.MSPConfig, _member(root, mspid).values[_MSP].value)
    config = wire.read(msp_config_pb2.FabricMSPConfig, outer.config)
    del config.revocation_list[:]
    config.revocation_list.extend(crls)
    outer.config = wire.write(config)
    return _value_update(channel, root, mspid, _MSP, wire.write(outer))


def _value_update(channel: str, root: Any, mspid: str, name: str, value: bytes) -> configtx_pb2.ConfigUpdate:
    member = _member(root, mspid)
    old, new = _versions(member), _versions(member)
    if name in member.values:
        version = member.values[name].version + 1
        del old.values[name]
    else:
        version, new.version = 0, member.version + 1
    new.values[name].CopyFrom(configtx_pb2.ConfigValue(version=version, value=value, mod_policy="Admins"))
    return configtx_pb2.ConfigUpdate(
        channel_id=channel, read_set=_path(root, mspid, old), write_set=_path(root, mspid, new)
    )


def signed_update(
    update: configtx_pb2.ConfigUpdate,
    signers: Mapping[bytes, ec.EllipticCurvePrivateKey],
    *,
    nonce: bytes,
    timestamp_ms: int,
) -> common_pb2.Envelope:
    """What is sent to an orderer: signed by all ``signers`` (SerializedIdentity to key), the first sends it."""
    data = wire.write(update)
    made = configtx_pb2.ConfigUpdateEnvelope(config_update=data)
    for creator, key in signers.items():
        header = wire.write(common_pb2.SignatureHeader(creator=creator, nonce=nonce))
        signature = signatures.sign(key, header + data)
        made.signatures.append(configtx_pb2.ConfigSignature(signature_header=header, signature=signature))
    creator, key = next(iter(signers.items()))
    channel_header = common_pb2.ChannelHeader(
        type=common_pb2.CONFIG_UPDATE, timestamp=wire.timestamp(timestamp_ms), channel_id=update.channel_id
    )
    header = common_pb2.Header(
        channel_header=wire.write(channel_header),
        signature_header=wire.write(common_pb2.SignatureHeader(creator=creator, nonce=nonce)),
    )
    payload = wire.write(common_pb2.Payload(header=header, data=wire.write(made)))
    return common_pb2.Envelope(payload=payload, signature=signatures.sign(key, payload))


def _member(root: Any, mspid: str) -> Any:
    members = root.groups["Application"].groups
    if mspid not in members:
        raise Malformed("the channel has no such member", mspid=mspid)
    return members[mspid]


def _versions(group: Any) -> Any:
    """The group's own version and those of its values and policies, without what they say."""
    made = configtx_pb2.ConfigGroup(version=group.version, mod_policy=group.mod_policy)
    for name, value in group.values.items():
        made.values[name].version = value.version
    for name, policy in group.policies.items():
        made.policies[name].version = policy.version
    return made


def _path(root: Any, mspid: str, member: Any) -> Any:
    made = configtx_pb2.ConfigGroup(version=root.version)
    application = made.groups["Application"]
    application.version = root.groups["Application"].version
    application.groups[mspid].CopyFrom(member)
    return made
