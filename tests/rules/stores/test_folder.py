"""The folder store: CIDs, whole blocks, and what a full disk or a curious hand can do to it."""

import errno
import os
from pathlib import Path

import pytest

from zoneshare.stores import StoreFailed, cid, open_store
from zoneshare.stores.folder import FolderStore
from zoneshare.stores.kubo import KuboStore
from zoneshare_protocols.errors import DataCorrupt, LimitExceeded, Malformed, Misuse, NotFound
from zoneshare_protocols.sharing.records import MAX_CHUNK


def block_file(root: Path, name: str) -> Path:
    return next(root.rglob(name))


def test_what_is_put_comes_back(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "new" / "store")
    for data in (b"", b"hello world", bytes(MAX_CHUNK)):
        name = store.put(data)
        assert name == cid.of(data)
        assert store.get(name) == data
        assert store.has(name)
        assert store.put(data) == name
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p.name.startswith(".")]


def test_refusals(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    with pytest.raises(NotFound):
        store.get(cid.of(b"never put"))
    assert not store.has(cid.of(b"never put"))
    with pytest.raises(LimitExceeded):
        store.put(bytes(MAX_CHUNK + 1))
    with pytest.raises(Malformed):
        store.get("../../etc/passwd")
    (tmp_path / "file").touch()
    with pytest.raises(Misuse):
        FolderStore(tmp_path / "file")


def test_an_altered_block_is_noticed_and_put_anew(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    name = store.put(b"hello world")
    block_file(tmp_path, name).write_bytes(b"hello worle")
    with pytest.raises(DataCorrupt):
        store.get(name)
    assert not store.has(name)
    store.put(b"hello world")
    assert store.get(name) == b"hello world"


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreFailed, match="No space left"):
        store.put(b"hello world")
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_a_store_by_its_address(tmp_path: Path) -> None:
    assert isinstance(open_store("http://127.0.0.1:5001"), KuboStore)
    assert isinstance(open_store(str(tmp_path)), FolderStore)
