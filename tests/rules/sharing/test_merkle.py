import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoneshare_protocols.errors import BadProof, Malformed, Misuse
from zoneshare_protocols.sharing.merkle import MerkleTree, leaf_hash, verify


def rfc6962_root(leaves: list[bytes]) -> bytes:
    """The readable definition (RFC 6962, 2.1), by recursion: the fast tree must agree with it."""
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + rfc6962_root(leaves[:split]) + rfc6962_root(leaves[split:])).digest()


# The leaves of Certificate Transparency's reference tests, and the roots of the first n of them.
CT_LEAVES = [bytes.fromhex(h) for h in ("", "00", "10", "2021", "3031", "40414243")]
CT_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
}


@pytest.mark.parametrize("size", CT_ROOTS)
def test_published_roots(size: int) -> None:
    assert MerkleTree(CT_LEAVES[:size]).root.hex() == CT_ROOTS[size]


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=70))
def test_the_fast_tree_is_the_readable_one_and_every_leaf_verifies(leaves: list[bytes]) -> None:
    tree = MerkleTree(leaves)
    assert tree.root == rfc6962_root(leaves)
    assert len(tree) == len(leaves)
    for i, leaf in enumerate(leaves):
        verify(tree.root, len(leaves), i, leaf, tree.path(i))


@given(st.data(), st.integers(2, 40))
def test_nothing_else_verifies(data: st.DataObject, size: int) -> None:
    leaves = [bytes([i]) for i in range(size)]
    tree, i = MerkleTree(leaves), data.draw(st.integers(0, size - 1))
    path = tree.path(i)
    other = data.draw(st.integers(0, size - 1).filter(lambda j: j != i))
    forged: list[tuple[bytes, int, int, bytes, tuple[bytes, ...]]] = [
        (tree.root, size, i, leaves[other], path),
        (tree.root, size, other, leaves[i], path),
        (tree.root, size, i, leaves[i], (*path, bytes(32))),
        (tree.root, size, i, leaves[i], path[:-1]),
        (bytes(32), size, i, leaves[i], path),
        (tree.root, size, size, leaves[i], path),
        (tree.root, size, -1, leaves[i], path),
        (tree.root, 0, 0, leaves[i], path),
    ]
    for case in forged:
        with pytest.raises(BadProof):
            verify(*case)


def test_a_node_is_no_leaf() -> None:
    tree = MerkleTree([b"a", b"b"])
    inner = leaf_hash(b"a") + leaf_hash(b"b")
    with pytest.raises(BadProof):
        verify(tree.root, 1, 0, inner, ())


def test_no_leaves_and_no_such_leaf() -> None:
    with pytest.raises(Malformed):
        MerkleTree([])
    with pytest.raises(Misuse):
        MerkleTree([b"a"]).path(1)
