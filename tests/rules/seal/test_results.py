"""Poseidon, the circuits' keystream, and results sealed, encrypted and opened again."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from zoneshare_protocols.errors import BadProof, DataCorrupt, LimitExceeded, Malformed, NotFound, RuleBroken
from zoneshare_protocols.seal import poseidon
from zoneshare_protocols.seal.circuit import CIRCUITS, circuit, constants_source, decrypt, encrypt, smallest, sponge
from zoneshare_protocols.seal.poseidon import FIELD
from zoneshare_protocols.seal.results import (
    MAX_BODY,
    Locked,
    ResultContext,
    check_form,
    check_key,
    check_publishable,
    element,
    key_hash,
    lock,
    number,
    unlock,
    witness,
)

PRIVATE = X25519PrivateKey.from_private_bytes(b"p" * 32)
CONTEXT = ResultContext(b"a" * 32, 3, "ann", 1, 1, PRIVATE.public_key().public_bytes_raw())
SEED = b"s" * 32
LOCKED = lock(CONTEXT, [b"a cat"], SEED)


def test_poseidon_gives_the_published_numbers() -> None:
    """circomlib's test vectors: its hash is the first element after (0, inputs...)."""
    assert poseidon.permutation([0, 1, 2])[0] == (
        7853200120776062878684798364095072458815029376092732009249414926327459813530
    )
    assert poseidon.permutation([0, 1, 2, 3, 4])[0] == (
        18821383157269793795438455681495246036402687001665670618754263018637548127333
    )
    with pytest.raises(Malformed):
        poseidon.permutation([0] * 4)


@pytest.mark.parametrize(
    ("size", "name"),
    [(31, "result-62"), (38, "result-62"), (60, "result-434"), (400, "result-434"), (1024, "result-1054")],
)
def test_results_up_to_1_kB_are_proven_whole(size: int, name: str) -> None:
    result = bytes(range(256)) * 4
    locked = lock(CONTEXT, [result[:size]], SEED)
    assert (locked.encrypted.circuit, locked.encrypted.body) == (name, b"")
    assert unlock(locked.encrypted, locked.key, PRIVATE) == (result[:size],)
    check_publishable(locked.encrypted)


def test_a_larger_result_is_opened_by_a_proven_key() -> None:
    result = b"x" * 5000
    locked = lock(CONTEXT, [result], SEED)
    assert locked.encrypted.circuit == "result-62"
    assert unlock(locked.encrypted, locked.key, PRIVATE) == (result,)
    assert locked.encrypted.bare.hash == locked.encrypted.hash, "the body is in the digest by its own"
    for body in (b"", locked.encrypted.body + b"x", locked.encrypted.body[:-1] + b"\0"):
        with pytest.raises(Malformed):
            unlock(replace(locked.encrypted, body=body), locked.key, PRIVATE)
    with pytest.raises(LimitExceeded):
        check_publishable(lock(CONTEXT, [b"x" * MAX_BODY], SEED).encrypted)


@given(st.lists(st.binary(max_size=120), min_size=1, max_size=12), st.binary(min_size=32, max_size=32))
@settings(max_examples=25, deadline=None)
def test_every_batch_comes_out_as_it_went_in(results: list[bytes], seed: bytes) -> None:
    context = replace(CONTEXT, last=len(results))
    locked = lock(context, results, seed)
    assert unlock(locked.encrypted, locked.key, PRIVATE) == tuple(results)
    assert lock(context, results, seed) == locked, "after a crash the same seed gives the same"


def test_a_released_key_reveals_nothing_to_others() -> None:
    with pytest.raises(DataCorrupt):
        unlock(LOCKED.encrypted, LOCKED.key, X25519PrivateKey.generate())


def test_two_batches_have_nothing_in_common() -> None:
    """One result, twice, under one auction: neither hash nor ciphertext nor key can be told to be the same's."""
    other = lock(replace(CONTEXT, first=2, last=2), [b"a cat"], b"t" * 32)
    same_seed = lock(replace(CONTEXT, first=2, last=2), [b"a cat"], SEED)
    for one in (other, same_seed):
        assert one.encrypted.key_hash != LOCKED.encrypted.key_hash
        assert not set(one.encrypted.ciphertext) & set(LOCKED.encrypted.ciphertext)


@pytest.mark.parametrize(
    "change",
    [{"auction": b"b" * 32}, {"seat": 4}, {"winner": "bob"}, {"first": 2, "last": 2}, {"recipient": b"r" * 32},
     {"jobs": (b"j" * 32,)}, {"body": b"b" * 32}],
)  # fmt: skip
def test_key_hash_and_keystream_are_bound_to_all_of_the_context(change: dict[str, object]) -> None:
    moved = replace(LOCKED.encrypted, context=replace(CONTEXT, **change))
    with pytest.raises(BadProof):
        check_key(moved, LOCKED.key)
    with pytest.raises(RuleBroken):
        witness(replace(LOCKED, encrypted=moved))


def test_no_witness_for_what_does_not_belong_together() -> None:
    """Another key's ciphertext, an altered one, another key's hash: there is nothing to prove."""
    other = lock(CONTEXT, [b"a cat"], b"t" * 32)
    altered = (element((number(LOCKED.encrypted.ciphertext[0]) + 1) % FIELD), *LOCKED.encrypted.ciphertext[1:])
    for encrypted in (
        replace(LOCKED.encrypted, ciphertext=other.encrypted.ciphertext),
        replace(LOCKED.encrypted, ciphertext=altered),
        replace(LOCKED.encrypted, key_hash=other.encrypted.key_hash),
    ):
        with pytest.raises(BadProof):
            witness(Locked(encrypted, LOCKED.key))
    assert witness(LOCKED).startswith(b"wtns")


def test_garbage_of_every_kind_is_told() -> None:
    """The winner knows the key, so it can encrypt what it likes: after the release the drone sees what it is."""
    kind = circuit("result-62")
    found = sponge(kind, number(LOCKED.key), CONTEXT.element)
    for message in ([0, 0], [FIELD - 1, 5], [number(b"\xff" * 31), 0], [number(b"\0\5hello".ljust(31, b"\0")), 0]):
        ciphertext = tuple(map(element, encrypt(found.stream, message)))
        encrypted = replace(LOCKED.encrypted, ciphertext=ciphertext)
        assert witness(Locked(encrypted, LOCKED.key)), "it can be proven"
        with pytest.raises(DataCorrupt):
            unlock(encrypted, LOCKED.key, PRIVATE)
    with pytest.raises(DataCorrupt):
        unlock(replace(LOCKED.encrypted, encapsulated=b"e" * 32), LOCKED.key, PRIVATE)
    with pytest.raises(BadProof):
        decrypt(found.stream, [1, 2, 3])
    with pytest.raises(BadProof):
        unlock(LOCKED.encrypted, element(5), PRIVATE)


@pytest.mark.parametrize(
    "change",
    [
        {"circuit": "result-434"},
        {"ciphertext": LOCKED.encrypted.ciphertext[:-1]},
        {"ciphertext": (element(FIELD), *LOCKED.encrypted.ciphertext[1:])},
        {"key_hash": element(FIELD)},
        {"context": replace(CONTEXT, first=2)},
        {"context": replace(CONTEXT, jobs=(b"j" * 32,) * 2)},
    ],
)
def test_what_has_no_form_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        check_form(replace(LOCKED.encrypted, **change))


def test_bad_arguments() -> None:
    for results, seed in (([b"1", b"2"], SEED), ([], SEED), ([b"1"], b"short")):
        with pytest.raises(Malformed):
            lock(CONTEXT, results, seed)
    with pytest.raises(Malformed):
        lock(replace(CONTEXT, recipient=bytes(32)), [b"1"], SEED)
    with pytest.raises(NotFound):
        key_hash("result-9", LOCKED.key, element(1))
    with pytest.raises(BadProof):
        key_hash("result-62", element(FIELD), element(1))
    with pytest.raises(LimitExceeded):
        smallest(1055)
    with pytest.raises(Malformed):
        sponge(CIRCUITS[0], FIELD, 1)


def test_the_constants_of_the_circuits_are_the_contracts() -> None:
    text = constants_source(5)
    first = poseidon.parameters(5).constants[0][0]
    assert str(first) in text
    assert hashlib.sha256(text.encode()).hexdigest() == hashlib.sha256(constants_source(5).encode()).hexdigest()
