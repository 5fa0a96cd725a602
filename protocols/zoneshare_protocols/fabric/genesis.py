"""Block 0 of a new channel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2, policies_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2

from zoneshare_protocols.fabric import block, wire
from zoneshare_protocols.fabric.msp import Msp
from zoneshare_protocols.fabric.policy_text import parse_policy

_ADMINS = "Admins"
_ORDERER_CAPABILITY = "V2_0"
_APPLICATION_CAPABILITY = "V2_5"
_FLAT = 2**32 - 1
"""BlockDataHashingStructure: the width of the data's hash tree; this one means no tree."""
_Meta = policies_pb2.ImplicitMetaPolicy


@dataclass(frozen=True)
class BatchLimits:
    """When the orderer cuts a block."""

    max_messages: int = 100
    preferred_bytes: int = 512 * 1024
    absolute_bytes: int = 8 * 1024 * 1024
    timeout_ms: int = 200


def genesis(
    channel: str,
    application: Sequence[Msp],
    orderers: Sequence[Msp],
    *,
    orderer_addresses: Sequence[str],
    creator: bytes,
    nonce: bytes,
    timestamp_ms: int,
    limits: BatchLimits = BatchLimits(),
) -> common_pb2.Block:
    """Block 0 of a new channel: groups, MSPs, policies and capabilities as configtxgen makes them.

    Policies are Fabric's defaults: writers and readers by role, ``MAJORITY Admins``, ``MAJORITY Endorsement``.
    """
    root = channel_group(
        orderer_addresses,
        {
            "Application": application_group({msp.mspid: application_org(msp) for msp in application}),
            "Orderer": orderer_group(orderers, orderer_addresses, limits),
        },
    )
    return config_block(channel, root, creator=creator, nonce=nonce, timestamp_ms=timestamp_ms)


def config_block(channel: str, root: Any, *, creator: bytes, nonce: bytes, timestamp_ms: int) -> common_pb2.Block:
    """Block 0 of ``channel`` with the configuration ``root`` (common.ConfigGroup)."""
    header = common_pb2.Header(
        channel_header=wire.write(
            common_pb2.ChannelHeader(
                type=common_pb2.CONFIG, version=1, timestamp=wire.timestamp(timestamp_ms), channel_id=channel
            )
        ),
        signature_header=wire.write(common_pb2.SignatureHeader(creator=creator, nonce=nonce)),
    )
    config = configtx_pb2.ConfigEnvelope(config=configtx_pb2.Config(channel_group=root))
    payload = common_pb2.Payload(header=header, data=wire.write(config))
    made = block.build(0, b"", [wire.write(common_pb2.Envelope(payload=wire.write(payload)))])
    last = common_pb2.LastConfig(index=0)
    made.metadata.metadata[common_pb2.SIGNATURES] = wire.write(
        common_pb2.Metadata(value=wire.write(common_pb2.OrdererBlockMetadata(last_config=last)))
    )
    made.metadata.metadata[common_pb2.LAST_CONFIG] = wire.write(common_pb2.Metadata(value=wire.write(last)))
    return made


def channel_group(orderer_addresses: Sequence[str], groups: Mapping[str, Any]) -> Any:
    """The root of a channel's configuration."""
    return group(
        values={
            "HashingAlgorithm": configuration_pb2.HashingAlgorithm(name="SHA256"),
            "BlockDataHashingStructure": configuration_pb2.BlockDataHashingStructure(width=_FLAT),
            "OrdererAddresses": configuration_pb2.OrdererAddresses(addresses=orderer_addresses),
            "Capabilities": _capability(_ORDERER_CAPABILITY),
        },
        policies=_meta_policies(),
        groups=groups,
    )


def application_group(organisations: Mapping[str, Any]) -> Any:
    """The group of a channel's members; ``organisations`` by MSP id."""
    return group(
        values={"Capabilities": _capability(_APPLICATION_CAPABILITY)},
        policies={
            **_meta_policies(),
            "Endorsement": meta("Endorsement", _Meta.MAJORITY),
            "LifecycleEndorsement": meta("Endorsement", _Meta.MAJORITY),
        },
        groups=organisations,
    )


def orderer_group(
    orderers: Sequence[Msp], addresses: Sequence[str], limits: BatchLimits, brokers: Sequence[str] = ()
) -> Any:
    """Who orders, and how: by Kafka where there are ``brokers`` (host:port), or else a single orderer."""
    consensus = {"ConsensusType": orderer_pb2.ConsensusType(type="kafka" if brokers else "solo")}
    if brokers:
        consensus["KafkaBrokers"] = orderer_pb2.KafkaBrokers(brokers=brokers)
    return group(
        values={
            **consensus,
            "BatchSize": orderer_pb2.BatchSize(
                max_message_count=limits.max_messages,
                absolute_max_bytes=limits.absolute_bytes,
                preferred_max_bytes=limits.preferred_bytes,
            ),
            "BatchTimeout": orderer_pb2.BatchTimeout(timeout=f"{limits.timeout_ms}ms"),
            "ChannelRestrictions": orderer_pb2.ChannelRestrictions(),
            "Capabilities": _capability(_ORDERER_CAPABILITY),
        },
        policies={**_meta_policies(), "BlockValidation": meta("Writers", _Meta.ANY)},
        groups={msp.mspid: _orderer(msp, addresses) for msp in orderers},
    )


def application_org(msp: Msp) -> Any:
    """A member's group, with Fabric's default policies for node OUs."""
    name = msp.mspid
    return group(
        values={"MSP": msp.to_fabric_config()},
        policies={
            "Readers": _signed(f"OR('{name}.admin', '{name}.peer', '{name}.client')"),
            "Writers": _signed(f"OR('{name}.admin', '{name}.client')"),
            "Admins": _signed(f"OR('{name}.admin')"),
            "Endorsement": _signed(f"OR('{name}.peer')"),
        },
    )


def _orderer(msp: Msp, addresses: Sequence[str]) -> Any:
    name = msp.mspid
    return group(
        values={
            "MSP": msp.to_fabric_config(),
            "Endpoints": configuration_pb2.OrdererAddresses(addresses=addresses),
        },
        policies={
            "Readers": _signed(f"OR('{name}.member')"),
            "Writers": _signed(f"OR('{name}.member')"),
            "Admins": _signed(f"OR('{name}.admin')"),
        },
    )


def group(*, values: Mapping[str, Any], policies: Mapping[str, Any], groups: Mapping[str, Any] | None = None) -> Any:
    """``values`` are messages, or bytes that are messages already; a group's own policy governs each of them."""
    made = configtx_pb2.ConfigGroup(mod_policy=_ADMINS)
    for name, value in values.items():
        data = value if isinstance(value, bytes) else wire.write(value)
        governed = "/Channel/Orderer/Admins" if name == "OrdererAddresses" else _ADMINS
        made.values[name].CopyFrom(configtx_pb2.ConfigValue(value=data, mod_policy=governed))
    for name, policy in policies.items():
        made.policies[name].CopyFrom(configtx_pb2.ConfigPolicy(policy=policy, mod_policy=_ADMINS))
    for name, group in (groups or {}).items():
        made.groups[name].CopyFrom(group)
    return made


def _meta_policies() -> dict[str, Any]:
    return {
        "Readers": meta("Readers", _Meta.ANY),
        "Writers": meta("Writers", _Meta.ANY),
        _ADMINS: meta(_ADMINS, _Meta.MAJORITY),
    }


def meta(name: str, rule: int) -> Any:
    """A policy made of the sub-groups' policies of that name."""
    value = wire.write(_Meta(sub_policy=name, rule=rule))
    return policies_pb2.Policy(type=policies_pb2.Policy.IMPLICIT_META, value=value)


def _signed(text: str) -> Any:
    return policies_pb2.Policy(type=policies_pb2.Policy.SIGNATURE, value=wire.write(parse_policy(text)))


def _capability(name: str) -> Any:
    return configuration_pb2.Capabilities(capabilities={name: configuration_pb2.Capability()})
