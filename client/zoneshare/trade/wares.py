"""B's side of one trade: its keys, leaves and envelope; encrypting, committing and uploading."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from zoneshare.stores import Store, cid
from zoneshare.trade.catalogue import Item, read_chunks
from zoneshare.trade.entries import SellerTrade
from zoneshare.trade.messages import LEAVES_PER_PAGE, Committed, Leaves
from zoneshare_protocols.codec import digest, encode
from zoneshare_protocols.errors import DataCorrupt
from zoneshare_protocols.sharing.chunkcipher import encrypt, leaves_tree, make_leaf
from zoneshare_protocols.sharing.envelope import Sealer
from zoneshare_protocols.sharing.merkle import MerkleTree
from zoneshare_protocols.sharing.records import ChunkLeaf, Commitment, Request, RevealedKey, TradeSecret

STAGED = 32 << 20
"""Bytes of a file whose ciphertexts are held from its commitment to their upload; larger ones are made twice."""
Step = Callable[[], None]
"""Called after every chunk, in the thread that works."""


class Wares:
    """One trade's goods as B has them."""

    def __init__(self, made: SellerTrade, leaves: tuple[ChunkLeaf, ...]) -> None:
        self.made, self.leaves = made, leaves
        self.trade = digest(made.commitment)

    @cached_property
    def _tree(self) -> MerkleTree:
        return leaves_tree(self.leaves)

    @cached_property
    def sealer(self) -> Sealer:
        """The HPKE context to PK_A: the secret at 0, k_i at the count of its T_i."""
        ephemeral = X25519PrivateKey.from_private_bytes(self.made.ephemeral)
        return Sealer(self.made.commitment.request.envelope_key, self.trade, ephemeral)

    def sealed_key(self, index: int) -> bytes:
        return self.sealer.seal(index + 1, chunk_secret(self.made.seed, index))

    def revealed(self, index: int) -> RevealedKey:
        """The key as the ledger takes it."""
        return RevealedKey(self.leaves[index], self._tree.path(index), chunk_secret(self.made.seed, index))

    def messages(self) -> Iterator[Committed | Leaves]:
        """What A gets before it pays."""
        sealed = self.sealer.seal(0, encode(self.made.secret))
        yield Committed(self.trade, len(self.leaves), self.sealer.enc, sealed)
        for start in range(0, len(self.leaves), LEAVES_PER_PAGE):
            yield Leaves(self.trade, self.leaves[start : start + LEAVES_PER_PAGE])


def chunk_secret(seed: bytes, index: int) -> bytes:
    """k_i: from a seed of this trade alone, so that B need not write every key down."""
    return hmac.digest(seed, b"zoneshare/chunk-key/" + index.to_bytes(8, "big"), hashlib.sha256)


def prepare(
    item: Item, request: Request, signature: bytes, bond: int, *, number: int, step: Step
) -> tuple[Wares, Sequence[bytes]]:
    """Encrypt a file for one trade, and commit to it; the ciphertexts too, or none of a file over STAGED bytes.

    Nothing leaves the device. Blocks.

    Raises DataCorrupt when the file changed since it was offered, Misuse when it is gone, Malformed for a key of A's
    that nothing can be sealed to.
    """
    secret = TradeSecret(secrets.token_bytes(32), item.salt)
    seed = secrets.token_bytes(32)
    leaves = []
    staged = []
    for index, ciphertext in enumerate(_encrypted(item, secret, seed)):
        leaves.append(make_leaf(index, chunk_secret(seed, index), ciphertext, item.hashes[index]))
        if item.size <= STAGED:
            staged.append(ciphertext)
        step()
    root = leaves_tree(leaves).root
    commitment = Commitment(request, signature, root, digest(secret), bond)
    made = SellerTrade(number, commitment, secret, seed, X25519PrivateKey.generate().private_bytes_raw())
    wares = Wares(made, tuple(leaves))
    _ = wares.sealer
    return wares, staged


def upload(item: Item, wares: Wares, staged: Sequence[bytes], store: Store, step: Step) -> None:
    """Put every ciphertext into the store, once tx5 is on the ledger: what is ``staged``, or made again.

    Blocks. Raises as ``prepare``; StoreFailed.
    """
    made = wares.made
    for index, ciphertext in enumerate(staged or _encrypted(item, made.secret, made.seed)):
        if store.put(ciphertext) != cid.from_digest(wares.leaves[index].cid):
            raise DataCorrupt("a chunk is not the one committed to", index=index)
        step()


def _encrypted(item: Item, secret: TradeSecret, seed: bytes) -> Iterator[bytes]:
    for index, chunk in enumerate(read_chunks(item)):
        yield encrypt(secret.secret, chunk_secret(seed, index), index, chunk)
