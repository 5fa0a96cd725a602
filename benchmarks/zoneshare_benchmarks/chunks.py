"""What a chunk costs its seller beside the bare primitives."""

import hashlib
import os
from time import perf_counter

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from zoneshare.trade.wares import chunk_secret
from zoneshare_benchmarks.figure import Figure, Sample
from zoneshare_protocols.sharing import chunkcipher

SIZE = 100_000
ROUNDS = 1_500


def _encryption(first_sale: bool) -> Sample:
    """Ours and the bare primitives in turns of 50, so that both see the same machine."""
    plaintext, secret, salt, nonce = os.urandom(SIZE), os.urandom(32), os.urandom(32), bytes(12)
    keys = [os.urandom(32) for _ in range(50)]
    salted = chunkcipher.plain_hash(salt, plaintext)
    ours = bare = 0.0
    for _ in range(ROUNDS // len(keys)):
        start = perf_counter()
        for index, key in enumerate(keys):
            if first_sale:
                salted = chunkcipher.plain_hash(salt, plaintext)
            own = chunk_secret(key, index)
            chunkcipher.make_leaf(index, own, chunkcipher.encrypt(secret, own, index, plaintext), salted)
        middle = perf_counter()
        for key in keys:
            hashlib.sha256(AESGCM(key).encrypt(nonce, plaintext, None)).digest()
        bare += perf_counter() - middle
        ours += middle - start
    return Sample(bare / ours, {"ours us": ours / ROUNDS * 1e6, "bare us": bare / ROUNDS * 1e6})


FIGURES = (
    Figure(
        "chunk.encryption",
        "a 100 kB chunk of a sale encrypted, hashed and addressed, against bare AES-256-GCM and SHA-256",
        "of bare",
        "higher",
        lambda: _encryption(first_sale=False),
        goal=0.80,
    ),
    Figure(
        "chunk.encryption.first_sale",
        "the same with the plaintext's salted hash, which is made once when a file enters the catalogue",
        "of bare",
        "higher",
        lambda: _encryption(first_sale=True),
    ),
)
