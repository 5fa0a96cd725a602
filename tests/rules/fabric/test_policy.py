"""Policies: the language, and evaluation against a brute force over all ways to hand out the signatures."""

from typing import Any

import pytest
from fabric_protos.common import policies_pb2
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.fabric.channel_world import msp, policy
from tests.support.memory_identity import identity
from zoneshare_protocols.errors import Malformed
from zoneshare_protocols.fabric.msp import Identity
from zoneshare_protocols.fabric.policy import ImplicitMetaPolicy, Rule, SignaturePolicy, parse_policy

ORGANISATIONS = ("Org1MSP", "Org2MSP", "Org3MSP")


def who(mspid: str, name: str = "peer", role: str = "peer") -> Identity:
    return msp(mspid).validate(identity(mspid, name, role).creator)


SIGNERS = [who(mspid, name, role) for mspid in ORGANISATIONS for name, role in (("peer", "peer"), ("admin", "admin"))]

principals = st.builds(
    "'{}.{}'".format, st.sampled_from(ORGANISATIONS), st.sampled_from(["member", "peer", "admin", "client"])
)


def gates(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    some = st.lists(parts, min_size=1, max_size=3)
    plain = st.builds(lambda gate, inner: f"{gate}({', '.join(inner)})", st.sampled_from(["AND", "or", "And"]), some)
    counted = some.flatmap(
        lambda inner: st.integers(0, len(inner) + 1).map(lambda n: f"OutOf({n}, {', '.join(inner)})")
    )
    return plain | counted


policies = gates(st.recursive(principals, gates, max_leaves=5))


def ways(rule: Any, identities: Any, signers: list[Identity], free: frozenset[int]) -> set[frozenset[int]]:
    """Every set of signers that could be used up to satisfy the rule."""
    if rule.WhichOneof("Type") == "signed_by":
        wanted = identities[rule.signed_by]
        return {frozenset([i]) for i in free if signers[i].satisfies(wanted)}
    reached: set[tuple[int, frozenset[int]]] = {(0, frozenset())}
    for part in rule.n_out_of.rules:
        reached |= {
            (met + 1, used | more) for met, used in reached for more in ways(part, identities, signers, free - used)
        }
    return {used for met, used in reached if met >= rule.n_out_of.n}


@given(policies, st.lists(st.sampled_from(SIGNERS), max_size=4))
def test_what_satisfies_could_be_handed_out(text: str, signers: list[Identity]) -> None:
    """Fabric is greedy: it may refuse what a cleverer search allows, but it never takes one signature twice."""
    envelope = parse_policy(text)
    distinct = list({one.key: one for one in signers}.values())
    if SignaturePolicy(envelope.SerializeToString()).satisfied_by(signers):
        assert ways(envelope.rule, envelope.identities, distinct, frozenset(range(len(distinct))))


def naive(rule: Any, identities: Any, signers: list[Identity]) -> bool:
    if rule.WhichOneof("Type") == "signed_by":
        return any(one.satisfies(identities[rule.signed_by]) for one in signers)
    return sum(naive(part, identities, signers) for part in rule.n_out_of.rules) >= int(rule.n_out_of.n)


@given(st.data())
def test_where_nothing_is_shared_it_is_plain_logic(data: st.DataObject) -> None:
    """Each principal named once, each signer fitting one of them: then greed costs nothing, and both must agree."""
    leaves = data.draw(st.permutations([f"'{mspid}.{role}'" for mspid in ORGANISATIONS for role in ("peer", "admin")]))
    parts = list(leaves[: data.draw(st.integers(1, 6))])
    while len(parts) > 1 or data.draw(st.booleans()):
        size = data.draw(st.integers(1, len(parts)))
        n = data.draw(st.integers(0, size))
        parts = [f"OutOf({n}, {', '.join(parts[:size])})", *parts[size:]]
    text = parts[0] if parts[0].startswith("OutOf") else f"AND({parts[0]})"
    signers = data.draw(st.lists(st.sampled_from(SIGNERS)))
    envelope = parse_policy(text)
    expected = naive(envelope.rule, envelope.identities, signers)
    assert SignaturePolicy(envelope.SerializeToString()).satisfied_by(signers) == expected


@pytest.mark.parametrize(
    ("text", "signers", "expected"),
    [
        ("AND('Org1MSP.peer', 'Org2MSP.peer')", [who("Org1MSP"), who("Org2MSP")], True),
        ("AND('Org1MSP.peer', 'Org2MSP.peer')", [who("Org1MSP")], False),
        ("AND('Org1MSP.peer', 'Org1MSP.peer')", [who("Org1MSP"), who("Org1MSP")], False),
        ("AND('Org1MSP.peer', 'Org1MSP.peer')", [who("Org1MSP"), who("Org1MSP", "peer2")], True),
        ("AND('Org1MSP.member', 'Org1MSP.peer')", [who("Org1MSP"), who("Org1MSP", "c", "client")], False),
        ("AND('Org1MSP.member', 'Org1MSP.peer')", [who("Org1MSP", "c", "client"), who("Org1MSP")], True),
        ("OR('Org1MSP.peer')", [who("Org1MSP", "c", "client")], False),
        ("OR('Org1MSP.peer')", [], False),
        ("OR(AND('Org1MSP.peer', 'Org2MSP.peer'), 'Org1MSP.peer')", [who("Org1MSP")], True),
        ("OutOf(0, 'Org1MSP.peer')", [], True),
        ("OutOf(2, 'Org1MSP.peer')", [who("Org1MSP")], False),
    ],
)
def test_fabrics_own_answers(text: str, signers: list[Identity], expected: bool) -> None:
    assert policy(text).satisfied_by(signers) is expected


@pytest.mark.parametrize(
    "text",
    [
        "", "Org1MSP.peer", "'Org1MSP.peer'", "AND()", "AND('Org1MSP.peer'", "AND('Org1MSP.peer') x", "XOR('A.peer')",
        "AND('Org1MSP.boss')", "AND(Org1MSP.peer)", "OutOf('Org1MSP.peer')", "OutOf(3, 'Org1MSP.peer')", "AND('')",
        "OutOf(-1, 'Org1MSP.peer')", "AND('A.peer',)", "AND(" * 40 + "'A.peer'" + ")" * 40,
    ],
)  # fmt: skip
def test_what_is_no_policy(text: str) -> None:
    with pytest.raises(Malformed, match="invalid policy string"):
        parse_policy(text)


def test_bytes_that_are_no_policy() -> None:
    outside = policies_pb2.SignaturePolicyEnvelope(rule=policies_pb2.SignaturePolicy(signed_by=3))
    newer = parse_policy("OR('A.peer')")
    newer.version = 1
    for data in (b"\xff", b"", outside.SerializeToString(), newer.SerializeToString()):
        with pytest.raises(Malformed):
            SignaturePolicy(data).satisfied_by([])


def test_implicit_meta() -> None:
    parts = tuple(policy(f"OR('{mspid}.peer')") for mspid in ORGANISATIONS)
    two = [who("Org1MSP"), who("Org3MSP")]
    assert ImplicitMetaPolicy(Rule.ANY, parts).satisfied_by(two[:1])
    assert not ImplicitMetaPolicy(Rule.ANY, parts).satisfied_by([])
    assert ImplicitMetaPolicy(Rule.MAJORITY, parts).satisfied_by(two)
    assert not ImplicitMetaPolicy(Rule.MAJORITY, parts).satisfied_by(two[:1])
    assert not ImplicitMetaPolicy(Rule.MAJORITY, parts[:2]).satisfied_by(two[:1])
    assert not ImplicitMetaPolicy(Rule.ALL, parts).satisfied_by(two)
    assert ImplicitMetaPolicy(Rule.ALL, parts).satisfied_by([*two, who("Org2MSP")])
