"""What can be sold, and every file that cannot, each with one line and no change."""

import os
from pathlib import Path

import pytest

from zoneshare.trade.catalogue import Catalogue, read_chunks
from zoneshare.trade.journal import Journal
from zoneshare_protocols.errors import DataCorrupt, Misuse, NotFound
from zoneshare_protocols.sharing.chunkcipher import MAX_PLAINTEXT, data_name, plain_hash


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(Journal(tmp_path / "journal"))


def change(file: Path) -> None:
    file.write_bytes(bytes(3000))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.bin"
    path.write_bytes(os.urandom(2_500))
    return path


def test_a_file_is_named_by_its_salted_chunks(catalogue: Catalogue, file: Path) -> None:
    seen: list[int] = []
    item = catalogue.add(file, 5, 1000, seen.append)
    data = file.read_bytes()
    chunks = [data[:1000], data[1000:2000], data[2000:]]
    assert list(read_chunks(item)) == chunks
    assert item.data == data_name(plain_hash(item.salt, chunk) for chunk in chunks)
    assert catalogue.find(item.data) == item
    assert seen == [1000, 2000, 2500]
    assert item.name == "data.bin"


def test_an_unchanged_file_keeps_its_name_and_takes_the_new_price(catalogue: Catalogue, file: Path) -> None:
    first = catalogue.add(file, 5, 1000)
    again = catalogue.add(file, 7, 1000)
    assert (again.data, again.price) == (first.data, 7)
    assert catalogue.items() == [again]
    other = catalogue.add(file, 7, 500)
    assert other.data != first.data


def test_the_same_bytes_elsewhere_get_another_name(catalogue: Catalogue, file: Path) -> None:
    copy = file.with_name("copy")
    copy.write_bytes(file.read_bytes())
    assert catalogue.add(file, 5).data != catalogue.add(copy, 5).data


@pytest.mark.parametrize("what", ["missing", "folder", "empty", "price 0", "price 2^63", "chunk 0", "chunk too large"])
def test_what_cannot_be_sold(catalogue: Catalogue, file: Path, what: str) -> None:
    price, size = 1, 1000
    match what:
        case "missing":
            file.unlink()
        case "folder":
            file = file.parent
        case "empty":
            file.write_bytes(b"")
        case "price 0":
            price = 0
        case "price 2^63":
            price = 2**63
        case "chunk 0":
            size = 0
        case "chunk too large":
            size = MAX_PLAINTEXT + 1
    with pytest.raises(Misuse) as refused:
        catalogue.add(file, price, size)
    assert "\n" not in str(refused.value)
    assert catalogue.items() == []


def test_an_unreadable_file(catalogue: Catalogue, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path, mode: str = "r") -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(Misuse, match="Permission denied"):
        catalogue.add(file, 1)


def test_a_file_that_changes_while_it_is_added(catalogue: Catalogue, file: Path) -> None:
    with pytest.raises(DataCorrupt, match="changed while"):
        catalogue.add(file, 1, 1000, lambda done: change(file))
    assert catalogue.items() == []


@pytest.mark.parametrize("keep_times", [False, True])
def test_a_file_that_changed_since(catalogue: Catalogue, file: Path, keep_times: bool) -> None:
    item = catalogue.add(file, 1, 1000)
    stat = file.stat()
    data = bytearray(file.read_bytes())
    data[1500] ^= 1
    with file.open("r+b") as open_file:
        open_file.write(data)
    if keep_times:
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    else:
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    with pytest.raises(DataCorrupt, match="changed since"):
        list(read_chunks(item))


def test_a_file_that_is_gone(catalogue: Catalogue, file: Path) -> None:
    item = catalogue.add(file, 1, 1000)
    file.unlink()
    with pytest.raises(Misuse, match="no file"):
        list(read_chunks(item))


def test_a_file_that_is_offered_no_more(catalogue: Catalogue, file: Path) -> None:
    item = catalogue.add(file, 5, 1000)
    assert catalogue.remove(item.data) == item
    assert catalogue.items() == []
    with pytest.raises(NotFound, match="does not offer"):
        catalogue.remove(item.data)


def test_data_nobody_offers(catalogue: Catalogue) -> None:
    with pytest.raises(NotFound):
        catalogue.find(bytes(32))
