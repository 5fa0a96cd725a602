"""Endorsement and channel policies: signature policies (AND, OR, OutOf) and implicit-meta policies over them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from fabric_protos.common import policies_pb2

from zoneshare_protocols.fabric.msp import Identity


class Policy(Protocol):
    def satisfied_by(self, identities: Sequence[Identity]) -> bool:
        """Whether these signers, in this order, satisfy it. One identity given twice counts once."""


@dataclass(frozen=True)
class SignaturePolicy:
    """A common.SignaturePolicyEnvelope, by its bytes."""

    envelope: bytes

    def satisfied_by(self, identities: Sequence[Identity]) -> bool:
        raise NotImplementedError


class Rule(StrEnum):
    """common.ImplicitMetaPolicy.Rule"""

    ANY = "ANY"
    ALL = "ALL"
    MAJORITY = "MAJORITY"


@dataclass(frozen=True)
class ImplicitMetaPolicy:
    """Any, all or most of the sub-groups' policies of one name."""

    rule: Rule
    parts: tuple[Policy, ...]

    def satisfied_by(self, identities: Sequence[Identity]) -> bool:
        raise NotImplementedError


def parse_policy(text: str) -> policies_pb2.SignaturePolicyEnvelope:
    """From Fabric's policy language: ``AND('Org1MSP.peer', OR('Org2MSP.admin', 'Org3MSP.member'))``, ``OutOf(2, …)``.

    Raises Malformed.
    """
    raise NotImplementedError
