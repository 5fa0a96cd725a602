"""Fabric's policy language: ``AND('Org1MSP.peer', OR('Org2MSP.admin', 'Org3MSP.member'))``, ``OutOf(2, …)``."""

import re

from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2

from zoneshare_protocols.errors import Malformed
from zoneshare_protocols.fabric import wire

_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z]+)|(?P<number>\d{1,4})|'(?P<text>[^']*)'|\"(?P<text2>[^\"]*)\"|(?P<mark>[(),]))"
)
_PRINCIPAL = re.compile(r"([A-Za-z0-9.-]+)\.(admin|member|client|peer|orderer)")
_GATES = {"and", "or", "outof"}
_DEEPEST = 32


def parse_policy(text: str) -> policies_pb2.SignaturePolicyEnvelope:
    """The policy that ``text`` spells. Raises Malformed, with the place."""
    reader = _Reader(text)
    rule = reader.gate(0)
    reader.end()
    return policies_pb2.SignaturePolicyEnvelope(version=0, rule=rule, identities=reader.principals)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.principals: list[msp_principal_pb2.MSPPrincipal] = []

    def gate(self, depth: int) -> policies_pb2.SignaturePolicy:
        kind, name = self._next()
        gate = name.lower()
        if kind != "name" or gate not in _GATES or depth > _DEEPEST:
            raise self._wrong(f"AND, OR or OutOf expected, not {name!r}")
        self._mark("(")
        needed = None
        if gate == "outof":
            kind, number = self._next()
            if kind not in {"number", "text"} or not number.isdecimal():
                raise self._wrong("OutOf begins with a number")
            needed = int(number)
            self._mark(",")
        rules = [self._part(depth)]
        while self._mark(",", ")") == ",":
            rules.append(self._part(depth))
        if needed is None:
            needed = len(rules) if gate == "and" else 1
        if needed > len(rules) + 1:
            raise self._wrong(f"invalid t-out-of-n predicate, t {needed}, n {len(rules)}")
        return policies_pb2.SignaturePolicy(n_out_of=policies_pb2.SignaturePolicy.NOutOf(n=needed, rules=rules))

    def end(self) -> None:
        if self.text[self.place :].strip():
            raise self._wrong("nothing more expected")

    def _part(self, depth: int) -> policies_pb2.SignaturePolicy:
        before = self.place
        kind, token = self._next()
        if kind != "text":
            self.place = before
            return self.gate(depth + 1)
        found = _PRINCIPAL.fullmatch(token)
        if found is None:
            raise self._wrong(f"{token!r} is not a principal such as 'Org1MSP.peer'")
        role = msp_principal_pb2.MSPRole(
            msp_identifier=found[1], role=msp_principal_pb2.MSPRole.MSPRoleType.Value(found[2].upper())
        )
        self.principals.append(
            msp_principal_pb2.MSPPrincipal(
                principal_classification=msp_principal_pb2.MSPPrincipal.ROLE, principal=wire.write(role)
            )
        )
        return policies_pb2.SignaturePolicy(signed_by=len(self.principals) - 1)

    def _next(self) -> tuple[str, str]:
        found = _TOKEN.match(self.text, self.place)
        if found is None or found.lastgroup is None:
            raise self._wrong("unexpected end or character")
        self.place = found.end()
        return found.lastgroup.rstrip("2"), found[found.lastgroup]

    def _mark(self, *expected: str) -> str:
        kind, token = self._next()
        if kind != "mark" or token not in expected:
            raise self._wrong(f"{' or '.join(expected)} expected, not {token!r}")
        return token

    def _wrong(self, why: str) -> Malformed:
        return Malformed(f"invalid policy string: {why}", at=self.place)
