"""A channel's configuration: read from a config block, and made for a new channel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fabric_protos.common import common_pb2

from zoneshare_protocols.fabric.msp import Msp
from zoneshare_protocols.fabric.policy import Policy


@dataclass(frozen=True)
class ChannelConfig:
    """As far as peers and clients use it."""

    channel: str
    sequence: int
    application: Mapping[str, Msp]
    """By MSP id."""
    orderers: Mapping[str, Msp]
    capabilities: Mapping[str, frozenset[str]]
    """Of the groups "Channel", "Channel/Application" and "Channel/Orderer"."""
    policies: Mapping[str, Policy]
    """By path, for instance "/Channel/Application/Endorsement"."""

    @property
    def msps(self) -> Mapping[str, Msp]:
        """Of all organisations."""
        raise NotImplementedError


@dataclass(frozen=True)
class BatchLimits:
    """When the orderer cuts a block."""

    max_messages: int = 100
    preferred_bytes: int = 512 * 1024
    absolute_bytes: int = 8 * 1024 * 1024
    timeout_ms: int = 200


def read(block: common_pb2.Block) -> ChannelConfig:
    """From a config block (block 0 of a channel). Raises Malformed."""
    raise NotImplementedError


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
    raise NotImplementedError
