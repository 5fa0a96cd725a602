"""Accounts and money inside one zone: what works, and every refusal, which changes nothing."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.memory_identity import authority, identity
from tests.support.memory_stub import MVCC, VALID
from tests.support.memory_world import CLIENT, ISSUER, World, approve, balance, pages, refused, register
from zoneshare_protocols.codec import MAX_AMOUNT, decode
from zoneshare_protocols.errors import (
    AlreadyExists,
    BadAmount,
    BadSignature,
    InsufficientFunds,
    LimitExceeded,
    Malformed,
    NotAllowed,
    NotFound,
    ZoneshareError,
)
from zoneshare_protocols.sharing.accounts import Registration
from zoneshare_protocols.sharing.keys import envelope_key_of, sign
from zoneshare_protocols.sharing.records import Account, Issue, ZoneParameters

ALICE = identity("Org1MSP", "alice")


@pytest.fixture
def world() -> World:
    return World()


def test_registration_binds_the_keys_to_the_callers_account(world: World) -> None:
    register(world.a, ALICE)
    account = decode(Account, world.a.evaluate(CLIENT, "ledger:account", ALICE.account))
    assert account == Account(ALICE.account, ALICE.signing_key, envelope_key_of(ALICE.signing_key))
    assert len(ALICE.account) == 40
    assert world.a.evaluate(ALICE, "ledger:whoami").decode() == ALICE.account
    assert world.a.events[-1].name == "registered"


def test_an_account_is_of_one_key_in_one_organisation() -> None:
    assert identity("Org2MSP", "alice").account != ALICE.account
    assert authority("Org1MSP").issue("alice").account != ALICE.account
    renewed = authority("Org1MSP").issue("alice", key=ALICE.key)
    assert renewed.certificate != ALICE.certificate
    assert renewed.account == ALICE.account


def test_keys_change_with_a_new_proof_and_not_twice(world: World) -> None:
    register(world.a, ALICE)
    other = identity("Org1MSP", "other-keys")
    key, envelope = other.signing_key, envelope_key_of(other.signing_key)
    proof = sign(other.signing, Registration(world.a.name, ALICE.account, key, envelope))
    world.a.submit(ALICE, "ledger:register", key, envelope, proof)
    assert decode(Account, world.a.evaluate(CLIENT, "ledger:account", ALICE.account)).signing_key == key
    refused(world.a, AlreadyExists, ALICE, "ledger:register", key, envelope, proof)


@pytest.mark.parametrize("case", ["zone", "account", "key", "signature", "envelope", "small order", "short"])
def test_registration_without_possession_is_refused(world: World, case: str) -> None:
    mallory = identity("Org1MSP", "mallory")
    key, envelope = ALICE.signing_key, envelope_key_of(ALICE.signing_key)
    zone, account, signer = world.a.name, ALICE.account, ALICE.signing
    error: type[ZoneshareError] = BadSignature
    match case:
        case "zone":
            zone = world.b.name
        case "account":
            account = mallory.account
        case "key":
            signer = mallory.signing
        case "envelope":
            envelope, error = envelope_key_of(mallory.signing_key), Malformed
        case "small order":
            key, envelope, error = (2**255 - 20).to_bytes(32, "little"), bytes(32), Malformed
        case "short":
            key, error = key[:31], Malformed
    proof = sign(signer, Registration(zone, account, bytes(32) if case == "short" else key, envelope))
    if case == "signature":
        proof = bytes([proof[0] ^ 1]) + proof[1:]
    refused(world.a, error, ALICE, "ledger:register", key, envelope, proof)


def test_money_is_issued_and_transferred(world: World) -> None:
    alice, bob = world.person("alice", world.a, 100), world.person("bob", world.a)
    world.a.submit(alice, "ledger:transfer", bob.account, 30)
    assert (balance(world.a, alice), balance(world.a, bob)) == (70, 30)
    world.a.submit(alice, "ledger:transfer", alice.account, 70)
    assert balance(world.a, alice) == 70
    assert pages(world.a, "ledger:issues", Issue) == [Issue(alice.account, 100)]
    assert sorted(pages(world.a, "ledger:balances", tuple[str, int])) == sorted(
        [(alice.account, 70), (bob.account, 30)]
    )


@pytest.mark.parametrize(
    ("amount", "error"),
    [
        (0, BadAmount),
        (-1, BadAmount),
        (-(2**63), BadAmount),
        (101, InsufficientFunds),
        (MAX_AMOUNT, InsufficientFunds),
        (2**63, BadAmount),
        (2**64 - 1, BadAmount),
        (b"\xcb" + bytes(8), Malformed),
        (b"\xa11", Malformed),
        (b"\xcc\x05", Malformed),
    ],
)
def test_a_bad_amount_is_refused(world: World, amount: int | bytes, error: type[ZoneshareError]) -> None:
    alice, bob = world.person("alice", world.a, 100), world.person("bob", world.a)
    refused(world.a, error, alice, "ledger:transfer", bob.account, amount)


def test_a_balance_never_passes_the_limit(world: World) -> None:
    alice, bob = world.person("alice", world.a, MAX_AMOUNT), world.person("bob", world.a, 1)
    refused(world.a, LimitExceeded, bob, "ledger:transfer", alice.account, 1)
    refused(world.a, LimitExceeded, ISSUER, "ledger:issue", alice.account, 1)


def test_unknown_accounts_get_nothing(world: World) -> None:
    alice = world.person("alice", world.a, 100)
    refused(world.a, NotFound, alice, "ledger:transfer", "0" * 40, 1)
    refused(world.a, NotFound, ISSUER, "ledger:issue", "0" * 40, 1)
    refused(world.a, NotFound, CLIENT, "ledger:balance", "0" * 40)
    refused(world.a, NotFound, CLIENT, "ledger:account", "0" * 40)


def test_only_the_issuer_issues(world: World) -> None:
    alice = world.person("alice", world.a)
    refused(world.a, NotAllowed, alice, "ledger:issue", alice.account, 1)
    approve(world.a, "parameters", ZoneParameters(world.a.name, alice.account, 5_000, 2))
    world.a.submit(alice, "ledger:issue", alice.account, 1)
    refused(world.a, NotAllowed, ISSUER, "ledger:issue", alice.account, 1)


def test_two_transfers_of_the_same_money_commit_once(world: World) -> None:
    alice, bob = world.person("alice", world.a, 100), world.person("bob", world.a)
    both = [world.a.endorse(alice, "ledger:transfer", bob.account, 100) for _ in range(2)]
    assert [world.a.commit(each) for each in both] == [VALID, MVCC]
    assert balance(world.a, bob) == 100


def test_issues_to_different_accounts_do_not_conflict(world: World) -> None:
    people = [world.person(name, world.a) for name in ("alice", "bob", "carol")]
    issues = [world.a.endorse(ISSUER, "ledger:issue", who.account, 5) for who in people]
    assert [world.a.commit(each) for each in issues] == [VALID] * 3


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from([-1, 0, 1, 7, 99, 100, MAX_AMOUNT, 2**63])),
        max_size=12,
    )
)
def test_transfers_conserve(moves: list[tuple[int, int, int]]) -> None:
    world = World()
    people = [world.person(name, world.a, 100) for name in ("alice", "bob", "carol")]
    for source, to, amount in moves:
        before = world.a.snapshot()
        try:
            world.a.submit(people[source], "ledger:transfer", people[to].account, amount)
        except ZoneshareError:
            assert world.a.snapshot() == before
        balances = [balance(world.a, who) for who in people]
        assert sum(balances) == 300
        assert min(balances) >= 0
