"""A channel's configuration, read from a config block (:mod:`.genesis` makes one)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2, policies_pb2
from fabric_protos.orderer import configuration_pb2 as orderer_pb2

from zoneshare_protocols.errors import Malformed
from zoneshare_protocols.fabric import wire
from zoneshare_protocols.fabric.genesis import BatchLimits, genesis
from zoneshare_protocols.fabric.msp import Msp
from zoneshare_protocols.fabric.policy import ImplicitMetaPolicy, Policy, Rule, SignaturePolicy

__all__ = ["BatchLimits", "ChannelConfig", "genesis", "read"]

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


@dataclass(frozen=True)
class ChannelConfig:
    """As far as peers and clients use it."""

    channel: str
    sequence: int
    application: Mapping[str, Msp]
    """By MSP id."""
    orderers: Mapping[str, Msp]
    capabilities: Mapping[str, frozenset[str]]
    """Of the groups "/Channel", "/Channel/Application" and "/Channel/Orderer"."""
    policies: Mapping[str, Policy]
    """By path, for instance "/Channel/Application/Endorsement"."""
    limits: BatchLimits

    @property
    def msps(self) -> Mapping[str, Msp]:
        """Of all organisations."""
        return {**self.application, **self.orderers}


def read(block: common_pb2.Block) -> ChannelConfig:
    """From a config block (block 0 of a channel). Raises Malformed."""
    if len(block.data.data) != 1:
        raise Malformed("a config block has exactly one transaction", found=len(block.data.data))
    envelope = wire.read(common_pb2.Envelope, block.data.data[0])
    payload = wire.read(common_pb2.Payload, envelope.payload)
    header = wire.read(common_pb2.ChannelHeader, payload.header.channel_header)
    if header.type != common_pb2.CONFIG:
        raise Malformed("not a config block")
    config = wire.read(configtx_pb2.ConfigEnvelope, payload.data).config
    root = config.channel_group
    policies: dict[str, Policy] = {}
    capabilities: dict[str, frozenset[str]] = {}
    _read_group("/Channel", root, policies, capabilities)
    return ChannelConfig(
        channel=header.channel_id,
        sequence=config.sequence,
        application=_msps(root.groups["Application"]),
        orderers=_msps(root.groups["Orderer"]),
        capabilities=capabilities,
        policies=policies,
        limits=_limits(root.groups["Orderer"]),
    )


def _limits(orderer: Any) -> BatchLimits:
    size = wire.read(orderer_pb2.BatchSize, _value(orderer, "BatchSize"))
    timeout: str = wire.read(orderer_pb2.BatchTimeout, _value(orderer, "BatchTimeout")).timeout
    parts = _DURATION.findall(timeout)
    if "".join(number + unit for number, unit in parts) != timeout:
        raise Malformed(f"the batch timeout {timeout!r} is not a duration")
    ms = sum(float(number) * _UNIT_MS[unit] for number, unit in parts)
    return BatchLimits(size.max_message_count, size.preferred_max_bytes, size.absolute_max_bytes, int(ms))


def _msps(group: Any) -> dict[str, Msp]:
    found = [Msp.from_fabric_config(_value(one, "MSP")) for one in group.groups.values()]
    return {msp.mspid: msp for msp in found}


def _value(group: Any, name: str) -> bytes:
    if name not in group.values:
        raise Malformed(f"the channel's configuration has no value {name}")
    data: bytes = group.values[name].value
    return data


def _read_group(path: str, group: Any, policies: dict[str, Policy], capabilities: dict[str, frozenset[str]]) -> None:
    """Sub-groups first: implicit-meta policies are made of theirs."""
    for name, inner in group.groups.items():
        _read_group(f"{path}/{name}", inner, policies, capabilities)
    if "Capabilities" in group.values:
        names = wire.read(configuration_pb2.Capabilities, group.values["Capabilities"].value).capabilities
        capabilities[path] = frozenset(names)
    parts = [f"{path}/{name}" for name in sorted(group.groups)]
    for name, found in group.policies.items():
        policies[f"{path}/{name}"] = _policy(found.policy, parts, policies)


def _policy(policy: Any, parts: list[str], known: Mapping[str, Policy]) -> Policy:
    if policy.type == policies_pb2.Policy.SIGNATURE:
        return SignaturePolicy(policy.value)
    if policy.type != policies_pb2.Policy.IMPLICIT_META:
        raise Malformed(f"policy of unsupported type {policy.type}")
    meta = wire.read(policies_pb2.ImplicitMetaPolicy, policy.value)
    rule = Rule(policies_pb2.ImplicitMetaPolicy.Rule.Name(meta.rule))
    named = [f"{part}/{meta.sub_policy}" for part in parts]
    return ImplicitMetaPolicy(rule, tuple(known.get(one, _NEVER) for one in named))


_NEVER = SignaturePolicy(
    wire.write(
        policies_pb2.SignaturePolicyEnvelope(
            rule=policies_pb2.SignaturePolicy(n_out_of=policies_pb2.SignaturePolicy.NOutOf(n=1))
        )
    )
)
"""What stands for a sub-group's policy that is not there: as in Fabric, one that rejects everybody."""
