"""AlterReplicaLogDirs: codes as asked of a Kafka 4.3.1. The mover has tests of its own."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.core.controller.topic_deletion import TopicReference
from broker.metadata.keys import partition_key
from broker.metadata.records import PartitionRecord, encode_partition
from broker.metadata.store import Put
from protocol.errors import ErrorCode
from tests.support.hosted_topics import batch
from tests.support.log_dirs import LogDirs, running_with_log_dirs

NONE, UNKNOWN, NO_DIRECTORY, STORAGE, BAD_NAME, NOT_HERE = (
    int(code)
    for code in (
        ErrorCode.NONE,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.LOG_DIR_NOT_FOUND,
        ErrorCode.KAFKA_STORAGE_ERROR,
        ErrorCode.INVALID_TOPIC_EXCEPTION,
        ErrorCode.REPLICA_NOT_AVAILABLE,
    )
)
ORDERS = ("orders", 0)


@pytest.fixture
async def dirs(tmp_path: Path) -> AsyncIterator[LogDirs]:
    async with running_with_log_dirs(tmp_path) as dirs:
        await dirs.create("orders", dirs.a, dirs.b)
        dirs.append("orders", batch(b"x" * 1000))
        yield dirs


async def until_in(dirs: LogDirs, path: str, topic: str = "orders", index: int = 0) -> None:
    log = dirs.broker.logs.get(topic, index)
    assert log is not None
    await dirs.until(lambda: log.directory == f"{path}/{topic}-{index}" and not dirs.broker.logs.moves.moves)


@pytest.mark.parametrize("version", [1, 2])
async def test_logs_are_moved(dirs: LogDirs, version: int) -> None:
    await dirs.create("payments", dirs.a)
    moved = await dirs.alter((dirs.b, "orders", [0, 1]), (dirs.b, "payments", [0]), version=version)
    assert moved == {ORDERS: NONE, ("orders", 1): NONE, ("payments", 0): NONE}
    await until_in(dirs, dirs.b)
    await until_in(dirs, dirs.b, "payments")
    assert {place.log_dir for place in await dirs.describe()} == {dirs.b}
    partition = dirs.broker.partitions.get("orders", 0)
    assert partition is not None
    assert partition.high_watermark == 1
    dirs.append("orders", batch(b"more"))
    assert partition.high_watermark == 2


@pytest.mark.parametrize("version", [1, 2])
async def test_nothing_to_move(dirs: LogDirs, version: int) -> None:
    assert await dirs.alter((dirs.a, "orders", [0]), version=version) == {ORDERS: NONE}
    assert await dirs.alter((dirs.b, "orders", []), version=version) == {}
    assert await dirs.alter(version=version) == {}
    assert dirs.broker.logs.moves.moves == []


async def test_directories_go_by_their_path_to_the_letter(dirs: LogDirs) -> None:
    for path in ("", "relative", "/nope", f"{dirs.a}/", f"{dirs.b}/../a"):
        assert await dirs.alter((path, "orders", [0])) == {ORDERS: NO_DIRECTORY}


async def test_partitions_that_are_not_there(dirs: LogDirs) -> None:
    assert await dirs.alter((dirs.a, "orders", [2, -1]), (dirs.a, "nope", [0]), (dirs.a, "bad/name", [0])) == {
        ("orders", 2): UNKNOWN,
        ("orders", -1): UNKNOWN,
        ("nope", 0): UNKNOWN,
        ("bad/name", 0): UNKNOWN,
    }
    assert await dirs.alter(("/nope", "nope", [0])) == {("nope", 0): NO_DIRECTORY}


async def test_names_that_leave_no_room_for_that_of_a_copy(dirs: LogDirs) -> None:
    for path in (dirs.a, "/nope"):
        for name in ("x" * 214, "x" * 300):
            assert await dirs.alter((path, name, [0])) == {(name, 0): BAD_NAME}
    assert await dirs.alter((dirs.a, "x" * 213, [0])) == {("x" * 213, 0): UNKNOWN}
    assert await dirs.alter((dirs.a, "x" * 213, [10])) == {("x" * 213, 10): BAD_NAME}


async def test_a_partition_that_is_elsewhere(dirs: LogDirs) -> None:
    topic = dirs.broker.images.current.topics["orders"]
    change = Put(partition_key(topic.topic_id, 1), encode_partition(PartitionRecord((7,), (7,), 7, 1)))
    await dirs.broker.images.wait_for((await dirs.broker.metadata.txn([], [change])).revision)
    dirs.broker.logs.delete("orders", 1, topic.topic_id)
    assert await dirs.alter((dirs.a, "orders", [1])) == {("orders", 1): NOT_HERE}


async def test_one_that_comes_twice_goes_where_it_was_wanted_last(dirs: LogDirs) -> None:
    assert await dirs.alter((dirs.b, "orders", [0]), (dirs.a, "orders", [0])) == {ORDERS: NONE}
    assert dirs.broker.logs.moves.moves == []
    assert await dirs.alter(("/nope", "orders", [0]), (dirs.b, "orders", [0, 0])) == {ORDERS: NONE}
    await until_in(dirs, dirs.b)


async def test_each_partition_has_its_own_error(dirs: LogDirs) -> None:
    assert await dirs.alter(("/nope", "orders", [1]), (dirs.b, "orders", [0]), (dirs.b, "nope", [3])) == {
        ("orders", 1): NO_DIRECTORY,
        ORDERS: NONE,
        ("nope", 3): UNKNOWN,
    }
    await until_in(dirs, dirs.b)


async def test_new_partitions_are_made_where_they_were_wanted(dirs: LogDirs) -> None:
    wanted = [(dirs.a, "new", [0]), (dirs.b, "new", [1]), (dirs.b, "new", [2]), (dirs.b, "new", [3])]
    assert set((await dirs.alter(*wanted)).values()) == {UNKNOWN}
    answer = await dirs.ask(
        "CreateTopics", 7, timeout_ms=30_000, topics=[{"name": "new", "num_partitions": 4, "replication_factor": 1}]
    )
    assert answer.topics[0].error_code == NONE
    places = {(place.log_dir, place.partition) for place in await dirs.describe() if place.topic == "new"}
    assert places == {(dirs.a, 0), (dirs.b, 1), (dirs.b, 2), (dirs.b, 3)}


async def test_offline_directories(dirs: LogDirs) -> None:
    logs = dirs.broker.logs
    await dirs.create("lost", dirs.b)
    logs.take_offline(logs.moves.directory(dirs.b), OSError(errno.EIO, "broken"))
    await dirs.until(lambda: dirs.broker.partitions.get("lost", 0) is None)
    assert await dirs.alter((dirs.b, "orders", [0]), (dirs.a, "lost", [0]), (dirs.b, "nope", [0])) == {
        ORDERS: STORAGE,
        ("lost", 0): STORAGE,
        ("nope", 0): STORAGE,
    }
    assert await dirs.alter((dirs.a, "orders", [0])) == {ORDERS: NONE}


async def test_the_topic_is_deleted_and_made_again_meanwhile(dirs: LogDirs) -> None:
    for _ in range(3):
        await dirs.alter((dirs.b, "orders", [0]), (dirs.a, "orders", [1]))
        await dirs.broker.topics.delete(
            [TopicReference("orders")],
            may_describe=lambda name: True,
            may_delete=lambda name: True,
            timeout_ms=30_000,
        )
        assert await dirs.describe() == []
        await dirs.create("orders", dirs.a, dirs.b)
        dirs.append("orders", batch(b"again"))
    await dirs.until(lambda: not dirs.broker.logs.moves.moves)
    assert [(place.log_dir, place.partition) for place in await dirs.describe()] == [(dirs.a, 0), (dirs.b, 1)]
    assert dirs.broker.logs.offline_directories == {}


async def test_a_quota_that_is_set_at_run_time(dirs: LogDirs, caplog: pytest.LogCaptureFixture) -> None:
    async def set_quota(value: str | None) -> None:
        change = {"name": "replica.alter.log.dirs.io.max.bytes.per.second", "value": value}
        resource = {
            "resource_type": 4,
            "resource_name": "0",
            "configs": [{**change, "config_operation": value is None}],
        }
        answer = await dirs.ask("IncrementalAlterConfigs", 1, resources=[resource])
        assert answer.responses[0].error_code == NONE

    for _ in range(10):
        dirs.append("orders", batch(bytes(100_000)))
    await set_quota("1")
    await dirs.alter((dirs.b, "orders", [0]))
    await dirs.until(lambda: dirs.broker.logs.moves.moves[0].size_bytes)
    (copy,) = [place for place in await dirs.describe() if place.is_future]
    assert 0 < copy.offset_lag < 11
    await set_quota(None)
    await until_in(dirs, dirs.b)
    assert "not yet in force" not in caplog.text


async def test_the_log_of_a_coordinator_is_moved(tmp_path: Path) -> None:
    group = {"group_id": "readers", "generation_id_or_member_epoch": -1}

    async def commit(dirs: LogDirs, offset: int) -> None:
        partitions = [{"partition_index": 0, "committed_offset": offset, "committed_metadata": ""}]
        topics = [{"name": "orders", "partitions": partitions}]
        answer = await dirs.ask("OffsetCommit", 9, **group, topics=topics)
        assert answer.topics[0].partitions[0].error_code == NONE

    async with running_with_log_dirs(tmp_path) as dirs:
        await dirs.create("orders", dirs.a)
        await dirs.broker.groups.ensure_topic()
        offsets = dirs.broker.images.current.topics["__consumer_offsets"]
        everywhere = range(len(offsets.partitions))
        await commit(dirs, 1)
        offset = 1
        for path in (dirs.a, dirs.b):
            await dirs.alter((path, "__consumer_offsets", everywhere))
            while dirs.broker.logs.moves.moves:
                offset += 1
                await commit(dirs, offset)
        assert {place.log_dir for place in await dirs.describe() if place.topic == "__consumer_offsets"} == {dirs.b}
    async with running_with_log_dirs(tmp_path) as dirs:
        wanted = [{"group_id": "readers", "topics": [{"name": "orders", "partition_indexes": [0]}]}]
        async with asyncio.timeout(30):
            while (answer := await dirs.ask("OffsetFetch", 8, groups=wanted)).groups[0].error_code:
                await asyncio.sleep(0.01)
        assert answer.groups[0].topics[0].partitions[0].committed_offset == offset


async def test_a_move_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with running_with_log_dirs(tmp_path) as dirs:
        await dirs.create("orders", dirs.a)
        for _ in range(100):
            dirs.append("orders", batch(bytes(100_000)))
        await dirs.alter((dirs.b, "orders", [0]))
    async with running_with_log_dirs(tmp_path) as dirs:
        await until_in(dirs, dirs.b)
        log = dirs.broker.logs.get("orders", 0)
        assert log is not None
        assert log.log_end_offset == 100
