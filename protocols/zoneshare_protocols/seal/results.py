"""A winner's results on their way: sealed to the drone, encrypted under one key, bound to auction, tasks and winner.

First the results of one or more of a winner's tasks, in the order of its chain, are sealed to the drone's key (HPKE),
so that a released key reveals nothing to others. The sealed bytes are then encrypted in the circuit's elements; where
they are too many, a random AES-256-GCM key takes their place there and opens the ``body``. Proof and key hash hold for
all the tasks of the batch, and so does fairness.
"""

import hashlib
from collections.abc import Sequence
from typing import Annotated

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pyhpke import KEMKey, KEMKeyPair
from pyhpke.exceptions import OpenError

from zoneshare_protocols.codec import Digest, Key32, Name, Record, decode, digest, encode
from zoneshare_protocols.errors import BadProof, DataCorrupt, LimitExceeded, Malformed
from zoneshare_protocols.seal import circuit as circuits
from zoneshare_protocols.seal.circuit import ELEMENT_BYTES, Circuit
from zoneshare_protocols.seal.poseidon import FIELD
from zoneshare_protocols.seal.records import Positive, Seat
from zoneshare_protocols.sharing.envelope import SUITE

MAX_BODY = 1 << 16
"""Bytes of a result that may go on the ledger beside its proof."""
_INFO = b"zoneshare/seal-result-envelope/1"
_NONCE = bytes(12)
"""A body's key serves one body."""

Element = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
"""Of the field, big-endian."""


class ResultContext(Record, frozen=True, tag="zoneshare/seal-result-context/1"):
    """What key hash, ciphertext and proof are bound to: nothing of them holds for another."""

    auction: Digest
    seat: Seat
    winner: Name
    first: Positive
    """The batch: the winner's tasks ``first`` to ``last``, by their places in its chain."""
    last: Positive
    recipient: Key32
    """The X25519 key that the results are sealed to."""
    jobs: tuple[Digest, ...] = ()
    """What the winner says it has computed, one for each task; without them, it has not had the tasks' data."""
    body: Digest | None = None
    """SHA-256 of the body, where the results are too large to be proven whole."""

    @property
    def element(self) -> int:
        """What the circuit takes of it: 248 bits of its digest."""
        return int.from_bytes(digest(self)[:ELEMENT_BYTES], "big")

    @property
    def count(self) -> int:
        return self.last - self.first + 1


class EncryptedResult(Record, frozen=True, tag="zoneshare/seal-encrypted/1"):
    """C_ij of a batch, with everything that its proof is verified with."""

    context: ResultContext
    circuit: Name
    key_hash: Element
    """h_ij."""
    encapsulated: Key32
    """HPKE's; with a wrong one nothing opens, which is garbage as any other."""
    ciphertext: Annotated[tuple[Element, ...], msgspec.Meta(max_length=256)]
    """C_0 .. C_n."""
    body: bytes = b""

    @property
    def hash(self) -> bytes:
        """H(C_ij) on the ledger. The body is in it by the context's digest."""
        return digest(self.bare)

    @property
    def bare(self) -> "EncryptedResult":
        """Without the body: all that a proof needs."""
        return msgspec.structs.replace(self, body=b"")

    @property
    def public(self) -> list[int]:
        """The proof's public inputs: h, context, C."""
        return [number(self.key_hash), self.context.element, *map(number, self.ciphertext)]


class Locked(Record, frozen=True, tag="zoneshare/seal-locked/1"):
    """What the winner keeps of a batch until it releases the key."""

    encrypted: EncryptedResult
    key: Element
    """K_ij."""


def lock(context: ResultContext, results: Sequence[bytes], seed: bytes) -> Locked:
    """Seal, encrypt and hash a batch. ``seed``: 32 secret random bytes for this batch only; the same give the same.

    Raises Malformed for a seed of another size, a recipient's key that is none, or not one result a task.
    """
    if len(seed) != 32 or len(results) != context.count:
        raise Malformed("a batch has a result for each task, and a seed of 32 bytes", results=len(results))
    context = msgspec.structs.replace(context, body=None)
    encapsulated, sealed = _seal(context, encode(tuple(results)), seed)
    body = b""
    if 2 + len(sealed) > circuits.MAX_BYTES:
        inner = _derive(seed, b"body", 32)
        body = AESGCM(inner).encrypt(_NONCE, sealed, None)
        context = msgspec.structs.replace(context, body=hashlib.sha256(body).digest())
        sealed = inner
    kind = circuits.smallest(2 + len(sealed))
    key = int.from_bytes(_derive(seed, b"key", 48), "big") % FIELD
    sponge = circuits.sponge(kind, key, context.element)
    ciphertext = circuits.encrypt(sponge.stream, _pack(kind, sealed))
    elements = tuple(map(element, ciphertext))
    return Locked(EncryptedResult(context, kind.name, element(sponge.hash), encapsulated, elements, body), element(key))


def check_recipient(recipient: bytes) -> None:
    """Raises Malformed for a key that nobody can seal to (a point of low order): no winner could ever prove."""
    try:
        X25519PrivateKey.from_private_bytes(bytes(32)).exchange(X25519PublicKey.from_public_bytes(recipient))
    except ValueError as cause:
        raise Malformed("results cannot be sealed to this key", recipient=recipient.hex()) from cause


def unlock(encrypted: EncryptedResult, key: bytes, private: X25519PrivateKey) -> tuple[bytes, ...]:
    """The batch's results, by the released key and the drone's own.

    Raises BadProof for a key that is not the one of the hash, DataCorrupt for what no honest winner has encrypted;
    Malformed, NotFound for what the contract takes no proof of.
    """
    check_whole(encrypted)
    check_key(encrypted, key)
    kind = circuits.circuit(encrypted.circuit)
    sponge = circuits.sponge(kind, number(key), encrypted.context.element)
    try:
        message = circuits.decrypt(sponge.stream, list(map(number, encrypted.ciphertext)))
        sealed = _unpack(message)
        if encrypted.context.body is not None:
            sealed = AESGCM(sealed).decrypt(_NONCE, encrypted.body, None)
        context = msgspec.structs.replace(encrypted.context, body=None)
        results = decode(tuple[bytes, ...], _open(context, encrypted.encapsulated, sealed, private))
    except (BadProof, Malformed, InvalidTag, OpenError, ValueError) as cause:
        raise DataCorrupt("the encrypted result is garbage", first=encrypted.context.first) from cause
    if len(results) != encrypted.context.count:
        raise DataCorrupt("not one result for each task", results=len(results), tasks=encrypted.context.count)
    return results


def check_form(encrypted: EncryptedResult) -> None:
    """Raises Malformed or NotFound for a circuit, elements or a batch that cannot be. The body is not looked at."""
    kind = circuits.circuit(encrypted.circuit)
    context = encrypted.context
    if len(encrypted.ciphertext) != kind.elements + 1:
        raise Malformed("the ciphertext has not the circuit's size", elements=len(encrypted.ciphertext))
    if max(encrypted.public) >= FIELD:
        raise Malformed("the ciphertext has what is not an element of the field")
    if context.last < context.first or (context.jobs and len(context.jobs) != context.count):
        raise Malformed("the batch has no tasks, or not a job for each", first=context.first, last=context.last)


def check_whole(encrypted: EncryptedResult) -> None:
    """Raises Malformed, NotFound where form or body are not what the context says."""
    check_form(encrypted)
    expected = None if not encrypted.body else hashlib.sha256(encrypted.body).digest()
    if encrypted.context.body != expected:
        raise Malformed("the body is not the one of the context", bytes=len(encrypted.body))


def check_publishable(encrypted: EncryptedResult) -> None:
    """Raises what :func:`check_whole` does, and LimitExceeded for a body over MAX_BODY."""
    check_whole(encrypted)
    if len(encrypted.body) > MAX_BODY:
        raise LimitExceeded("the result is too large for the ledger", value=len(encrypted.body), limit=MAX_BODY)


def check_key(encrypted: EncryptedResult, key: bytes) -> None:
    """(13). Raises BadProof unless ``key`` hashes to h in this context."""
    if key_hash(encrypted.circuit, key, element(encrypted.context.element)) != encrypted.key_hash:
        raise BadProof("the key does not match its hash", first=encrypted.context.first)


def key_hash(name: str, key: bytes, context: bytes) -> bytes:
    """Hk(K_ij) in a context's element. Raises BadProof for a key that is no element, NotFound for the circuit."""
    if number(key) >= FIELD:
        raise BadProof("the key is not an element of the field")
    return element(circuits.sponge(circuits.circuit(name), number(key), number(context)).hash)


def witness(locked: Locked) -> bytes:
    """The ``.wtns`` file to prove with; it holds the key. Raises BadProof where hash, key and ciphertext differ."""
    kind = circuits.circuit(locked.encrypted.circuit)
    hash, context, *ciphertext = locked.encrypted.public
    if number(locked.key) >= FIELD:
        raise BadProof("the key is not an element of the field")
    return circuits.witness(kind, number(locked.key), hash, context, ciphertext)


def element(value: int) -> bytes:
    return value.to_bytes(32, "big")


def number(value: bytes) -> int:
    return int.from_bytes(value, "big")


def _derive(seed: bytes, what: bytes, size: int) -> bytes:
    return HKDF(SHA256(), size, None, b"zoneshare/seal-result/" + what).derive(seed)


def _seal(context: ResultContext, plaintext: bytes, seed: bytes) -> tuple[bytes, bytes]:
    ephemeral = X25519PrivateKey.from_private_bytes(_derive(seed, b"ephemeral", 32))
    pair = KEMKeyPair(
        KEMKey.from_pyca_cryptography_key(ephemeral), KEMKey.from_pyca_cryptography_key(ephemeral.public_key())
    )
    try:
        to = KEMKey.from_pyca_cryptography_key(X25519PublicKey.from_public_bytes(context.recipient))
        encapsulated, sender = SUITE.create_sender_context(to, info=_INFO, eks=pair)
    except ValueError as cause:
        raise Malformed("not an X25519 public key one can seal to") from cause
    return encapsulated, sender.seal(plaintext, aad=encode(context))


def _open(context: ResultContext, encapsulated: bytes, sealed: bytes, private: X25519PrivateKey) -> bytes:
    own = KEMKey.from_pyca_cryptography_key(private)
    return SUITE.create_recipient_context(encapsulated, own, info=_INFO).open(sealed, aad=encode(context))


def _pack(kind: Circuit, data: bytes) -> list[int]:
    if 2 + len(data) > kind.bytes:
        raise LimitExceeded("a message is larger than its circuit", value=len(data), limit=kind.bytes - 2)
    padded = (len(data).to_bytes(2, "big") + data).ljust(kind.bytes, b"\0")
    return [number(padded[at : at + ELEMENT_BYTES]) for at in range(0, kind.bytes, ELEMENT_BYTES)]


def _unpack(message: Sequence[int]) -> bytes:
    """Raises Malformed."""
    if max(message) >= 1 << (8 * ELEMENT_BYTES):
        raise Malformed("a message of elements that are too large")
    data = b"".join(one.to_bytes(ELEMENT_BYTES, "big") for one in message)
    size = int.from_bytes(data[:2], "big")
    if size > len(data) - 2 or any(data[2 + size :]):
        raise Malformed("a message of another length than it says")
    return data[2 : 2 + size]
