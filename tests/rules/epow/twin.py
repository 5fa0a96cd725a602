"""Another matrix with the hash of a product: XXH3 is no cryptographic hash, and nothing may rest on its being one."""

import numpy as np

from zoneshare_protocols.epow.exact import Int32

_KEYS = bytes.fromhex("b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f")
"""What XXH3's specification has the first lane of the first four stripes combined with, eight bytes each."""
_LOW = 2**32 - 1


def twin(product: Int32) -> Int32:
    """For products of 16 x 16 and more: eight cells are others, the hash is the same.

    Of the first lane's words, 64 bytes apart, XXH3 keeps two sums: of the words, and of the products of the halves of
    (word xor key). Two words are made for the sum of products, and two whose products are zero for the sum of words.
    """
    other = np.array(product, "<i4")
    words = other.reshape(-1).view("<u8")[0:32:8]
    keys = [int.from_bytes(_KEYS[start : start + 8], "little") for start in range(0, 32, 8)]
    before = [int(word) for word in words]
    plain = sum(before)
    mixed = sum(_halves(word ^ key) for word, key in zip(before, keys, strict=True)) % 2**64
    high, rest = divmod(mixed, _LOW)
    assert high <= _LOW, "one product in 2^32 has no twin of this make"
    first, second = (high << 32 | _LOW) ^ keys[0], (rest << 32 | 1) ^ keys[1]
    lacking = (plain - first - second) % 2**64
    third = (keys[2] >> 32) << 32 | (lacking - keys[3]) & _LOW
    words[:] = (first, second, third, (lacking - third) % 2**64)
    return other


def _halves(word: int) -> int:
    return (word & _LOW) * (word >> 32)
