"""How a chunk is encrypted, addressed and committed to, and how it is found to be garbage.

k_i is 32 random bytes, released for T_i. The AES-256-GCM key follows from (s, k_i, i) by HKDF-SHA-256, where s is the
trade's secret that A alone has: k_i, made public by a unilateral close, opens nothing for anybody else.
"""

import hashlib
from collections.abc import Iterable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from zoneshare_protocols.codec import digest, encode
from zoneshare_protocols.errors import BadProof, DataCorrupt, LimitExceeded
from zoneshare_protocols.sharing.merkle import MerkleTree, verify
from zoneshare_protocols.sharing.records import MAX_CHUNK, ChunkLeaf, Commitment, RevealedKey, TradeSecret

TAG = 16
"""Bytes of ciphertext beyond the plaintext's."""
MAX_PLAINTEXT = MAX_CHUNK - TAG
# A cipher key encrypts one chunk once, so that the nonce can be constant.
_NONCE = bytes(12)


def key_hash(key: bytes) -> bytes:
    """H(k_i), the hash lock of T_i."""
    return hashlib.sha256(b"zoneshare/chunk-key/1" + key).digest()


def plain_hash(salt: bytes, plaintext: bytes) -> bytes:
    """The salted hash of a chunk's plaintext."""
    salted = hashlib.sha256(b"zoneshare/plaintext/1" + salt)
    salted.update(plaintext)
    return salted.digest()


def data_name(plain_hashes: Iterable[bytes]) -> bytes:
    """D: the Merkle root over the chunks' salted plaintext hashes, in order."""
    return MerkleTree(plain_hashes).root


def _cipher(secret: bytes, key: bytes, index: int) -> AESGCM:
    info = b"zoneshare/chunk-cipher/1" + index.to_bytes(8, "big")
    return AESGCM(HKDF(SHA256(), 32, None, info).derive(secret + key))


def encrypt(secret: bytes, key: bytes, index: int, plaintext: bytes) -> bytes:
    """The ciphertext of chunk ``index``; ``key`` must never be used for another. Raises LimitExceeded over 1 MiB."""
    if len(plaintext) > MAX_PLAINTEXT:
        raise LimitExceeded("the chunk is too large", value=len(plaintext), limit=MAX_PLAINTEXT)
    return _cipher(secret, key, index).encrypt(_NONCE, plaintext, None)


def decrypt(secret: bytes, key: bytes, index: int, ciphertext: bytes) -> bytes:
    """The plaintext. Raises DataCorrupt when the key does not open the ciphertext."""
    try:
        return _cipher(secret, key, index).decrypt(_NONCE, ciphertext, None)
    except InvalidTag as cause:
        raise DataCorrupt("the key does not open the chunk", index=index) from cause


def cid_digest(ciphertext: bytes) -> bytes:
    """SHA-256 of the ciphertext: the digest inside its CID (CIDv1, raw)."""
    return hashlib.sha256(ciphertext).digest()


def make_leaf(index: int, key: bytes, ciphertext: bytes, salted: bytes) -> ChunkLeaf:
    """B's commitment to one chunk; ``salted`` is its :func:`plain_hash`, made when the file entered the catalogue."""
    return ChunkLeaf(index, cid_digest(ciphertext), key_hash(key), salted, len(ciphertext))


def leaves_tree(leaves: Iterable[ChunkLeaf]) -> MerkleTree:
    """The tree whose root tx5 commits to."""
    return MerkleTree(map(encode, leaves))


def check_leaves(commitment: Commitment, leaves: Sequence[ChunkLeaf], secret: TradeSecret) -> None:
    """What A checks before it pays anything: the leaves are those tx5 commits to, and they are the data asked for.

    Raises BadProof.
    """
    request = commitment.request
    if digest(secret) != commitment.secret_hash:
        raise BadProof("the trade's secret is not the one committed to")
    if len(leaves) != request.chunks or any(leaf.index != i for i, leaf in enumerate(leaves)):
        raise BadProof("the leaves are not the chunks asked for", chunks=request.chunks, leaves=len(leaves))
    if leaves_tree(leaves).root != commitment.root:
        raise BadProof("the leaves are not those committed to")
    if data_name(leaf.plain_hash for leaf in leaves) != request.data:
        raise BadProof("the leaves are not of the data asked for")


def check_sizes(leaves: Sequence[ChunkLeaf], size: int, chunk_size: int) -> None:
    """Whether the chunks put together are a file of ``size`` bytes, ``chunk_size`` each but for the last: D says only
    what is in them. Raises BadProof."""
    *full, last = (leaf.size - TAG for leaf in leaves)
    if any(each != chunk_size for each in full) or last > chunk_size or len(full) * chunk_size + last != size:
        raise BadProof("the chunks are not of the size offered", size=size, chunk_size=chunk_size)


def check_revealed(commitment: Commitment, revealed: RevealedKey) -> None:
    """Raises BadProof unless ``revealed`` is the key tx5 commits to for its chunk."""
    leaf = revealed.leaf
    verify(commitment.root, commitment.request.chunks, leaf.index, encode(leaf), revealed.path)
    if key_hash(revealed.key) != leaf.key_hash:
        raise BadProof("the key is not the one committed to", index=leaf.index)


def open_chunk(leaf: ChunkLeaf, secret: TradeSecret, key: bytes, ciphertext: bytes) -> bytes:
    """The plaintext B committed to. Raises BadProof for another ciphertext or key, DataCorrupt when B sold garbage."""
    if cid_digest(ciphertext) != leaf.cid:
        raise BadProof("the ciphertext is not the one committed to", index=leaf.index)
    if key_hash(key) != leaf.key_hash:
        raise BadProof("the key is not the one committed to", index=leaf.index)
    plaintext = decrypt(secret.secret, key, leaf.index, ciphertext)
    if plain_hash(secret.salt, plaintext) != leaf.plain_hash:
        raise DataCorrupt("the chunk is not the data committed to", index=leaf.index)
    return plaintext
