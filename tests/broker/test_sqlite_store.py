"""The embedded metadata store: transactions, revisions, watches, and what it makes of a file that is not its own."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.metadata.sqlite import EVENTS_KEPT, SqliteStore
from broker.metadata.store import (
    Change,
    CompactedError,
    Compare,
    Delete,
    DeletePrefix,
    KeyValue,
    Put,
    StoreError,
    WatchEvent,
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(str(tmp_path / "metadata.db"), durable=False)
    yield store
    await store.close()


async def test_a_transaction_gives_its_revision_to_the_keys_that_it_writes(store: SqliteStore) -> None:
    assert await store.txn([], [Put("a", b"1"), Put("b", b"2")]) == (True, 1)
    assert await store.txn([], [Put("a", b"3")]) == (True, 2)
    assert await store.get("a") == KeyValue("a", b"3", 2)
    assert await store.get("b") == KeyValue("b", b"2", 1)
    assert await store.get("c") is None
    assert await store.range("") == ([KeyValue("a", b"3", 2), KeyValue("b", b"2", 1)], 2)


async def test_a_transaction_happens_only_if_every_comparison_holds(store: SqliteStore) -> None:
    await store.txn([], [Put("a", b"1")])
    for compares in ([Compare("a", 0)], [Compare("a", 2)], [Compare("b", 1)], [Compare("a", 1), Compare("b", 3)]):
        assert await store.txn(compares, [Put("a", b"no")]) == (False, 1)
    assert await store.txn([Compare("a", 1), Compare("b", 0)], [Put("a", b"yes")]) == (True, 2)
    assert await store.get("a") == KeyValue("a", b"yes", 2)


async def test_a_deleted_key_has_revision_zero(store: SqliteStore) -> None:
    await store.txn([], [Put("a", b"1")])
    await store.txn([Compare("a", 1)], [Delete("a")])
    assert await store.get("a") is None
    assert await store.txn([Compare("a", 0)], [Put("a", b"2")]) == (True, 3)


async def test_a_prefix_ends_where_its_last_character_does(store: SqliteStore) -> None:
    names = ["t/a", "t/a/", "t/a/0", "t/a/10", "t/a0", "t/aé", "t/b/0"]
    await store.txn([], [Put(name, b"") for name in names])
    assert [item.key for item in (await store.range("t/a/")).items] == ["t/a/", "t/a/0", "t/a/10"]
    await store.txn([], [DeletePrefix("t/a/")])
    assert [item.key for item in (await store.range("")).items] == ["t/a", "t/a0", "t/aé", "t/b/0"]


async def test_what_changes_nothing_has_no_revision(store: SqliteStore) -> None:
    assert await store.txn([], [Put("a", b"1")]) == (True, 1)
    assert await store.txn([], [Delete("b"), DeletePrefix("c/")]) == (True, 1)
    assert await store.txn([Compare("a", 1)], []) == (True, 1)


async def test_everything_is_there_after_opening_again(tmp_path: Path) -> None:
    path = str(tmp_path / "metadata.db")
    first = await SqliteStore.open(path)
    await first.txn([], [Put("a", b"1"), Put("b", b"")])
    await first.txn([], [Delete("b")])
    await first.close()
    second = await SqliteStore.open(path)
    assert await second.range("") == ([KeyValue("a", b"1", 1)], 2)
    assert await second.txn([], [Put("c", b"")]) == (True, 3)
    await second.close()


async def test_what_was_answered_survives_the_death_of_the_process(tmp_path: Path) -> None:
    path = str(tmp_path / "metadata.db")
    program = """if True:
        import asyncio, os, signal, sys
        from broker.metadata.sqlite import SqliteStore
        from broker.metadata.store import Put
        async def main():
            store = await SqliteStore.open(sys.argv[1])
            for number in range(50):
                await store.txn([], [Put("a", b"%d" % number), Put(f"k/{number}", b"")])
            os.kill(os.getpid(), signal.SIGKILL)
        asyncio.run(main())
    """
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, path)
    assert await process.wait() == -signal.SIGKILL
    store = await SqliteStore.open(path)
    assert await store.get("a") == KeyValue("a", b"49", 50)
    assert len((await store.range("k/")).items) == 50
    await store.close()


# --- watches -------------------------------------------------------------------------------------------------------


async def take(store: SqliteStore, from_revision: int, count: int) -> list[WatchEvent]:
    events = []
    async for event in store.watch(from_revision):
        events.append(event)
        if len(events) == count:
            break
    return events


async def test_a_watch_sees_every_transaction_in_order_from_the_revision_that_it_names(store: SqliteStore) -> None:
    await store.txn([], [Put("a", b"1")])
    await store.txn([], [Put("a", b"2"), Put("p/1", b"")])
    late = asyncio.create_task(take(store, 3, 2))
    assert await take(store, 2, 1) == [(2, [("a", b"2", 2), ("p/1", b"", 2)], [])]
    await store.txn([], [DeletePrefix("p/"), Delete("nothing"), Put("b", b"3")])
    await store.txn([], [Delete("a")])
    assert await late == [(3, [("b", b"3", 3)], ["p/1"]), (4, [], ["a"])]


async def test_an_event_is_there_before_the_answer_to_its_transaction(store: SqliteStore) -> None:
    watched: dict[int, WatchEvent] = {}

    async def watch() -> None:
        async for event in store.watch(1):
            watched[event.revision] = event

    watcher = asyncio.create_task(watch())
    await asyncio.sleep(0)
    await store.txn([], [Put("a", b"")])
    await asyncio.sleep(0)
    assert list(watched) == [1]
    await store.close()
    await watcher  # the end of the store is the end of the watch


async def test_a_watch_of_forgotten_revisions_is_refused(store: SqliteStore) -> None:
    for _ in range(EVENTS_KEPT + 1):
        await store.txn([], [Put("a", b"")])
    assert len(await take(store, 2, EVENTS_KEPT)) == EVENTS_KEPT
    with pytest.raises(CompactedError):
        await take(store, 1, 1)


async def test_what_was_written_before_the_store_was_opened_cannot_be_watched(tmp_path: Path) -> None:
    path = str(tmp_path / "metadata.db")
    first = await SqliteStore.open(path)
    await first.txn([], [Put("a", b"1")])
    await first.close()
    second = await SqliteStore.open(path)
    with pytest.raises(CompactedError):
        await take(second, 1, 1)
    await second.close()


# --- what can go wrong ---------------------------------------------------------------------------------------------


async def test_a_second_broker_is_refused(store: SqliteStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"metadata\.db cannot be used: another broker is using it\.$"):
        await SqliteStore.open(str(tmp_path / "metadata.db"))
    assert await store.txn([], [Put("a", b"")]) == (True, 1)


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + bytes(range(256)) * 40])
async def test_a_damaged_file_is_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "metadata.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"metadata\.db.*\.$"):
        await SqliteStore.open(str(path))
    assert path.read_bytes() == content


async def test_somebody_elses_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "metadata.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE friends (name TEXT)")
    other.close()
    with pytest.raises(StoreError, match="some other SQLite database"):
        await SqliteStore.open(str(path))
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT count(*) FROM friends").fetchone() == (0,)
    other.close()


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "metadata.db")
    await (await SqliteStore.open(path)).close()
    with sqlite3.connect(path) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StoreError, match="newer version"):
        await SqliteStore.open(path)


async def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere/metadata\.db cannot be used: unable to open database file"):
        await SqliteStore.open(str(tmp_path / "nowhere" / "metadata.db"))


async def test_a_full_disk_refuses_the_transaction_and_the_next_one_may_succeed(store: SqliteStore) -> None:
    await store.txn([], [Put("a", b"1")])
    pages = await store._call(lambda: store._connection.execute("PRAGMA page_count").fetchone()[0])
    await store._call(lambda: store._connection.execute(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(StoreError, match="full"):
        await store.txn([], [Put("a", b"2"), Put("b", bytes(100_000))])
    assert await store.range("") == ([KeyValue("a", b"1", 1)], 1)
    await store._call(lambda: store._connection.execute("PRAGMA max_page_count = 1000000"))
    assert await store.txn([], [Put("b", bytes(100_000))]) == (True, 2)


class FailingConnection:
    """A connection whose commits meet a disk that fails."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        if statement == "COMMIT":
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR | 4 << 8  # its FSYNC variety
            raise error
        return self._connection.execute(statement, *parameters)


async def test_a_failed_sync_is_not_tried_again(store: SqliteStore) -> None:
    sound = store._connection
    store._connection = FailingConnection(sound)  # type: ignore[assignment]
    with pytest.raises(StoreError, match="disk I/O error"):
        await store.txn([], [Put("a", b"1")])
    store._connection = sound
    with pytest.raises(StoreError, match="until the broker is started again"):
        await store.txn([], [Put("a", b"1")])


async def test_a_closed_store_says_so(store: SqliteStore) -> None:
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="is closed"):
        await store.get("a")


# --- against a model -----------------------------------------------------------------------------------------------

keys = st.sampled_from(["a", "p/", "p/1", "p/2", "q/1"])
changes = st.one_of(
    st.builds(Put, keys, st.binary(max_size=3)), st.builds(Delete, keys), st.builds(DeletePrefix, st.just("p/"))
)
transactions = st.tuples(
    st.lists(st.tuples(keys, st.sampled_from(["now", "other"])), max_size=2), st.lists(changes, max_size=4)
)


def touched(change: Change) -> set[str]:
    return {"p/", "p/1", "p/2"} if isinstance(change, DeletePrefix) else {change.key}


@settings(max_examples=30, deadline=None)
@given(script=st.lists(transactions, max_size=12))
async def test_it_does_as_a_dict_with_revisions(tmp_path_factory: pytest.TempPathFactory, script: list[Any]) -> None:
    path = str(tmp_path_factory.mktemp("model") / "metadata.db")
    store = await SqliteStore.open(path, durable=False)
    model: dict[str, KeyValue] = {}
    replayed: dict[str, KeyValue] = {}
    revision = 0
    for comparisons, proposed in script:
        chosen: list[Change] = []
        for change in proposed:  # a transaction names a key once
            if not touched(change) & {key for other in chosen for key in touched(other)}:
                chosen.append(change)
        compares = []
        for key, what in comparisons:
            now = model[key].mod_revision if key in model else 0
            compares.append(Compare(key, now if what == "now" else now + 1))
        holds = all(what == "now" for _, what in comparisons)
        effective = holds and any(isinstance(c, Put) or touched(c) & model.keys() for c in chosen)
        if effective:
            revision += 1
            for change in chosen:
                if isinstance(change, Put):
                    model[change.key] = KeyValue(change.key, change.value, revision)
                else:
                    for key in touched(change):
                        model.pop(key, None)
        assert await store.txn(compares, chosen) == (holds, revision)
    assert await store.range("") == (sorted(model.values()), revision)
    for event in await take(store, 1, revision) if revision else []:
        for item in event.puts:
            replayed[item.key] = item
        for key in event.deletes:
            del replayed[key]
    assert replayed == model
    await store.close()
