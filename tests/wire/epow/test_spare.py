"""Files of tasks that are over are written over, but none that somebody still reads or writes."""

import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from tests.wire.epow.rig import int8
from zoneshare.epow import files, incoming
from zoneshare.epow import spare as spare_module
from zoneshare.epow.book import Book
from zoneshare.epow.files import Files
from zoneshare.epow.incoming import Incoming
from zoneshare.epow.matrices import matrix_pieces
from zoneshare.epow.spare import Spare
from zoneshare_protocols.epow.exact import Int8
from zoneshare_protocols.epow.hashing import matrix_hash
from zoneshare_protocols.epow.layout import Layout
from zoneshare_protocols.epow.plan import describe
from zoneshare_protocols.errors import DataCorrupt

RNG = np.random.default_rng(47)
ROOM = 1 << 22
DiskUsage = namedtuple("DiskUsage", "total used free")
ONE, OTHER = bytes(32), bytes(31) + b"\x01"


def made(path: Path, size: int) -> Path:
    path.write_bytes(os.urandom(size))
    return path


def bring(book: Book, task: bytes, matrix: Int8) -> Path:
    path = book.files.matrix_path(task, "m0")
    with book.files.incoming(task, describe(matrix)) as incoming:
        send(incoming, matrix)
        incoming.finish([path])
    return path


def send(incoming: Incoming, matrix: Int8) -> None:
    for piece in matrix_pieces(matrix_hash(matrix), matrix):
        incoming.add(piece)


def test_the_file_nearest_in_size_is_taken_and_has_the_size_that_is_asked_for(tmp_path: Path) -> None:
    spare = Spare(tmp_path / "spare", ROOM)
    inodes = {}
    for size in (100, 300, 900):
        path = made(tmp_path / f"old{size}", size)
        inodes[size] = path.stat().st_ino
        spare.give(path)
        assert not path.exists()
    for size, best in ((320, 300), (49, None), (449, 100), (450, 900)):
        path = tmp_path / f"new{size}"
        spare.take(path, size)
        assert path.stat().st_size == size
        assert best is None or path.stat().st_ino == inodes[best]
        assert best is not None or path.stat().st_ino not in inodes.values()
    assert not list((tmp_path / "spare").iterdir())


def test_a_file_that_is_there_is_replaced(tmp_path: Path) -> None:
    spare = Spare(tmp_path / "spare", ROOM)
    path = made(tmp_path / "file", 500)
    spare.take(path, 200)
    assert path.stat().st_size == 200
    spare.give(made(tmp_path / "old", 300))
    spare.take(path, 310)
    assert path.stat().st_size == 310


def test_over_its_limit_the_oldest_are_deleted_also_after_a_restart(tmp_path: Path) -> None:
    spare = Spare(tmp_path / "spare", 1000)
    for number, size in enumerate((400, 1, 500, 300)):
        spare.give(made(tmp_path / str(number), size))
    spare.give(made(tmp_path / "larger than all", 1001))
    assert sizes(tmp_path / "spare") == [1, 300, 500]
    made(tmp_path / "spare" / "notes.txt", 5000)
    Spare(tmp_path / "spare", 800)
    assert sizes(tmp_path / "spare") == [300, 500, 5000]
    Spare(tmp_path / "spare", 799)
    assert sizes(tmp_path / "spare") == [300, 5000]
    again = Spare(tmp_path / "spare", 799)
    again.give(made(tmp_path / "file", 400))
    assert sizes(tmp_path / "spare") == [300, 400, 5000]
    Spare(tmp_path / "spare", 0)
    assert sizes(tmp_path / "spare") == [5000]


def sizes(folder: Path) -> list[int]:
    return sorted(path.stat().st_size for path in folder.iterdir())


def test_a_tasks_file_is_written_over_by_the_next_task(tmp_path: Path) -> None:
    book = Book(tmp_path, spare=ROOM)
    inode = bring(book, ONE, int8(RNG, 9, 70)).stat().st_ino
    book.files.load_matrix(ONE, "m0")
    book.forget(ONE)
    matrix = int8(RNG, 8, 70)
    assert bring(book, OTHER, matrix).stat().st_ino == inode
    assert np.array_equal(book.files.load_matrix(OTHER, "m0"), matrix)
    book.close()


@pytest.mark.parametrize("how", ["whole", "some rows", "cells"])
def test_a_file_that_is_read_is_not_written_over(tmp_path: Path, how: str) -> None:
    book = Book(tmp_path, spare=ROOM)
    matrix = int8(RNG, 9, 70)
    bring(book, ONE, matrix)
    whole = book.files.load_matrix(ONE, "m0")
    read = {"whole": whole, "some rows": whole[2:7].view(np.uint8), "cells": np.frombuffer(whole.data, np.int16)}[how]
    before = read.copy()
    del whole
    book.forget(ONE)
    assert not (tmp_path / "spare").exists()
    bring(book, OTHER, int8(RNG, 9, 70))
    assert np.array_equal(read, before)
    book.close()


def test_a_matrix_that_comes_a_second_time_is_not_mixed_with_another_tasks(tmp_path: Path) -> None:
    book = Book(tmp_path, spare=ROOM)
    first, second = int8(RNG, 1100, 1000), int8(RNG, 1100, 1000)
    pieces = list(matrix_pieces(matrix_hash(first), first))
    with book.files.incoming(ONE, describe(first)) as late:
        late.add(pieces[0])
        bring(book, ONE, first)
        read = book.files.load_matrix(ONE, "m0")
        book.forget(ONE)
        bring(book, OTHER, second)
        late.add(pieces[1])
    assert np.array_equal(book.files.load_matrix(OTHER, "m0"), second)
    assert np.array_equal(read, first)
    book.close()


def test_a_copy_that_is_late_is_not_mixed_with_another_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A matrix that a task has twice is copied; the task is over meanwhile."""
    book = Book(tmp_path, spare=ROOM)
    first, second = int8(RNG, 9, 70), int8(RNG, 9, 70)
    copyfile = shutil.copyfile

    def late(source: Path, target: Path) -> None:
        copyfile(source, target)
        with target.open("r+b") as copied:
            bring(book, OTHER, second)
            book.forget(ONE)
            book.files.save_matrix(OTHER, "r1", (9, 70), iter([second]))
            book.files.save_matrix(OTHER, "r2", (9, 70), iter([second]))
            copied.write(b"late" * 100)
        raise OSError("gone")

    bring(book, ONE, first)
    monkeypatch.setattr(shutil, "copyfile", late)
    with book.files.incoming(ONE, describe(first)) as again:
        send(again, first)
        with pytest.raises(OSError, match="gone"):
            again.finish([book.files.matrix_path(ONE, "m0"), book.files.matrix_path(ONE, "m1")])
    for name in ("m0", "r1", "r2"):
        assert np.array_equal(book.files.load_matrix(OTHER, name), second)
    book.close()


def test_a_matrix_of_too_few_rows_is_not_filled_with_what_was_in_the_file(tmp_path: Path) -> None:
    book = Book(tmp_path, spare=ROOM)
    bring(book, ONE, int8(RNG, 9, 70))
    with pytest.raises(DataCorrupt):
        book.files.save_matrix(ONE, "r1", (10, 70), iter([int8(RNG, 9, 70)]))
    assert not book.files.matrix_path(ONE, "r1").exists()
    book.close()


def test_a_matrix_that_is_not_complete_is_not_kept(tmp_path: Path) -> None:
    book = Book(tmp_path, spare=ROOM)
    matrix = int8(RNG, 1100, 1000)
    with book.files.incoming(ONE, describe(matrix)) as incoming:
        for piece in [None, *list(matrix_pieces(matrix_hash(matrix), matrix))[:1]]:
            if piece is not None:
                incoming.add(piece)
            with pytest.raises(DataCorrupt):
                incoming.finish([book.files.matrix_path(ONE, "m0")])
    assert not list(tmp_path.glob("tasks/*/*"))
    book.close()


def test_sums_that_are_read_are_not_begun_anew_in_place(tmp_path: Path) -> None:
    book, layout = Book(tmp_path, spare=ROOM), Layout(8, 8, 8, 4)
    bring(book, ONE, int8(RNG, 8, 8))
    read = []
    for value in (7, 9):
        book.files.begin_sums(ONE, 0, layout)
        book.files.save_sum(ONE, 0, 1, np.full((4, 4), value, np.int32))
        read.append(book.files.sums(ONE, 0, layout.runs, 4))
    assert [int(sums[1, 3, 3]) for sums in read] == [7, 9]
    book.close()


def test_names_are_on_the_disk_before_the_journal_counts_on_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is written over has its size already: writing it brings no name to the disk."""
    synced: list[set[str]] = []

    def sync(folder: Path) -> None:
        synced.append({path.name for path in folder.iterdir() if not path.name.startswith(".")})

    monkeypatch.setattr(files, "sync", sync)
    monkeypatch.setattr(incoming, "sync", sync)
    book = Book(tmp_path, spare=ROOM)
    bring(book, ONE, int8(RNG, 8, 8))
    book.files.begin_sums(ONE, 0, Layout(8, 8, 8, 4))
    book.files.save_matrix(ONE, "r1", (8, 8), iter([int8(RNG, 8, 8)]))
    assert synced == [{ONE.hex()}, {"m0.npy"}, {"m0.npy", "sums0"}, {"m0.npy", "sums0", "r1.npy"}]
    book.close()


def test_spare_files_on_another_disk_or_deleted_by_hand_cost_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare = Spare(tmp_path / "spare", 1000)
    spare.give(made(tmp_path / "old", 500))
    shutil.rmtree(tmp_path / "spare")
    spare.take(tmp_path / "new", 600)
    assert (tmp_path / "new").stat().st_size == 600
    for _ in range(2):
        spare.give(made(tmp_path / "old", 500))
        shutil.rmtree(tmp_path / "spare")
    spare.give(made(tmp_path / "old", 900))
    assert sizes(tmp_path / "spare") == [900]

    def other_disk(path: Path, to: Path) -> None:
        raise OSError(errno.EXDEV, "another disk")

    monkeypatch.setattr(Path, "rename", other_disk)
    spare.take(tmp_path / "newer", 900)
    assert (tmp_path / "newer").stat().st_size == 900
    spare.give(tmp_path / "newer")
    assert not (tmp_path / "newer").exists()


def test_a_disk_that_is_full_gets_what_is_spare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spare = Spare(tmp_path / "spare", ROOM)
    for number, size in enumerate((500, 400, 300, 90)):
        spare.give(made(tmp_path / str(number), size))

    def usage(_: Path) -> tuple[int, int, int]:
        return DiskUsage(10_000, 0, 2000 - sum(sizes(tmp_path / "spare")))

    monkeypatch.setattr(shutil, "disk_usage", usage)
    spare.take(tmp_path / "new", 100)
    assert sizes(tmp_path / "spare") == [300, 400, 500]
    spare.take(tmp_path / "small", 40)
    assert sizes(tmp_path / "spare") == [300, 400, 500]
    spare.take(tmp_path / "large", 1850)
    assert sizes(tmp_path / "spare") == [300]


def test_small_files_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spare = Spare(tmp_path / "spare", ROOM)
    monkeypatch.setattr(spare_module, "LEAST", 100)
    spare.give(made(tmp_path / "small", 99))
    spare.give(made(tmp_path / "large", 100))
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(5000)  # nothing was ever written: there is nothing to write over
    spare.give(tmp_path / "sparse")
    assert sizes(tmp_path / "spare") == [100]
    spare.take(tmp_path / "new", 99)
    assert sizes(tmp_path / "spare") == [100]


def test_what_is_not_a_coordinators_stays(tmp_path: Path) -> None:
    mine = [
        "tasks/notes.txt",
        "tasks/backup/old/m0.npy",
        "tasks/backup/m0.npy",
        "spare/notes.txt",
        "spare/5/file",
        "target",
    ]
    for name in mine:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        made(tmp_path / name, 100)
    left = tmp_path / "tasks" / ONE.hex()
    left.mkdir()
    (left / "m0.npy").symlink_to(tmp_path / "target")
    (left / "m1.npy").symlink_to(tmp_path / "nowhere")
    (left / "folder").mkdir()
    for name in ("007", "²"):
        made(tmp_path / "spare" / name, 100)
    book = Book(tmp_path, spare=ROOM)
    assert not left.exists()
    for _ in range(2):
        bring(book, OTHER, int8(RNG, 5, 10))
        book.forget(OTHER)
    book.close()
    for name in mine:
        assert (tmp_path / name).stat().st_size == 100
    Book(tmp_path).close()


def test_a_book_that_does_not_open_is_nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Files, task: bytes) -> None:
        raise PermissionError("no")

    bring(book := Book(tmp_path), ONE, int8(RNG, 5, 10))
    book.close()
    with monkeypatch.context() as patched:
        patched.setattr(Files, "drop", fail)
        with pytest.raises(PermissionError):
            Book(tmp_path)
    Book(tmp_path).close()


def test_what_a_task_left_that_nobody_knows_any_more_is_gone_at_the_next_start(tmp_path: Path) -> None:
    book = Book(tmp_path)
    bring(book, ONE, int8(RNG, 9, 70))
    book.close()
    Book(tmp_path, spare=ROOM).close()
    assert not list((tmp_path / "tasks").iterdir())
    assert len(list((tmp_path / "spare").iterdir())) == 1
