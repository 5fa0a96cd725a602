"""Endorsement and channel policies: signature policies (AND, OR, OutOf) and implicit-meta policies over them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Protocol

from fabric_protos.common import policies_pb2

from zoneshare_protocols.errors import Malformed
from zoneshare_protocols.fabric import wire
from zoneshare_protocols.fabric.msp import Identity
from zoneshare_protocols.fabric.policy_text import parse_policy

__all__ = ["ImplicitMetaPolicy", "Policy", "Rule", "SignaturePolicy", "parse_policy"]

_DEEPEST = 32


class Policy(Protocol):
    def satisfied_by(self, identities: Sequence[Identity]) -> bool:
        """Whether these signers, in this order, satisfy it. One identity given twice counts once."""


@dataclass(frozen=True)
class SignaturePolicy:
    """A common.SignaturePolicyEnvelope, by its bytes."""

    envelope: bytes

    def satisfied_by(self, identities: Sequence[Identity]) -> bool:
        """Raises Malformed where the envelope is not a policy."""
        policy = _checked(self.envelope)
        signers = _distinct(identities)
        return _satisfied(policy.rule, policy.identities, signers, [False] * len(signers))


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
        count = len(self.parts)
        needed = {Rule.ANY: 1, Rule.ALL: count, Rule.MAJORITY: count // 2 + 1}[self.rule] if count else 0
        return sum(part.satisfied_by(identities) for part in self.parts) >= needed


@lru_cache(maxsize=256)
def _checked(data: bytes) -> Any:
    policy = wire.read(policies_pb2.SignaturePolicyEnvelope, data)
    if policy.version != 0:
        raise Malformed(f"signature policy of unknown version {policy.version}")
    _check_rule(policy.rule, len(policy.identities), 0)
    return policy


def _check_rule(rule: Any, identities: int, depth: int) -> None:
    if depth > _DEEPEST:
        raise Malformed("the signature policy is nested too deeply")
    kind = rule.WhichOneof("Type")
    if kind == "signed_by":
        if not 0 <= rule.signed_by < identities:
            raise Malformed("identity index out of range", requested=rule.signed_by, identities=identities)
    elif kind == "n_out_of":
        for part in rule.n_out_of.rules:
            _check_rule(part, identities, depth + 1)
    else:
        raise Malformed("the signature policy has a rule of unknown type")


def _distinct(identities: Sequence[Identity]) -> list[Identity]:
    return list({identity.key: identity for identity in reversed(identities)}.values())[::-1]


def _satisfied(rule: Any, principals: Any, signers: list[Identity], used: list[bool]) -> bool:
    """Fabric's evaluation: greedy in the signers' order; a signer taken on one branch is gone for the next."""
    if rule.WhichOneof("Type") == "signed_by":
        wanted = principals[rule.signed_by]
        for place, signer in enumerate(signers):
            if not used[place] and signer.satisfies(wanted):
                used[place] = True
                return True
        return False
    met = 0
    for part in rule.n_out_of.rules:
        attempt = used.copy()
        if _satisfied(part, principals, signers, attempt):
            met += 1
            used[:] = attempt
    return met >= int(rule.n_out_of.n)
