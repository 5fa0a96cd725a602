"""The ledger of one channel in one SQLite file: blocks, world state, history and transaction ids.

A block is one SQLite transaction, so a kill at any moment leaves the ledger as it was after some block. Readers take
snapshots, which later blocks do not change.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from zoneshare_network.durable import Fault, no_fault
from zoneshare_protocols.errors import LedgerFailed
from zoneshare_protocols.fabric.rwset import Version
from zoneshare_protocols.fabric.validation import Update

_SCHEMA = """
CREATE TABLE IF NOT EXISTS blocks (number INTEGER PRIMARY KEY, hash BLOB NOT NULL, block BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS transactions (
    id TEXT PRIMARY KEY, block INTEGER NOT NULL, position INTEGER NOT NULL, flag INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (
    namespace TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, block INTEGER NOT NULL, position INTEGER NOT NULL,
    PRIMARY KEY (namespace, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (
    namespace TEXT NOT NULL, key BLOB NOT NULL, block INTEGER NOT NULL, position INTEGER NOT NULL, value BLOB,
    tx TEXT NOT NULL, timestamp_ms INTEGER NOT NULL, PRIMARY KEY (namespace, key, block, position)) WITHOUT ROWID;
"""
_IDLE_READERS = 8


class Versioned(NamedTuple):
    value: bytes
    version: Version


class TransactionRecord(NamedTuple):
    """A transaction of a block."""

    id: str
    position: int
    flag: int
    timestamp_ms: int


class Modification(NamedTuple):
    tx_id: str
    timestamp_ms: int
    value: bytes | None


class Placed(NamedTuple):
    """Where a transaction id was first seen, and its validation code."""

    block: int
    position: int
    flag: int


class Snapshot:
    """The ledger as it was after one block. Not for two threads at once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.height = _height(connection)

    def get(self, namespace: str, key: str) -> Versioned | None:
        row = self._connection.execute(
            "SELECT value, block, position FROM state WHERE namespace = ? AND key = ?", (namespace, key.encode())
        ).fetchone()
        return row and Versioned(row[0], Version(row[1], row[2]))

    def range(self, namespace: str, start: str, end: str) -> Iterator[tuple[str, Versioned]]:
        """Keys from ``start`` (included) to ``end`` (excluded, "" for no end), in the order of their UTF-8 bytes."""
        query = "SELECT key, value, block, position FROM state WHERE namespace = ? AND key >= ?"
        bounds: tuple[str | bytes, ...] = (namespace, start.encode())
        if end:
            query, bounds = query + " AND key < ?", (*bounds, end.encode())
        for key, value, block, position in self._connection.execute(query + " ORDER BY key", bounds):
            yield key.decode(), Versioned(value, Version(block, position))

    def everything(self) -> Iterator[tuple[tuple[str, str], Versioned]]:
        """The whole state: namespace and key, value and version."""
        for namespace, key, value, block, position in self._connection.execute("SELECT * FROM state"):
            yield (namespace, key.decode()), Versioned(value, Version(block, position))

    def history(self, namespace: str, key: str) -> Iterator[Modification]:
        """Committed changes of a key, newest first."""
        query = (
            "SELECT tx, timestamp_ms, value FROM history WHERE namespace = ? AND key = ? "
            "ORDER BY block DESC, position DESC"
        )
        for row in self._connection.execute(query, (namespace, key.encode())):
            yield Modification(*row)

    def transaction(self, tx_id: str) -> Placed | None:
        row = self._connection.execute(
            "SELECT block, position, flag FROM transactions WHERE id = ?", (tx_id,)
        ).fetchone()
        return row and Placed(*row)

    def block(self, number: int) -> bytes | None:
        row = self._connection.execute("SELECT block FROM blocks WHERE number = ?", (number,)).fetchone()
        return row and bytes(row[0])

    def block_hash(self, number: int) -> bytes | None:
        """SHA-256 of the block's header."""
        row = self._connection.execute("SELECT hash FROM blocks WHERE number = ?", (number,)).fetchone()
        return row and bytes(row[0])

    def number_of(self, header_hash: bytes) -> int | None:
        """Of the block whose header has this SHA-256."""
        row = self._connection.execute("SELECT number FROM blocks WHERE hash = ?", (header_hash,)).fetchone()
        return row and int(row[0])


@contextmanager
def read_only(path: Path) -> Iterator[Snapshot]:
    """A snapshot of a ledger that another process may be writing. Raises LedgerFailed when there is none."""
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
        connection.execute("BEGIN")
        snapshot = Snapshot(connection)
    except sqlite3.Error as cause:
        raise _unreadable(path, cause) from cause
    try:
        yield snapshot
    except sqlite3.Error as cause:
        raise _unreadable(path, cause) from cause
    finally:
        connection.close()


def _unreadable(path: Path, cause: sqlite3.Error) -> LedgerFailed:
    return LedgerFailed(f"the ledger file cannot be read: {cause}", file=str(path))


class ChannelStore:
    """One channel's ledger file. :meth:`commit` is for one thread at a time; snapshots are for any number."""

    def __init__(self, path: Path, fault: Fault = no_fault) -> None:
        self._path = path
        self._fault = fault
        self._idle: list[sqlite3.Connection] = []
        self._pool = threading.Lock()
        self._closed = False
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = self._connect()
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.execute("PRAGMA synchronous = FULL")
        self._writer.executescript(_SCHEMA)

    def _connect(self) -> sqlite3.Connection:
        try:
            return sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=30)
        except sqlite3.Error as cause:
            raise LedgerFailed(f"the ledger file cannot be opened: {cause}", file=str(self._path)) from cause

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The newest committed state, which stays as it is until the block ends."""
        with self._pool:
            if self._closed:
                raise LedgerFailed("the ledger is closed", file=str(self._path))
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._connect()
        try:
            connection.execute("BEGIN")
            yield Snapshot(connection)
        finally:
            connection.rollback()
            with self._pool:
                keep = not self._closed and len(self._idle) < _IDLE_READERS
                if keep:
                    self._idle.append(connection)
            if not keep:
                connection.close()

    def height(self) -> int:
        """Number of blocks."""
        with self.snapshot() as snapshot:
            return snapshot.height

    def commit(
        self,
        number: int,
        header_hash: bytes,
        block: bytes,
        transactions: Iterable[TransactionRecord],
        updates: Iterable[Update],
    ) -> None:
        """Write a block and all it changes, once and durably.

        Raises LedgerFailed, with nothing changed, when the block is not the next one or the disk refuses.
        """
        self._fault("before block")
        records = tuple(transactions)
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            if (expected := _height(self._writer)) != number:
                raise LedgerFailed("not the next block", expected=expected, number=number)
            self._writer.execute("INSERT INTO blocks VALUES (?, ?, ?)", (number, header_hash, block))
            self._fault("inside block")
            self._write(number, records, updates)
            self._fault("before commit")
            self._writer.execute("COMMIT")
        except sqlite3.Error as cause:
            raise LedgerFailed(f"the ledger file cannot be written: {cause}", file=str(self._path)) from cause
        finally:
            if self._writer.in_transaction:
                self._writer.rollback()
        self._fault("after block")

    def _write(self, number: int, records: tuple[TransactionRecord, ...], updates: Iterable[Update]) -> None:
        self._writer.executemany(
            "INSERT OR IGNORE INTO transactions VALUES (?, ?, ?, ?)",
            [(r.id, number, r.position, r.flag) for r in records],
        )
        timestamps = {r.position: r.timestamp_ms for r in records}
        for namespace, text, value, (_, position), tx_id in updates:
            key = text.encode()
            if value is None:
                self._writer.execute("DELETE FROM state WHERE namespace = ? AND key = ?", (namespace, key))
            else:
                self._writer.execute(
                    "INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?, ?)", (namespace, key, value, number, position)
                )
            self._writer.execute(
                "INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?, ?, ?, ?)",
                (namespace, key, number, position, value, tx_id, timestamps[position]),
            )

    def close(self) -> None:
        with self._pool:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in (*idle, self._writer):
            connection.close()


def _height(connection: sqlite3.Connection) -> int:
    last = connection.execute("SELECT max(number) FROM blocks").fetchone()[0]
    return 0 if last is None else int(last) + 1
