import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoneshare_protocols.codec import digest
from zoneshare_protocols.errors import BadProof, DataCorrupt, LimitExceeded
from zoneshare_protocols.sharing.chunkcipher import (
    MAX_PLAINTEXT,
    TAG,
    check_leaves,
    check_revealed,
    cid_digest,
    data_name,
    decrypt,
    encrypt,
    key_hash,
    leaves_tree,
    make_leaf,
    open_chunk,
    plain_hash,
)
from zoneshare_protocols.sharing.records import MAX_CHUNK, ChunkLeaf, Commitment, Request, RevealedKey, TradeSecret

SECRET = TradeSecret(b"s" * 32, b"t" * 32)
KEYS = [bytes([i]) * 32 for i in range(5)]
PLAIN = [b"chunk %d" % i for i in range(5)]
CIPHER = [encrypt(SECRET.secret, k, i, p) for i, (k, p) in enumerate(zip(KEYS, PLAIN, strict=True))]
HASHES = [plain_hash(SECRET.salt, p) for p in PLAIN]
LEAVES = [make_leaf(i, KEYS[i], CIPHER[i], HASHES[i]) for i in range(5)]
TREE = leaves_tree(LEAVES)


def commitment(**changes: object) -> Commitment:
    request = Request("channel", data_name(HASHES), bytes(32), 3, 5, bytes(16))
    fields = {
        "request": request,
        "request_signature": bytes(64),
        "root": TREE.root,
        "secret_hash": digest(SECRET),
        "bond": 0,
    }
    return Commitment(**(fields | changes))  # type: ignore[arg-type]  # fields by name


@given(st.binary(max_size=300), st.integers(0, 2**40), st.binary(min_size=32, max_size=32))
def test_what_was_encrypted_opens_with_the_same_three_and_nothing_else(data: bytes, index: int, key: bytes) -> None:
    sealed = encrypt(SECRET.secret, key, index, data)
    assert len(sealed) == len(data) + TAG
    assert decrypt(SECRET.secret, key, index, sealed) == data
    flipped = bytes([key[0] ^ 1]) + key[1:]
    for secret, other_key, other_index, text in [
        (SECRET.salt, key, index, sealed),
        (SECRET.secret, flipped, index, sealed),
        (SECRET.secret, key, index + 1, sealed),
        (SECRET.secret, key, index, bytes([sealed[0] ^ 1]) + sealed[1:]),
        (SECRET.secret, key, index, sealed[:-1]),
        (SECRET.secret, key, index, b""),
    ]:
        with pytest.raises(DataCorrupt):
            decrypt(secret, other_key, other_index, text)


def test_a_public_key_alone_opens_nothing() -> None:
    for guess in (bytes(32), KEYS[0], SECRET.salt):
        with pytest.raises(DataCorrupt):
            decrypt(guess, KEYS[0], 0, CIPHER[0])


def test_the_largest_chunk_fits_a_block_and_one_byte_more_does_not() -> None:
    assert len(encrypt(bytes(32), bytes(32), 0, bytes(MAX_PLAINTEXT))) == MAX_CHUNK
    with pytest.raises(LimitExceeded):
        encrypt(bytes(32), bytes(32), 0, bytes(MAX_PLAINTEXT + 1))


def test_hashes_are_domain_separated_and_salted() -> None:
    same = b"x" * 32
    assert len({key_hash(same), plain_hash(same, b""), cid_digest(same)}) == 3
    assert plain_hash(bytes(32), b"yes") != plain_hash(SECRET.salt, b"yes")


def test_the_payer_finds_leaves_that_are_not_what_it_asked_for() -> None:
    check_leaves(commitment(), LEAVES, SECRET)
    swapped = [LEAVES[1], LEAVES[0], *LEAVES[2:]]
    renumbered = [make_leaf(i, KEYS[j], CIPHER[j], HASHES[j]) for i, j in enumerate((1, 0, 2, 3, 4))]
    forged = ChunkLeaf(0, bytes(32), LEAVES[0].key_hash, HASHES[0], LEAVES[0].size)
    for wrong, leaves, secret in [
        (commitment(), LEAVES[:-1], SECRET),
        (commitment(), [*LEAVES, LEAVES[4]], SECRET),
        (commitment(), swapped, SECRET),
        (commitment(), [forged, *LEAVES[1:]], SECRET),
        (commitment(root=leaves_tree(renumbered).root), renumbered, SECRET),
        (commitment(), LEAVES, TradeSecret(bytes(32), SECRET.salt)),
        (commitment(secret_hash=bytes(32)), LEAVES, SECRET),
        (commitment(root=bytes(32)), LEAVES, SECRET),
    ]:
        with pytest.raises(BadProof):
            check_leaves(wrong, leaves, secret)


def test_a_revealed_key_is_of_one_leaf_of_one_trade() -> None:
    right = RevealedKey(LEAVES[2], TREE.path(2), KEYS[2])
    check_revealed(commitment(), right)
    for wrong in [
        RevealedKey(LEAVES[2], TREE.path(2), KEYS[1]),
        RevealedKey(LEAVES[2], TREE.path(1), KEYS[2]),
        RevealedKey(LEAVES[2], (), KEYS[2]),
        RevealedKey(LEAVES[1], TREE.path(2), KEYS[1]),
        RevealedKey(ChunkLeaf(2, LEAVES[2].cid, key_hash(bytes(32)), HASHES[2], 1), TREE.path(2), bytes(32)),
    ]:
        with pytest.raises(BadProof):
            check_revealed(commitment(), wrong)


def test_open_chunk_tells_garbage_from_a_mix_up() -> None:
    assert open_chunk(LEAVES[1], SECRET, KEYS[1], CIPHER[1]) == PLAIN[1]
    with pytest.raises(BadProof):
        open_chunk(LEAVES[1], SECRET, KEYS[1], CIPHER[2])
    with pytest.raises(BadProof):
        open_chunk(LEAVES[1], SECRET, KEYS[2], CIPHER[1])
    other = encrypt(SECRET.secret, KEYS[1], 1, b"something else")
    with pytest.raises(DataCorrupt):
        open_chunk(make_leaf(1, KEYS[1], other, HASHES[1]), SECRET, KEYS[1], other)
    broken = CIPHER[1][:-1] + b"?"
    with pytest.raises(DataCorrupt):
        open_chunk(make_leaf(1, KEYS[1], broken, HASHES[1]), SECRET, KEYS[1], broken)
