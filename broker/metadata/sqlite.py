"""The embedded metadata store: one SQLite file, in a thread of its own.

WAL with synchronous=FULL costs one fsync a transaction, and a transaction that was answered survives power loss. The
file is locked for as long as it is open (SQLite's exclusive locking mode, which also spares the shared-memory file),
so a second broker process on it is refused. All statements run in one thread, in the order they were asked for, and
the events of committed transactions reach the event loop in that order too, before the transaction's own answer.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from .store import (
    Change,
    CompactedError,
    Compare,
    Delete,
    KeyValue,
    Put,
    RangeResult,
    StoreError,
    TxnResult,
    WatchEvent,
)

_T = TypeVar("_T")

APPLICATION_ID = 0x4F74746C  # "Ottl", in the file's header: tells our file from somebody else's SQLite database
SCHEMA_VERSION = 1
# A watch starts a moment after the `range` it follows; older events are nobody's in one process.
EVENTS_KEPT = 256

_SCHEMA = f"""
CREATE TABLE entries (key TEXT PRIMARY KEY, value BLOB NOT NULL, mod_revision INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE store (revision INTEGER NOT NULL);
INSERT INTO store VALUES (0);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""


class SqliteStore:
    """A MetadataStore in one file; made by `open`, used from the event loop that opened it."""

    operations_max = sys.maxsize

    def __init__(self, path: str, loop: asyncio.AbstractEventLoop, thread: ThreadPoolExecutor) -> None:
        self._path = path
        self._loop = loop
        self._thread = thread
        # Owned by the thread.
        self._connection: sqlite3.Connection
        self._stored_revision = 0
        self._failure: str | None = None
        # Owned by the event loop.
        self._revision = 0
        self._events: dict[int, WatchEvent] = {}
        self._watchers: list[asyncio.Future[None]] = []
        self._closed = False

    @classmethod
    async def open(cls, path: str, *, durable: bool = True) -> SqliteStore:
        """Open or make the file; without `durable` (data nobody keeps) nothing is synced. Raises StoreError."""
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ottla-metadata")
        store = cls(path, asyncio.get_running_loop(), thread)
        try:
            store._revision = await store._call(lambda: store._open(durable))
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return store

    async def get(self, key: str) -> KeyValue | None:
        """One key, or None."""
        return await self._call(lambda: self._get(key))

    async def range(self, prefix: str) -> RangeResult:
        """All keys that begin with a prefix, sorted; the empty prefix is everything."""
        return await self._call(lambda: RangeResult(self._range(prefix), self._stored_revision))

    async def txn(self, compares: Sequence[Compare], changes: Sequence[Change]) -> TxnResult:
        """Apply all changes if all comparisons hold; a key may be named by one change only."""
        return await self._call(lambda: self._txn(compares, changes))

    async def watch(self, from_revision: int) -> AsyncIterator[WatchEvent]:
        """Every event from that revision on, until the store is closed; raises CompactedError."""
        revision = from_revision
        while not self._closed:
            if revision <= self._revision:
                event = self._events.get(revision)
                if event is None:
                    raise CompactedError(f"The events of revision {revision} of {self._path} are forgotten.")
                yield event
                revision += 1
            else:
                arrival = self._loop.create_future()
                self._watchers.append(arrival)
                await arrival

    async def close(self) -> None:
        """Finish what was asked for, end the watches, and release the file."""
        if self._closed:
            return
        self._closed = True
        self._wake_watchers()
        await self._loop.run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown(wait=False)

    # What follows up to _deliver runs in the thread.

    async def _call(self, function: Callable[[], _T]) -> _T:
        if self._closed:
            raise StoreError(f"The metadata store {self._path} is closed.")
        return await self._loop.run_in_executor(self._thread, self._guarded, function)

    def _guarded(self, function: Callable[[], _T]) -> _T:
        if self._failure is not None:
            raise StoreError(self._failure)
        try:
            return function()
        except sqlite3.Error as error:
            message = f"The metadata store {self._path} cannot be used: {_describe(error)}."
            if _primary_code(error) == sqlite3.SQLITE_IOERR:
                # After a failed fsync nobody knows what the disk holds, and the next one may wrongly succeed.
                self._failure = f"{message} It stays out of use until the broker is started again."
            raise StoreError(message) from error

    def _open(self, durable: bool) -> int:
        connection = sqlite3.connect(self._path, timeout=0, isolation_level=None)
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
            connection.execute("BEGIN EXCLUSIVE")
            application_id = connection.execute("PRAGMA application_id").fetchone()[0]
            tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
            schema_version = connection.execute("PRAGMA user_version").fetchone()[0]
            if application_id == 0 and tables == 0:
                for statement in _SCHEMA.strip().splitlines():
                    connection.execute(statement)
            elif application_id != APPLICATION_ID:
                raise StoreError(f"{self._path} is not a metadata store of Ottla but some other SQLite database.")
            elif schema_version > SCHEMA_VERSION:
                raise StoreError(
                    f"The metadata store {self._path} was written by a newer version of Ottla; use that version, or "
                    "another data directory."
                )
            revision = connection.execute("SELECT revision FROM store").fetchone()[0]
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._stored_revision = revision
        return int(revision)

    def _get(self, key: str) -> KeyValue | None:
        row = self._connection.execute("SELECT value, mod_revision FROM entries WHERE key = ?", (key,)).fetchone()
        return None if row is None else KeyValue(key, row[0], row[1])

    def _range(self, prefix: str) -> list[KeyValue]:
        rows = self._connection.execute(
            "SELECT key, value, mod_revision FROM entries WHERE key >= ? AND key < ? ORDER BY key",
            (prefix, _prefix_end(prefix)),
        )
        return [KeyValue(*row) for row in rows]

    def _txn(self, compares: Sequence[Compare], changes: Sequence[Change]) -> TxnResult:
        if not all(self._holds(compare) for compare in compares):
            return TxnResult(False, self._stored_revision)
        revision = self._stored_revision + 1
        puts = [KeyValue(change.key, change.value, revision) for change in changes if isinstance(change, Put)]
        deletes = [key for change in changes if not isinstance(change, Put) for key in self._existing(change)]
        assert len({item.key for item in puts} | set(deletes)) == len(puts) + len(deletes), "a key is changed twice"
        if not puts and not deletes:
            return TxnResult(True, self._stored_revision)
        execute = self._connection.execute
        execute("BEGIN")
        try:
            self._connection.executemany("DELETE FROM entries WHERE key = ?", [(key,) for key in deletes])
            self._connection.executemany("REPLACE INTO entries VALUES (?, ?, ?)", puts)
            execute("UPDATE store SET revision = ?", (revision,))
            execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise
        self._stored_revision = revision
        self._loop.call_soon_threadsafe(self._deliver, WatchEvent(revision, puts, deletes))
        return TxnResult(True, revision)

    def _holds(self, compare: Compare) -> bool:
        entry = self._get(compare.key)
        return compare.mod_revision == (0 if entry is None else entry.mod_revision)

    def _existing(self, change: Change) -> list[str]:
        if isinstance(change, Delete):
            return [] if self._get(change.key) is None else [change.key]
        assert not isinstance(change, Put)
        return [item.key for item in self._range(change.prefix)]

    # What follows runs in the event loop.

    def _deliver(self, event: WatchEvent) -> None:
        self._revision = event.revision
        self._events[event.revision] = event
        self._events.pop(event.revision - EVENTS_KEPT, None)
        self._wake_watchers()

    def _wake_watchers(self) -> None:
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            if not watcher.done():
                watcher.set_result(None)


def _prefix_end(prefix: str) -> str:
    """The first string after all those that begin with a prefix."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1) if prefix else "\U0010ffff"


def _primary_code(error: sqlite3.Error) -> int:
    """SQLite's result code without the detail in its upper bits; 0 where the error did not come from SQLite."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _describe(error: sqlite3.Error) -> str:
    if _primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "another broker is using it"
    if _primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return f"the file is damaged ({error})"
    return str(error)
