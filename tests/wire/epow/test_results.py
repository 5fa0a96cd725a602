"""A job by itself, on real files: what is verified stays over a restart, and the result goes to its source whole."""

import asyncio
import os
from functools import reduce
from operator import matmul
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from tests.wire.epow.rig import Rig, int8
from zoneshare.epow import matrices
from zoneshare.epow.book import Book, KeptTask
from zoneshare.epow.fresh import Fresh
from zoneshare.epow.job import Job, run_done
from zoneshare.epow.matrices import Buffer, cell_width, matrix_pieces, result_of, result_pieces
from zoneshare.epow.messages import PIECE, Merged
from zoneshare_protocols.codec import digest
from zoneshare_protocols.epow import merge
from zoneshare_protocols.epow.blocks import assign
from zoneshare_protocols.epow.exact import Int32, Int64, as_integers, multiply, product
from zoneshare_protocols.epow.hashing import matrix_hash
from zoneshare_protocols.epow.plan import describe
from zoneshare_protocols.epow.records import RunResult, Task, Tip
from zoneshare_protocols.errors import DataCorrupt

BASIC = 4
RNG = np.random.default_rng(31)
Factors = tuple[NDArray[np.integer[Any]], ...]
TIP = Tip(0, bytes(32), 1 << 16, 0)
THIN = int8(RNG, 9, 7), int8(RNG, 7, 13)
WIDE = RNG.integers(-(2**20), 2**20, (9, 7)), RNG.integers(-(2**20), 2**20, (7, 13))
CHAINS: dict[str, Factors] = {
    "int8": THIN,
    "wide values": WIDE,
    "a chain": (*THIN, int8(RNG, 13, 6)),
    "a chain whose first result fits 8 bits": (np.eye(9, 7, dtype=np.int8), int8(RNG, 7, 13), int8(RNG, 13, 6)),
}


def brought(book: Book, factors: Factors) -> KeptTask:
    """A task whose matrices are here."""
    checked = [as_integers(factor) for factor in factors]
    task = Task("sue", tuple(map(describe, checked)), BASIC, 1, bytes(16))
    for number, matrix in enumerate(checked):
        with book.files.incoming(task.id, task.matrices[number]) as incoming:
            for piece in matrix_pieces(matrix_hash(matrix), matrix):
                incoming.add(piece)
            incoming.finish([book.files.matrix_path(task.id, f"m{number}")])
    kept = KeptTask(task, bytes(32))
    book.put(kept)
    return kept


def do(job: Job, book: Book, runs: int) -> None:
    """The next runs, verified, kept and merged."""
    for run in job.take(runs):
        at = assign(job.id, job.kept.sub_task, run, "ann", TIP)
        total: Int32 = np.sum([multiply(a, b) for a, b in job.sub.run_blocks(run)], axis=0, dtype=np.int32)
        book.add_run(run_done(at, bytes(32)), RunResult(digest(at), (bytes(32),) * run.count, bytes(32)), total)
        job.merge(run.index)


def sent(book: Book, kept: KeptTask, most: int = PIECE) -> Int64:
    """What a source makes of the messages that bring it the result, in pieces of ``most`` bytes."""
    assert kept.result is not None
    rows, columns = kept.task.matrices[0].rows, kept.task.matrices[-1].columns
    merged = Merged(kept.task.id, kept.result, rows, columns, cell_width(book.result(kept)))
    buffer = Buffer(merged.hash, rows * columns * merged.cells)
    for piece in result_pieces(merged, book.result(kept)):
        assert len(piece.cells) <= most
        buffer.add(piece)
    assert buffer.complete
    return result_of(merged, buffer)


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("strip", [1, 20, 1 << 18])
def test_a_job_goes_on_after_a_restart_and_its_result_is_the_product(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, strip: int
) -> None:
    monkeypatch.setattr(merge, "_STRIP", strip)
    monkeypatch.setattr(matrices, "PIECE", 3 * strip)
    factors = CHAINS[name]
    (tmp_path / "spare").mkdir()
    for number in range(20):
        (tmp_path / "spare" / str(number)).write_bytes(b"old" * 200)
    book = Book(tmp_path, spare=1 << 20)
    brought(book, factors)
    over = False
    while not over:
        (kept,) = book.tasks()
        job = Job(kept, book, Fresh()).open()
        do(job, book, job.layout.runs // 2)
        book.close()
        book = Book(tmp_path, spare=1 << 20)
        (kept,) = book.tasks()
        job = Job(kept, book, Fresh()).open()
        assert job.missing == job.layout.runs - job.layout.runs // 2
        do(job, book, job.missing)
        over = job.advance()
    book.close()
    book = Book(tmp_path, spare=1 << 20)
    (kept,) = book.tasks()
    true = reduce(matmul, (factor.astype(object) for factor in factors))
    for _ in range(2):
        assert (sent(book, kept, 3 * strip).astype(object) == true).all()
    book.close()


def test_tasks_one_after_the_other_in_the_same_files(tmp_path: Path) -> None:
    book = Book(tmp_path, spare=1 << 20)
    seen: set[int] = set()
    used_again = 0
    for factors in [*CHAINS.values(), *reversed(CHAINS.values())]:
        job = Job(brought(book, factors), book, Fresh()).open()
        do(job, book, job.missing)
        while not job.advance():
            do(job, book, job.missing)
        true = reduce(matmul, (factor.astype(object) for factor in factors))
        assert (sent(book, job.kept).astype(object) == true).all()
        inodes = {path.stat().st_ino for path in tmp_path.glob("tasks/*/*")}
        used_again += len(seen & inodes)
        seen |= inodes
        book.forget(job.id)
    assert used_again > len(CHAINS)
    book.close()


def test_a_coordinator_does_not_go_on_with_a_matrix_that_is_not_what_it_was(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    book = Book(tmp_path / "cora", spare=1 << 20)
    kept = brought(book, CHAINS["a chain"])
    book.check(kept)
    rotten = book.files.matrix_path(kept.task.id, "m1")
    whole = rotten.read_bytes()
    for cells in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[:-1], b""):
        rotten.write_bytes(cells)
        with pytest.raises(DataCorrupt):
            book.check(kept)
    rotten.unlink()
    with pytest.raises(DataCorrupt):
        book.check(kept)
    book.check(replace(kept, sub_task=1))  # it is used no more
    book.close()

    async def start() -> None:
        async with rig.coordinator():
            pass

    with pytest.raises(DataCorrupt):
        asyncio.run(start())


def test_a_coordinator_does_not_go_on_without_sums_that_were_verified(tmp_path: Path) -> None:
    book = Book(tmp_path, spare=1 << 20)
    kept = brought(book, THIN)
    job = Job(kept, book, Fresh()).open()
    do(job, book, 3)
    book.check(kept)
    sums = book.files.matrix_path(job.id, "m0").with_name("sums0")
    last = max(done.run for done in book.runs(job.id, 0))
    os.truncate(sums, (1 + last) * BASIC**2 * 4 - 1)
    with pytest.raises(DataCorrupt):
        book.check(kept)
    sums.unlink()
    with pytest.raises(DataCorrupt):
        book.check(kept)
    with pytest.raises(DataCorrupt):
        do(job, book, 1)
    assert not sums.exists()
    book.close()


def test_a_result_that_is_its_sums_takes_no_second_file(tmp_path: Path) -> None:
    book = Book(tmp_path, spare=1 << 20)
    job = Job(brought(book, THIN), book, Fresh()).open()
    do(job, book, job.missing)
    assert job.advance()
    folder = book.files.matrix_path(job.id, "m0").parent
    assert sorted(path.name for path in folder.iterdir()) == ["m0.npy", "m1.npy", "sums0"]
    assert (sent(book, job.kept) == product(*THIN)).all()
    book.forget(job.id)
    assert not folder.exists()
    book.close()
