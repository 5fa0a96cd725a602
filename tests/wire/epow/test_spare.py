"""Files of tasks that are over are written over, but none that somebody still reads or writes."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.wire.epow.rig import int8
from zoneshare.epow.book import Book
from zoneshare.epow.incoming import Incoming
from zoneshare.epow.matrices import matrix_pieces
from zoneshare.epow.spare import Spare
from zoneshare_protocols.epow.exact import Int8
from zoneshare_protocols.epow.hashing import matrix_hash
from zoneshare_protocols.epow.plan import describe

RNG = np.random.default_rng(47)
ROOM = 1 << 22
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


def test_what_a_task_left_that_nobody_knows_any_more_is_gone_at_the_next_start(tmp_path: Path) -> None:
    book = Book(tmp_path)
    bring(book, ONE, int8(RNG, 9, 70))
    book.close()
    Book(tmp_path, spare=ROOM).close()
    assert not list((tmp_path / "tasks").iterdir())
    assert len(list((tmp_path / "spare").iterdir())) == 1
