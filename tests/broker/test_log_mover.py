"""The mover of logs: its queue, its quota, and what becomes of moves when disks fail, topics go and brokers end."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from broker.config import Config
from broker.config_table import LOG_MOVES_BYTES_PER_SECOND_MAX
from broker.log_mover import LogMover
from protocol.errors import ErrorCode, KafkaError
from storage.filesystem import Filesystem
from storage.log import Log
from storage.log_config import LogConfig
from storage.log_manager import LogManager
from storage.log_move import LogMove
from tests.support.hosted_topics import batch
from tests.support.manual_clock import ManualClock

TOPIC_ID = b"o" * 16
KEY = ("orders", 0)
CONFIG = LogConfig(segment_bytes=100_000)


class HeldDisk(Filesystem):
    """A disk on which a test holds or fails what is written to copies of logs."""

    def __init__(self) -> None:
        super().__init__()
        self.may_write = threading.Event()
        self.may_write.set()
        self.is_held = threading.Event()
        self.error: int | None = None

    def create(self, path: str, *, empty: bool = False) -> int:
        if "-future/" in path and path.endswith(".log"):
            self.is_held.set()
            assert self.may_write.wait(30)
            if self.error is not None:
                raise OSError(self.error, "made to fail")
        return super().create(path, empty=empty)


class Moving:
    """Two log directories, `a` and `b`, with the log of orders-0 in `a`, and a mover."""

    def __init__(self, path: Path) -> None:
        self.a, self.b = path / "a", path / "b"
        self.disk = HeldDisk()
        self.config = Config({})
        self.offline: list[tuple[str, int]] = []
        self.start({})
        self.log = self.create(*KEY)

    def start(self, expected: dict[tuple[str, int], bytes] | None = None) -> None:
        clock = ManualClock()
        self.logs = LogManager(
            [str(self.a), str(self.b)],
            self.disk,
            cluster_id="cluster",
            node_id=1,
            now_ms=clock.now_ms,
            on_offline=self.offline.extend,
        )
        self.logs.load({KEY: TOPIC_ID} if expected is None else expected, lambda topic: CONFIG)
        self.mover = LogMover(self.config, self.logs, clock)

    def create(self, topic: str, partition: int) -> Log:
        self.logs.moves.prefer((topic, partition), str(self.a))
        log = self.logs.create(topic, partition, TOPIC_ID, CONFIG)
        for _ in range(30):
            log.append(batch(bytes(10_000)), 0, 0)
        return log

    async def restart(self, *, clean: bool = True) -> None:
        await self.mover.close()
        self.logs.close(clean=clean)
        self.start()
        log = self.logs.get(*KEY)
        assert log is not None
        self.log = log

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                await asyncio.sleep(0.001)

    async def until_moved(self, log: Log | None = None, directory: Path | None = None) -> None:
        moved = log or self.log
        path = directory or self.b
        name = f"{moved.topic}-{moved.partition}"
        await self.until(lambda: moved.directory == str(path / name) and not self.logs.moves.get((moved.topic, 0)))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep copies from being written while the block runs."""
        self.disk.may_write.clear()
        self.disk.is_held.clear()
        try:
            yield
        finally:
            self.disk.may_write.set()

    async def until_held(self) -> LogMove:
        await self.until(self.disk.is_held.is_set)
        move = self.logs.moves.get(KEY)
        assert move is not None
        return move

    def set_quota(self, text: str) -> None:
        self.config.adopt(self.config.overridden({}, {LOG_MOVES_BYTES_PER_SECOND_MAX: text}))


@pytest.fixture
async def moving(tmp_path: Path) -> AsyncIterator[Moving]:
    moving = Moving(tmp_path)
    yield moving
    moving.disk.may_write.set()
    await moving.mover.close()
    moving.logs.close(clean=False)


async def code_of(moving: Moving, key: tuple[str, int], path: Path | str) -> ErrorCode:
    try:
        await moving.mover.alter(key, str(path))
    except KafkaError as error:
        return error.code
    return ErrorCode.NONE


async def test_a_log_is_moved(moving: Moving) -> None:
    end_offset = moving.log.log_end_offset
    await moving.mover.alter(KEY, str(moving.b))
    await moving.until_moved()
    assert moving.log.log_end_offset == end_offset
    moving.log.append(batch(b"more"), 0, 0)


async def test_it_is_where_it_is_wanted_already(moving: Moving) -> None:
    await moving.mover.alter(KEY, str(moving.a))
    assert moving.logs.moves.moves == []


async def test_a_move_that_is_under_way_goes_on(moving: Moving) -> None:
    with moving.held():
        await moving.mover.alter(KEY, str(moving.b))
        move = await moving.until_held()
        await moving.mover.alter(KEY, str(moving.b))
        assert moving.logs.moves.get(KEY) is move
        assert not move.is_cancelled
    await moving.until_moved()


async def test_its_own_directory_ends_a_move(moving: Moving) -> None:
    with moving.held():
        await moving.mover.alter(KEY, str(moving.b))
        move = await moving.until_held()
        await moving.mover.alter(KEY, str(moving.a))
        assert move.is_cancelled
    await moving.mover.alter(KEY, str(moving.b))
    await moving.until_moved()
    assert moving.offline == []


async def test_a_move_that_waits_for_its_turn_can_be_ended(moving: Moving) -> None:
    other = moving.create("other", 0)
    with moving.held():
        await moving.mover.alter(KEY, str(moving.b))
        await moving.until_held()
        await moving.mover.alter(("other", 0), str(moving.b))
        await moving.mover.alter(("other", 0), str(moving.a))
    await moving.until_moved()
    assert other.directory == str(moving.a / "other-0")
    assert moving.logs.moves.moves == []


async def test_logs_go_into_a_directory_one_after_the_other(moving: Moving) -> None:
    others = [moving.create(f"other{number}", 0) for number in range(5)]
    with moving.held():
        for log in (moving.log, *others):
            await moving.mover.alter((log.topic, log.partition), str(moving.b))
        await moving.until_held()
        assert len(moving.logs.moves.moves) == 6
        assert len(list(moving.b.glob("*-future"))) == 6
    for log in (moving.log, *others):
        await moving.until_moved(log)


@pytest.mark.parametrize("path", ["", "relative", "/nowhere", "/"])
async def test_no_such_directory(moving: Moving, path: str) -> None:
    assert await code_of(moving, KEY, path) == ErrorCode.LOG_DIR_NOT_FOUND


async def test_no_such_log(moving: Moving) -> None:
    assert await code_of(moving, ("new", 0), moving.b) == ErrorCode.REPLICA_NOT_AVAILABLE
    assert moving.logs.create("new", 0, TOPIC_ID, CONFIG).directory == str(moving.b / "new-0")


async def test_a_name_too_long(moving: Moving) -> None:
    assert await code_of(moving, ("x" * 214, 0), "/nowhere") == ErrorCode.INVALID_TOPIC_EXCEPTION
    assert await code_of(moving, ("x" * 213, 0), moving.b) == ErrorCode.REPLICA_NOT_AVAILABLE


async def test_offline_directories(moving: Moving) -> None:
    moving.create("other", 0)
    target = moving.logs.moves.directory(str(moving.b))
    moving.logs.take_offline(target, OSError(errno.EIO, "broken"))
    assert await code_of(moving, KEY, moving.b) == ErrorCode.KAFKA_STORAGE_ERROR
    assert await code_of(moving, KEY, moving.a) == ErrorCode.NONE
    moving.logs.offline_partitions.add(("lost", 0))
    assert await code_of(moving, ("lost", 0), moving.a) == ErrorCode.KAFKA_STORAGE_ERROR


async def test_no_move_is_begun_while_another_directory_is_offline(moving: Moving) -> None:
    moving.logs.offline_directories["/elsewhere"] = OSError(errno.EIO, "broken")
    assert await code_of(moving, KEY, moving.b) == ErrorCode.KAFKA_STORAGE_ERROR
    assert await code_of(moving, KEY, "/elsewhere") == ErrorCode.KAFKA_STORAGE_ERROR


async def test_a_move_that_cannot_be_begun(moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: str, *, apart: bool = False) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(moving.disk, "mkdir", full)
    assert await code_of(moving, KEY, moving.b) == ErrorCode.KAFKA_STORAGE_ERROR
    assert moving.logs.moves.moves == []


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
async def test_only_the_move_fails_with_its_target(moving: Moving, error: int) -> None:
    with moving.held():
        await moving.mover.alter(KEY, str(moving.b))
        move = await moving.until_held()
        moving.disk.error = error
    await moving.until(lambda: move.is_cancelled)
    moving.disk.error = None
    moving.log.append(batch(b"more"), 0, 0)
    assert moving.log.directory == str(moving.a / "orders-0")
    assert (str(moving.b) in moving.logs.online_directories) == (error == errno.ENOSPC)
    if error == errno.ENOSPC:
        await moving.mover.alter(KEY, str(moving.b))
        await moving.until_moved()


async def test_a_source_that_cannot_be_read_goes_offline(moving: Moving) -> None:
    moving.log.segments[0].size_bytes += 1000
    await moving.mover.alter(KEY, str(moving.b))
    await moving.until(lambda: moving.offline)
    assert moving.offline == [KEY]


async def test_a_bug_ends_its_move_alone(
    moving: Moving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: LogMove) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(LogMove, "begin_rest", fail)
        await moving.mover.alter(KEY, str(moving.b))
        await moving.until(lambda: not moving.logs.moves.moves)
    assert "ZeroDivisionError" in caplog.text
    await moving.mover.alter(KEY, str(moving.b))
    await moving.until_moved()


async def test_its_topic_is_deleted(moving: Moving) -> None:
    with moving.held():
        await moving.mover.alter(KEY, str(moving.b))
        move = await moving.until_held()
        moving.logs.delete(*KEY, TOPIC_ID)
        assert move.is_cancelled
        again = moving.logs.create(*KEY, b"n" * 16, CONFIG)
    again.append(batch(b"another"), 0, 0)
    await moving.mover.alter(KEY, str(moving.a))
    await moving.mover.alter(KEY, str(moving.b))
    await moving.until_moved(again)
    assert again.log_end_offset == 1


async def test_what_is_written_all_the_time_is_moved(moving: Moving) -> None:
    await moving.mover.alter(KEY, str(moving.b))
    written = moving.log.log_end_offset
    while moving.logs.moves.moves:
        moving.log.append(batch(bytes(20_000)), 0, 0)
        written += 1
        await asyncio.sleep(0.001)
    await moving.until_moved()
    assert moving.log.log_end_offset == written


@pytest.mark.parametrize("clean", [False, True])
async def test_a_move_goes_on_after_a_restart(moving: Moving, clean: bool) -> None:
    with moving.held():
        await moving.mover.alter(KEY, str(moving.b))
        await moving.until_held()
        closing = asyncio.ensure_future(moving.restart(clean=clean))
        await asyncio.sleep(0)
    await closing
    assert moving.log.directory == str(moving.a / "orders-0")
    moving.mover.resume()
    await moving.until_moved()
    assert moving.log.log_end_offset == 30


async def test_a_log_that_goes_on_with_its_copy_has_its_name_before_the_broker_ends(
    moving: Moving, monkeypatch: pytest.MonkeyPatch
) -> None:
    confirm = moving.logs.moves.confirm
    is_committed, may_confirm = threading.Event(), threading.Event()

    def held_confirm(committed: object) -> None:
        is_committed.set()
        assert may_confirm.wait(30)
        confirm(committed)  # type: ignore[arg-type]

    monkeypatch.setattr(moving.logs.moves, "confirm", held_confirm)
    await moving.mover.alter(KEY, str(moving.b))
    await moving.until(is_committed.is_set)
    assert moving.log.directory.endswith("-future")
    flush = moving.log.begin_flush()
    closing = asyncio.ensure_future(moving.mover.close())
    may_confirm.set()
    await asyncio.sleep(0.05)
    assert not closing.done()
    flush.release()
    await closing
    assert moving.log.directory == str(moving.b / "orders-0")


class TestQuota:
    @pytest.mark.parametrize("text", ["1", " 1 ", "0"])
    async def test_it_holds_pieces_up(self, moving: Moving, text: str) -> None:
        moving.set_quota(text)
        await moving.mover.alter(KEY, str(moving.b))
        await moving.until(lambda: moving.logs.moves.moves[0].size_bytes)
        await asyncio.sleep(0.05)
        (move,) = moving.logs.moves.moves
        assert move.size_bytes < moving.log.size_bytes

    async def test_a_higher_one_has_it_go_on(self, moving: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("broker.log_mover._QUOTA_CHECK_SECONDS", 0.001)
        moving.set_quota("1")
        await moving.mover.alter(KEY, str(moving.b))
        await moving.until(lambda: moving.logs.moves.moves[0].size_bytes)
        moving.config.adopt(moving.config.overridden({}, {}))
        await moving.until_moved()

    async def test_the_end_of_a_move_or_of_the_broker_is_not_held_up(self, moving: Moving) -> None:
        moving.set_quota("1")
        await moving.mover.alter(KEY, str(moving.b))
        await moving.until(lambda: moving.logs.moves.moves[0].size_bytes)
        await moving.mover.close()

    @pytest.mark.parametrize("text", ["", "fast", "-1", "1.5"])
    async def test_what_is_no_number_is_no_quota(self, moving: Moving, text: str) -> None:
        moving.set_quota(text)
        await moving.mover.alter(KEY, str(moving.b))
        await moving.until_moved()
