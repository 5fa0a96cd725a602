"""A task's matrix goes to the disk piece by piece; nothing is left of one that is not whole, or not the one named."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from zoneshare.epow.book import Book
from zoneshare.epow.incoming import Incoming
from zoneshare.epow.matrices import matrix_pieces
from zoneshare.epow.messages import Piece
from zoneshare.epow.spare import Spare
from zoneshare_protocols.epow.hashing import matrix_hash
from zoneshare_protocols.epow.plan import describe
from zoneshare_protocols.epow.records import MatrixInfo
from zoneshare_protocols.errors import DataCorrupt, Malformed

SMALL = np.random.default_rng(1).integers(-128, 128, (1500, 1100)).astype(np.int8)
NONE = Spare(Path("no-such-folder"), 0)
WIDE = np.random.default_rng(2).integers(-(2**40), 2**40, (300, 700))


@pytest.mark.parametrize("matrix", [SMALL, WIDE])
def test_a_matrix_is_on_the_disk_under_all_its_names(tmp_path: Path, matrix: np.ndarray) -> None:
    pieces = list(matrix_pieces(matrix_hash(matrix), matrix))
    assert len(pieces) > 1
    names = [tmp_path / "task" / f"m{number}.npy" for number in range(2)]
    with Incoming(tmp_path / "task", describe(matrix), NONE) as incoming:
        for piece in pieces:
            assert not incoming.complete
            incoming.add(piece)
        assert incoming.complete
        incoming.finish(names)
    for name in names:
        assert np.array_equal(np.load(name, allow_pickle=False), matrix)
    assert sorted((tmp_path / "task").iterdir()) == names


@pytest.mark.parametrize("wrong", ["order", "other", "twice", "long"])
def test_a_piece_that_does_not_belong_is_refused(tmp_path: Path, wrong: str) -> None:
    first, second = list(matrix_pieces(matrix_hash(SMALL), SMALL))[:2]
    bad = {
        "order": second,
        "other": Piece(bytes(32), 0, SMALL.nbytes, first.cells),
        "twice": first,
        "long": Piece(first.hash, len(first.cells), SMALL.nbytes, memoryview(bytes(SMALL.nbytes))),
    }[wrong]
    with Incoming(tmp_path, describe(SMALL), NONE) as incoming:
        if wrong in ("twice", "long"):
            incoming.add(first)
        with pytest.raises(Malformed):
            incoming.add(bad)
    assert not list(tmp_path.iterdir())


def test_another_matrix_than_the_one_named_is_not_kept(tmp_path: Path) -> None:
    named = describe(SMALL)
    changed = SMALL.copy()
    changed[7, 7] ^= 1
    with Incoming(tmp_path, named, NONE) as incoming:
        for piece in matrix_pieces(matrix_hash(changed), changed):
            incoming.add(Piece(named.hash, piece.offset, piece.total, piece.cells))
        with pytest.raises(DataCorrupt):
            incoming.finish([tmp_path / "m0.npy"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("largest", "limbs"), [(100, 2), (2**20, 2), (2**20, 4)])
def test_a_matrix_that_takes_other_limbs_than_named_is_not_kept(tmp_path: Path, largest: int, limbs: int) -> None:
    """More would have miners paid for nothing, fewer would lose what is in the others."""
    matrix = np.full((30, 20), largest, np.int64)
    named = MatrixInfo(30, 20, limbs, matrix_hash(matrix))
    with Incoming(tmp_path, named, NONE) as incoming:
        for piece in matrix_pieces(matrix_hash(matrix), matrix):
            incoming.add(piece)
        with pytest.raises(DataCorrupt):
            incoming.finish([tmp_path / "m0.npy"])
    assert not list(tmp_path.iterdir())


def test_the_same_matrix_may_come_over_two_connections_at_once(tmp_path: Path) -> None:
    pieces = list(matrix_pieces(matrix_hash(SMALL), SMALL))
    with Incoming(tmp_path, describe(SMALL), NONE) as broken:
        broken.add(pieces[0])
        with Incoming(tmp_path, describe(SMALL), NONE) as again:
            for piece in pieces:
                again.add(piece)
            again.finish([tmp_path / "m0.npy"])
    assert np.array_equal(np.load(tmp_path / "m0.npy"), SMALL)


def test_what_a_killed_coordinator_left_half_is_gone_at_its_next_start(tmp_path: Path) -> None:
    book = Book(tmp_path)
    half = book.files.incoming(bytes(32), describe(SMALL))
    half.add(next(matrix_pieces(matrix_hash(SMALL), SMALL)))
    book.close()
    assert len(list(tmp_path.glob("tasks/*/.*"))) == 1
    Book(tmp_path).close()
    assert not list(tmp_path.glob("tasks/*"))


def test_a_copy_that_breaks_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:100])
        raise OSError("no space left")

    monkeypatch.setattr(shutil, "copyfile", full)
    with Incoming(tmp_path, describe(SMALL), NONE) as incoming:
        for piece in matrix_pieces(matrix_hash(SMALL), SMALL):
            incoming.add(piece)
        with pytest.raises(OSError, match="no space"):
            incoming.finish([tmp_path / "m0.npy", tmp_path / "m1.npy"])
    assert not list(tmp_path.iterdir())
