"""Merkle trees as in RFC 6962: leaves and nodes are hashed under different prefixes, an odd node moves up unhashed."""

import hashlib
from collections.abc import Iterable

from zoneshare_protocols.errors import BadProof, Malformed, Misuse

_LEAF = b"\x00"
_NODE = b"\x01"


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(_LEAF + data).digest()


class MerkleTree:
    """All levels of the tree over ``leaves`` (at least one), lowest first.

    >>> tree = MerkleTree([b"a", b"b", b"c"])
    >>> verify(tree.root, 3, 1, b"b", tree.path(1))
    """

    def __init__(self, leaves: Iterable[bytes]) -> None:
        sha256 = hashlib.sha256
        level = [sha256(_LEAF + leaf).digest() for leaf in leaves]
        if not level:
            raise Malformed("a Merkle tree needs a leaf")
        self._levels = [level]
        while len(level) > 1:
            pairs = zip(level[::2], level[1::2], strict=False)
            above = [sha256(_NODE + left + right).digest() for left, right in pairs]
            if len(level) % 2:
                above.append(level[-1])
            self._levels.append(above)
            level = above

    @property
    def root(self) -> bytes:
        return self._levels[-1][0]

    def __len__(self) -> int:
        return len(self._levels[0])

    def path(self, index: int) -> tuple[bytes, ...]:
        """The siblings from leaf ``index`` up to the root. Raises Misuse when there is no such leaf."""
        if not 0 <= index < len(self):
            raise Misuse("no such leaf", index=index, leaves=len(self))
        siblings = []
        for level in self._levels[:-1]:
            beside = index ^ 1
            if beside < len(level):
                siblings.append(level[beside])
            index >>= 1
        return tuple(siblings)


def verify(root: bytes, size: int, index: int, leaf: bytes, path: tuple[bytes, ...]) -> None:
    """Raises BadProof unless ``leaf`` stands at ``index`` of the tree of ``size`` leaves under ``root``."""
    if not 0 <= index < size:
        raise BadProof("no such leaf in the tree", index=index, leaves=size)
    node, last, steps = leaf_hash(leaf), size - 1, iter(path)
    while last:
        if index & 1 or index < last:
            sibling = next(steps, None)
            if sibling is None:
                raise BadProof("the Merkle path is too short", index=index)
            pair = sibling + node if index & 1 else node + sibling
            node = hashlib.sha256(_NODE + pair).digest()
        index >>= 1
        last >>= 1
    if next(steps, None) is not None:
        raise BadProof("the Merkle path is too long", index=index)
    if node != root:
        raise BadProof("the Merkle path does not lead to the root", index=index)
