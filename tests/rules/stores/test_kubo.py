"""The kubo adapter against a server that answers as kubo's RPC does, and misbehaves when told to."""

from collections.abc import Iterator

import pytest

from tests.support.kubo import Kubo, serving
from zoneshare.stores import StoreFailed, cid
from zoneshare.stores.kubo import KuboStore
from zoneshare_protocols.errors import DataCorrupt, LimitExceeded, NotFound
from zoneshare_protocols.sharing.records import MAX_CHUNK


@pytest.fixture
def kubo() -> Iterator[Kubo]:
    with serving() as server:
        yield server


def test_what_is_put_comes_back(kubo: Kubo) -> None:
    store = KuboStore(kubo.url + "/")
    data = bytes(range(256)) * 40
    name = store.put(data)
    assert name == cid.of(data)
    assert kubo.blocks == {name: data}
    assert store.get(name) == data
    assert store.has(name)
    assert not store.has(cid.of(b"never put"))


def test_a_block_that_is_not_there(kubo: Kubo) -> None:
    with pytest.raises(NotFound):
        KuboStore(kubo.url).get(cid.of(b"never put"))


def test_an_altered_block(kubo: Kubo) -> None:
    kubo.blocks[cid.of(b"right")] = b"wrong"
    with pytest.raises(DataCorrupt):
        KuboStore(kubo.url).get(cid.of(b"right"))


@pytest.mark.parametrize(
    ("lie", "error", "words"),
    [
        ("other cid", DataCorrupt, "not what its CID names"),
        ("no json", StoreFailed, "cannot be understood"),
        ("full", StoreFailed, "no space left"),
        ("silent", StoreFailed, "did not answer block/put within"),
    ],
)
def test_put_when_kubo_misbehaves(kubo: Kubo, lie: str, error: type[Exception], words: str) -> None:
    kubo.lie = lie
    with pytest.raises(error, match=words):
        KuboStore(kubo.url, timeout=0.2).put(b"data")


def test_a_flood_is_cut_off(kubo: Kubo) -> None:
    store = KuboStore(kubo.url)
    name = store.put(b"data")
    kubo.lie = "flood"
    with pytest.raises(DataCorrupt, match="more than a block"):
        store.get(name)


def test_nobody_listens(kubo: Kubo) -> None:
    with pytest.raises(StoreFailed, match="cannot be reached"):
        KuboStore("http://127.0.0.1:1").put(b"data")


def test_too_large(kubo: Kubo) -> None:
    with pytest.raises(LimitExceeded):
        KuboStore(kubo.url).put(bytes(MAX_CHUNK + 1))
