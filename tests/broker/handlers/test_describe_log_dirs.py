"""DescribeLogDirs."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.errors import ErrorCode
from storage.filesystem import Filesystem
from tests.support.hosted_topics import batch
from tests.support.log_dirs import LogDirs, Place, running_with_log_dirs

VERSIONS = range(1, 6)


class HeldDisk(Filesystem):
    """A disk on which copies of logs are written only while a test lets them be."""

    def __init__(self) -> None:
        super().__init__()
        self.may_write = threading.Event()
        self.usage_error: OSError | None = None

    def create(self, path: str, *, empty: bool = False) -> int:
        if "-future/" in path and path.endswith(".log"):
            assert self.may_write.wait(30)
        return super().create(path, empty=empty)

    def usage(self, path: str) -> tuple[int, int]:
        if self.usage_error is not None and path.endswith("/b"):
            raise self.usage_error
        return super().usage(path)


@pytest.fixture
def disk() -> HeldDisk:
    return HeldDisk()


@pytest.fixture
async def dirs(tmp_path: Path, disk: HeldDisk) -> AsyncIterator[LogDirs]:
    async with running_with_log_dirs(tmp_path, disk) as dirs:
        await dirs.create("orders", dirs.a, dirs.b)
        dirs.append("orders", batch(b"x" * 1000))
        yield dirs
        disk.may_write.set()


@pytest.mark.parametrize("version", VERSIONS)
async def test_logs_are_shown_where_they_are(dirs: LogDirs, version: int) -> None:
    await dirs.create("payments", dirs.a)
    size_bytes = dirs.broker.logs.get("orders", 0).size_bytes  # type: ignore[union-attr]
    assert size_bytes > 1000
    assert await dirs.describe(version=version) == [
        Place(dirs.a, "orders", 0, size_bytes, 0, False),
        Place(dirs.a, "payments", 0, 0, 0, False),
        Place(dirs.b, "orders", 1, 0, 0, False),
    ]


@pytest.mark.parametrize("version", VERSIONS)
async def test_only_partitions_that_are_asked_for(dirs: LogDirs, version: int) -> None:
    async def places(*topics: tuple[str, list[int]]) -> list[tuple[str, int]]:
        wanted = [{"topic": topic, "partitions": indexes} for topic, indexes in topics]
        return [(place.log_dir, place.partition) for place in await dirs.describe(wanted, version)]

    assert await places(("orders", [1])) == [(dirs.b, 1)]
    assert await places(("orders", [1, 1]), ("orders", [0])) == [(dirs.a, 0), (dirs.b, 1)]
    assert await places() == await places(("orders", [])) == []
    assert await places(("orders", [2, -1]), ("nope", [0]), ("", [0])) == []


async def test_volumes(dirs: LogDirs) -> None:
    for version in VERSIONS:
        answer = await dirs.ask("DescribeLogDirs", version, topics=[])
        assert [result.log_dir for result in answer.results] == [dirs.a, dirs.b]
        for result in answer.results:
            assert (result.error_code, result.topics) == (ErrorCode.NONE, ())
            if version >= 4:
                volume = os.statvfs(result.log_dir)
                assert result.total_bytes == volume.f_blocks * volume.f_frsize
                assert 0 < result.usable_bytes < result.total_bytes
            if version >= 5:
                assert result.is_cordoned is False


async def test_a_move_is_shown_in_both_directories(dirs: LogDirs, disk: HeldDisk) -> None:
    size_bytes = dirs.broker.logs.get("orders", 0).size_bytes  # type: ignore[union-attr]
    await dirs.alter((dirs.b, "orders", [0]))
    wanted = [{"topic": "orders", "partitions": [0]}]
    assert await dirs.describe(wanted) == [
        Place(dirs.a, "orders", 0, size_bytes, 0, False),
        Place(dirs.b, "orders", 0, 0, 1, True),
    ]
    disk.may_write.set()
    await dirs.until(lambda: not dirs.broker.logs.moves.moves)
    assert await dirs.describe(wanted) == [Place(dirs.b, "orders", 0, size_bytes, 0, False)]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_directory_that_is_offline(dirs: LogDirs, version: int) -> None:
    logs = dirs.broker.logs
    logs.take_offline(logs.moves.directory(dirs.b), OSError(errno.EIO, "broken"))
    answer = await dirs.ask("DescribeLogDirs", version, topics=None)
    online, offline = answer.results
    assert (online.log_dir, online.error_code, len(online.topics)) == (dirs.a, ErrorCode.NONE, 1)
    assert (offline.log_dir, offline.error_code, offline.topics) == (dirs.b, ErrorCode.KAFKA_STORAGE_ERROR, ())
    if version >= 3:
        assert answer.error_code == ErrorCode.NONE
    if version >= 4:
        assert (offline.total_bytes, offline.usable_bytes) == (-1, -1)


async def test_a_directory_that_does_not_answer(dirs: LogDirs, disk: HeldDisk) -> None:
    disk.usage_error = OSError(errno.EIO, "broken")
    answer = await dirs.ask("DescribeLogDirs", 5, topics=None)
    assert [(result.error_code, len(result.topics)) for result in answer.results] == [
        (ErrorCode.NONE, 1),
        (ErrorCode.KAFKA_STORAGE_ERROR, 0),
    ]


async def test_a_directory_that_was_offline_at_the_start(tmp_path: Path, dirs: LogDirs) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a").write_bytes(b"a file, where a directory should be")
    path = tmp_path / "elsewhere"
    async with running_with_log_dirs(path) as others:
        answer = await others.ask("DescribeLogDirs", 5, topics=None)
        assert [(result.log_dir, result.error_code) for result in answer.results] == [
            (others.a, ErrorCode.KAFKA_STORAGE_ERROR),
            (others.b, ErrorCode.NONE),
        ]


async def test_a_log_that_nobody_leads_has_no_lag(dirs: LogDirs) -> None:
    dirs.broker.partitions.take_offline([("orders", 0)])
    assert [(place.partition, place.offset_lag) for place in await dirs.describe()] == [(0, -1), (1, 0)]


async def test_many_partitions(dirs: LogDirs) -> None:
    await dirs.create("many", *[dirs.a, dirs.b] * 400)
    places = await dirs.describe()
    assert len([place for place in places if place.topic == "many"]) == 800
