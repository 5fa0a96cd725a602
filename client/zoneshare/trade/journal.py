"""Write-ahead journal: what a side signs or receives is on the disk before it acts on it.

SQLite in WAL mode with synchronous=FULL. Group commit: whatever waits while one commit runs goes to the disk with the
next one, under a single fsync, and only then are the answers sent.
"""

import asyncio
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from zoneshare_protocols.codec import decode, encode
from zoneshare_protocols.errors import LedgerFailed, Malformed, Misuse, ZoneshareError

R = TypeVar("R")
CrashPoint = Callable[[str], None]
"""Called before and after every durable write with what is written; a test raises here, and the process is dead."""


class JournalFailed(LedgerFailed):
    """The journal cannot be written: disk full, or no permission. Nothing was answered, so nothing is lost. Or it is
    damaged, and cannot be read."""


@dataclass(frozen=True)
class Entry:
    """One record under (kind, key); ``value`` None deletes it."""

    kind: str
    key: str
    value: bytes | None

    @classmethod
    def of(cls, kind: str, key: str, record: object) -> "Entry":
        return cls(kind, key, encode(record))


@dataclass
class _Write:
    entries: tuple[Entry, ...]
    done: threading.Event = field(default_factory=threading.Event)
    told: Callable[[], None] = lambda: None
    error: BaseException | None = None


_SCHEMA = """
CREATE TABLE IF NOT EXISTS journal (kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, key))
WITHOUT ROWID
"""


class Journal:
    """A device's journal at ``path``. Methods are safe to call from many threads.

    One process at a time has it, unless it is not ``exclusive``: then others may read and write between commits.
    """

    def __init__(self, path: str | Path, crash_point: CrashPoint | None = None, *, exclusive: bool = True) -> None:
        """Only its owner can read the file. Raises Misuse when it is no journal, or another process has it."""
        self._path = path
        self._crash_point = crash_point or _no_crash
        self._lock = threading.Lock()
        self._waiting: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._closed = False
        self._dead: BaseException | None = None
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            _make_private(Path(path))
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=2.0)
            if exclusive:
                self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute(_SCHEMA)
        except (sqlite3.Error, OSError) as cause:
            busy = isinstance(cause, sqlite3.OperationalError) and "locked" in str(cause)
            why = "another process has it open" if busy else str(cause)
            raise Misuse(f"cannot use the journal {path}: {why}") from cause
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def get(self, kind: str, key: str, record: type[R]) -> R | None:
        """The record under (kind, key), or None. Raises JournalFailed when the file is damaged."""
        rows = self._select("SELECT value FROM journal WHERE kind=? AND key=?", kind, key)
        return self._decoded(record, rows[0][0]) if rows else None

    def scan(self, kind: str, record: type[R], prefix: str = "") -> list[tuple[str, R]]:
        """(key, record) of a kind, in order of the keys, of those that begin with ``prefix``. Raises JournalFailed."""
        query = "SELECT key, value FROM journal WHERE kind=? AND key>=? AND key<? ORDER BY key"
        rows = self._select(query, kind, prefix, prefix + "\U0010ffff")
        return [(key, self._decoded(record, value)) for key, value in rows]

    def deletions(self, kind: str, prefix: str = "") -> list[Entry]:
        """What deletes all records of a kind whose keys begin with ``prefix``. Raises JournalFailed."""
        query = "SELECT key FROM journal WHERE kind=? AND key>=? AND key<?"
        return [Entry(kind, key, None) for (key,) in self._select(query, kind, prefix, prefix + "\U0010ffff")]

    def write(self, *entries: Entry) -> None:
        """On the disk, all or nothing, when this returns. Raises JournalFailed."""
        write = _Write(entries)
        self._put(write)
        write.done.wait()
        if write.error is not None:
            raise write.error

    async def commit(self, entries: Iterable[Entry]) -> None:
        """As :meth:`write`, for the event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        write = _Write(tuple(entries))
        if not write.entries:
            return

        def tell() -> None:
            if future.cancelled():
                return
            if write.error is None:
                future.set_result(None)
            else:
                future.set_exception(write.error)

        write.told = lambda: _call(loop, tell)
        self._put(write)
        await asyncio.shield(future)

    def close(self) -> None:
        """What is waiting is still written; what comes later is refused."""
        with self._gate:
            self._closed = True
            self._waiting.put(None)
        self._thread.join()
        self._db.close()

    def _select(self, query: str, *values: str) -> list[Any]:
        try:
            with self._lock:
                return self._db.execute(query, values).fetchall()
        except sqlite3.Error as cause:
            raise JournalFailed(f"cannot read the journal {self._path}: {cause}") from cause

    def _decoded(self, record: type[R], value: bytes) -> R:
        try:
            return decode(record, value)
        except Malformed as cause:
            raise JournalFailed(f"the journal {self._path} is damaged: {cause}") from cause

    def _put(self, write: _Write) -> None:
        with self._gate:
            if self._closed:
                raise JournalFailed("the journal is closed")
            self._waiting.put(write)

    def _run(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get())
            writes = [write for write in batch if write is not None]
            if writes:
                error = self._dead or self._store(writes)
                for write in writes:
                    write.error = error
                    write.done.set()
                    write.told()
            if len(writes) < len(batch):
                return

    def _store(self, writes: list[_Write]) -> BaseException | None:
        name = ", ".join(sorted({entry.kind for write in writes for entry in write.entries}))
        try:
            self._crash_point(f"before {name}")
            with self._lock:
                try:
                    self._db.execute("BEGIN IMMEDIATE")
                    for write in writes:
                        for entry in write.entries:
                            self._apply(entry)
                    self._db.execute("COMMIT")
                except sqlite3.Error as cause:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise JournalFailed(f"cannot write the journal {self._path}: {cause}") from cause
            self._crash_point(f"after {name}")
        except ZoneshareError as failed:
            return failed
        except BaseException as dead:  # noqa: BLE001 - the journal's thread hands every failure to who waits for it
            self._dead = dead
            return dead
        return None

    def _apply(self, entry: Entry) -> None:
        if entry.value is None:
            self._db.execute("DELETE FROM journal WHERE kind=? AND key=?", (entry.kind, entry.key))
        else:
            self._db.execute(
                "INSERT INTO journal VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value=excluded.value",
                (entry.kind, entry.key, entry.value),
            )


def _make_private(path: Path) -> None:
    """SQLite makes the files beside a database with the modes of the database."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        # Not opened to change them: closing it would let go of this process's locks on it.
        for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            if file.exists() and file.stat().st_mode & 0o077:
                file.chmod(0o600)


def _call(loop: asyncio.AbstractEventLoop, tell: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(tell)


def _no_crash(point: str) -> None:
    """Of a journal that nobody crashes on purpose."""
