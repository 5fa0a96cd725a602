"""The journal: durable before it answers, one fsync for many, dead after a crash point, honest about a full disk."""

import asyncio
import os
import sqlite3
from pathlib import Path

import pytest

from zoneshare.trade.journal import Entry, Journal, JournalFailed
from zoneshare_protocols.codec import Record
from zoneshare_protocols.errors import Misuse


class Note(Record, frozen=True, tag="note/1"):
    text: str


class Dead(BaseException):
    """What a test's crash point raises: no handler of the product may catch it."""


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.write(Entry.of("note", "a/1", Note("one")), Entry.of("note", "a/2", Note("two")))
    journal.write(Entry.of("note", "b/1", Note("three")), Entry("note", "a/2", None))
    journal.write(Entry.of("note", "a/1", Note("uno")))
    journal.close()
    journal = Journal(tmp_path / "j")
    assert journal.get("note", "a/1", Note) == Note("uno")
    assert journal.get("note", "a/2", Note) is None
    assert journal.scan("note", Note) == [("a/1", Note("uno")), ("b/1", Note("three"))]
    assert journal.scan("note", Note, "b/") == [("b/1", Note("three"))]
    journal.close()


def test_many_writers_share_a_commit(tmp_path: Path) -> None:
    points: list[str] = []
    journal = Journal(tmp_path / "j", points.append)

    async def many() -> None:
        await asyncio.gather(*(journal.commit([Entry.of("note", str(n), Note("x"))]) for n in range(200)))

    asyncio.run(many())
    assert len(journal.scan("note", Note)) == 200
    commits = sum(point.startswith("after") for point in points)
    assert 1 <= commits < 100
    journal.close()


@pytest.mark.parametrize(("point", "kept"), [("before note", False), ("after note", True)])
def test_a_crash_before_or_after_a_write(tmp_path: Path, point: str, kept: bool) -> None:
    def crash(at: str) -> None:
        if at == point:
            raise Dead

    journal = Journal(tmp_path / "j", crash)
    with pytest.raises(Dead):
        journal.write(Entry.of("note", "1", Note("x")))
    with pytest.raises(Dead):
        journal.write(Entry.of("other", "1", Note("x")))
    journal.close()
    journal = Journal(tmp_path / "j")
    assert (journal.get("note", "1", Note) is not None) == kept
    assert journal.get("other", "1", Note) is None
    journal.close()


def test_a_full_disk_is_said_and_survived(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal._db.execute("PRAGMA max_page_count=8")
    with pytest.raises(JournalFailed, match="full"):
        journal.write(Entry.of("note", "1", Note("x" * 100_000)))
    assert journal.get("note", "1", Note) is None
    journal.write(Entry.of("note", "2", Note("small")))
    assert journal.get("note", "2", Note) == Note("small")
    journal.close()


def test_one_process_at_a_time_and_no_other_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.write(Entry.of("note", "1", Note("x")))
    with pytest.raises(Misuse, match="another process"):
        Journal(tmp_path / "j")
    journal.close()
    (tmp_path / "text").write_text("this is no database, and long enough to be looked at" * 100)
    with pytest.raises(Misuse):
        Journal(tmp_path / "text")


def test_it_syncs_every_commit(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    journal.close()
    assert sqlite3.connect(tmp_path / "j").execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_nothing_is_taken_once_it_is_closed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.close()
    with pytest.raises(JournalFailed, match="closed"):
        journal.write(Entry.of("note", "1", Note("x")))
    with pytest.raises(JournalFailed, match="closed"):
        asyncio.run(journal.commit([Entry.of("note", "1", Note("x"))]))


@pytest.mark.parametrize("exclusive", [True, False])
def test_only_its_owner_can_read_it(tmp_path: Path, exclusive: bool) -> None:
    old = os.umask(0)
    try:
        (tmp_path / "old").touch(0o644)
        for name in ("new", "old"):
            journal = Journal(tmp_path / name, exclusive=exclusive)
            journal.write(Entry.of("note", "1", Note("x")))
            files = list(tmp_path.glob(f"{name}*"))
            assert len(files) >= 2
            assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
            journal.close()
    finally:
        os.umask(old)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "j"
    journal = Journal(path)
    journal.write(*(Entry.of("note", f"{n:04}", Note("x" * 500)) for n in range(200)))
    journal.write(Entry("other", "1", b"no note"))
    with pytest.raises(JournalFailed, match=f"{path} is damaged"):
        journal.get("other", "1", Note)
    journal.close()
    data = bytearray(path.read_bytes())
    data[8_192:-4_096] = b"\xa5" * (len(data) - 12_288)
    path.write_bytes(data)
    journal = Journal(path)
    for read in (lambda: journal.scan("note", Note), lambda: journal.deletions("note")):
        with pytest.raises(JournalFailed, match=f"cannot read the journal {path}"):
            read()
    with pytest.raises(JournalFailed, match=str(path)):
        [journal.get("note", f"{n:04}", Note) for n in range(200)]
    journal.close()
