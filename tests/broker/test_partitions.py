"""The partition table: follows the image, and says why a partition is not there."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.metadata.image import ConfigImage, ImageDelta, MetadataImage, PartitionImage
from broker.partition import ACKS_ALL, Partition, PartitionWatcher
from broker.partitions import PartitionTable
from protocol.errors import ErrorCode, KafkaError
from storage.filesystem import Filesystem
from storage.log import Log
from storage.log_config import LogConfig
from tests.support.hosted_topics import NODE_ID, OTHER_NODE_ID, HostedTopics, batch


class FailingFilesystem(Filesystem):
    """Fails writes and new files, and for want of descriptors all files, with one error once told to."""

    error: OSError | None = None

    def open(self, path: str) -> int:
        if self.error is not None and self.error.errno in (errno.EMFILE, errno.ENFILE):
            raise self.error
        return super().open(path)

    def pwrite(self, fd: int, data: bytes | bytearray | memoryview, position: int) -> int:
        self._fail()
        return super().pwrite(fd, data, position)

    def create(self, path: str, *, empty: bool = False) -> int:
        self._fail()
        return super().create(path, empty=empty)

    def mkdir(self, path: str, *, apart: bool = False) -> None:
        self._fail()
        super().mkdir(path, apart=apart)

    def make_directories(self, path: str) -> None:
        self._fail()
        super().make_directories(path)

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


class Watcher(PartitionWatcher):
    def __init__(self) -> None:
        self.completed = 0

    def on_committed(self, size_bytes: int) -> None:
        raise AssertionError

    def complete(self) -> None:
        self.completed += 1


def watched(broker: HostedTopics, partition: Partition) -> Watcher:
    watcher = Watcher()
    partition.watch(watcher)
    broker.delayed.park(watcher, 1000)
    return watcher


@pytest.fixture
def filesystem() -> FailingFilesystem:
    return FailingFilesystem()


@pytest.fixture
async def broker(tmp_path: Path, filesystem: FailingFilesystem) -> AsyncIterator[HostedTopics]:
    made = HostedTopics(tmp_path, filesystem=filesystem)
    yield made
    made.close()


def absence(broker: HostedTopics, topic: str, index: int, *, by_id: bool = False) -> ErrorCode:
    return broker.partitions.absence(broker.images.current.topics.get(topic), index, by_id=by_id)


async def test_partitions_are_found_by_name_and_by_id(broker: HostedTopics) -> None:
    topic = await broker.create("t", 3)
    for index in range(3):
        partition = broker.partitions.get("t", index)
        assert partition is not None
        assert partition is broker.partitions.get_by_id(topic.topic_id, index)
        assert (partition.topic, partition.topic_id, partition.index) == ("t", topic.topic_id, index)
        assert str(partition) == f"t-{index}"
    for index in (-1, 3):
        assert broker.partitions.get("t", index) is None
        assert broker.partitions.get_by_id(topic.topic_id, index) is None


async def test_why_a_partition_is_not_there(broker: HostedTopics) -> None:
    await broker.create("t", 2, leaders=[OTHER_NODE_ID])
    assert absence(broker, "t", 0) == ErrorCode.NOT_LEADER_OR_FOLLOWER
    for index in (-1, 2):
        assert absence(broker, "t", index) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert absence(broker, "t", index, by_id=True) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert absence(broker, "nope", 0) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert absence(broker, "nope", 0, by_id=True) == ErrorCode.UNKNOWN_TOPIC_ID


async def test_the_epoch_is_that_of_the_image(broker: HostedTopics) -> None:
    topic = await broker.create("t", placement=PartitionImage((NODE_ID,), (NODE_ID,), NODE_ID, 3))
    assert broker.partition("t").leader_epoch == 3
    watcher = watched(broker, broker.partition("t"))
    await broker.replace(topic, partitions=(PartitionImage((NODE_ID,), (NODE_ID,), NODE_ID, 4),))
    assert broker.partition("t").leader_epoch == 4
    await asyncio.sleep(0)
    assert watcher.completed == 1


async def test_a_deleted_topic_is_gone_at_once(broker: HostedTopics) -> None:
    topic = await broker.create("t", 2)
    partition = broker.partition("t", 1)
    watcher = watched(broker, partition)
    await broker.delete(topic)
    await asyncio.sleep(0)
    assert watcher.completed == 1
    assert not partition.hosted
    assert broker.partitions.get("t", 1) is None
    assert broker.partitions.get_by_id(topic.topic_id, 1) is None
    assert broker.logs.get("t", 1) is None


async def test_a_topic_made_again_is_another_one(broker: HostedTopics) -> None:
    old = await broker.create("t")
    broker.append("t", b"a")
    await broker.delete(old)
    new = await broker.create("t")
    assert broker.partition("t").high_watermark == 0
    assert broker.partitions.get_by_id(old.topic_id, 0) is None
    assert broker.partitions.get_by_id(new.topic_id, 0) is broker.partition("t")


async def test_deleted_and_made_again_in_one_image(broker: HostedTopics) -> None:
    old = await broker.create("t")
    broker.append("t", b"a")
    twin = dataclasses.replace(old, topic_id=b"?" * 16)
    await broker.publish(created=(twin,), deleted=(old,))
    assert broker.partitions.get_by_id(twin.topic_id, 0) is broker.partition("t")
    assert broker.partition("t").high_watermark == 0


async def test_between_deletion_and_its_image_a_topic_is_unknown(broker: HostedTopics) -> None:
    topic = await broker.create("t")
    published = broker.images.current
    await broker.delete(topic)
    broker.images.current = published
    assert absence(broker, "t", 0) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert absence(broker, "t", 0, by_id=True) == ErrorCode.UNKNOWN_TOPIC_ID


async def test_more_partitions_and_other_leaders(broker: HostedTopics) -> None:
    topic = await broker.create("t", 2)
    first, second = topic.partitions
    kept, moved = broker.partition("t", 0), broker.partition("t", 1)
    grown = await broker.replace(topic, partitions=(first, second._replace(leader=OTHER_NODE_ID), first))
    assert broker.partition("t", 0) is kept
    assert not moved.hosted
    assert absence(broker, "t", 1) == ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert broker.partition("t", 2).high_watermark == 0
    await broker.replace(grown, partitions=(first, second, first))
    assert broker.partition("t", 1).hosted


async def test_logs_that_are_there_are_opened_not_made(broker: HostedTopics) -> None:
    topic = await broker.create("t")
    broker.append("t", b"a")
    restarted = PartitionTable(broker.config, broker.clock, broker.logs, broker.delayed)
    await restarted.prepare(MetadataImage(), broker.images.current, ImageDelta((topic,), (), ()))
    partition = restarted.get("t", 0)
    assert partition is not None
    assert partition.high_watermark == 1


async def test_logs_are_made_in_a_thread(broker: HostedTopics, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    create = broker.logs.create

    def noting(topic: str, partition: int, topic_id: bytes, config: LogConfig) -> Log:
        threads.append(threading.get_ident())
        return create(topic, partition, topic_id, config)

    monkeypatch.setattr(broker.logs, "create", noting)
    await broker.create("t", 50)
    assert len(threads) == 50
    assert threading.get_ident() not in threads
    assert all(broker.partition("t", index).hosted for index in range(50))


async def test_many_logs_are_deleted_over_many_turns_of_the_loop(broker: HostedTopics) -> None:
    topic = await broker.create("t", 50)
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count_turns())
    await broker.delete(topic)
    counting.cancel()
    assert turns >= 2
    assert broker.logs.logs == []


async def test_a_log_that_cannot_be_made_is_offline(broker: HostedTopics, filesystem: FailingFilesystem) -> None:
    filesystem.error = OSError(errno.ENOSPC, "full")
    topic = await broker.create("t", 2)
    assert broker.partitions.get("t", 0) is None
    assert absence(broker, "t", 0) == absence(broker, "t", 1, by_id=True) == ErrorCode.KAFKA_STORAGE_ERROR
    filesystem.error = None
    await broker.delete(topic)
    await broker.create("t")
    assert broker.partition("t").hosted


async def test_a_log_that_is_lost_while_others_are_made_is_offline(
    broker: HostedTopics, filesystem: FailingFilesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = broker.logs.create

    def failing_in_the_end(topic: str, partition: int, topic_id: bytes, config: LogConfig) -> Log:
        if partition == 2:
            filesystem.error = OSError(errno.EIO, "broken")
        return create(topic, partition, topic_id, config)

    monkeypatch.setattr(broker.logs, "create", failing_in_the_end)
    await broker.create("t", 4)
    await asyncio.sleep(0)
    for index in range(4):
        assert broker.partitions.get("t", index) is None
        assert absence(broker, "t", index) == ErrorCode.KAFKA_STORAGE_ERROR


async def test_a_full_disk_refuses_appends_until_there_is_room(
    broker: HostedTopics, filesystem: FailingFilesystem
) -> None:
    await broker.create("t")
    filesystem.error = OSError(errno.ENOSPC, "full")
    with pytest.raises(KafkaError) as caught:
        broker.append("t", b"a")
    assert caught.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    filesystem.error = None
    broker.append("t", b"a")
    assert broker.partition("t").high_watermark == 1


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
async def test_a_shortage_of_descriptors_refuses_until_there_are_some(
    broker: HostedTopics, filesystem: FailingFilesystem, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    await broker.create("t")
    partition = broker.partition("t")
    broker.append("t", b"a")
    for file in partition.log.segments[0].files:
        file.close()
    filesystem.error = OSError(number, os.strerror(number))
    for _ in range(2):
        with pytest.raises(KafkaError) as caught:
            broker.append("t", b"b")
        assert caught.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    with pytest.raises(KafkaError) as caught:
        partition.read(0, 1, committed=False, min_one_message=True)
    assert caught.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    (line,) = [record.message for record in caplog.records if "ulimit -n" in record.message]
    assert os.strerror(number) in line
    filesystem.error = None
    broker.append("t", b"b")
    assert broker.partition("t") is partition
    assert partition.high_watermark == 2
    assert broker.logs.online_directories == list(broker.logs.paths)


async def test_a_failed_directory_takes_its_partitions_offline(
    broker: HostedTopics, filesystem: FailingFilesystem
) -> None:
    await broker.create("t", 2)
    partition = broker.partition("t", 0)
    watcher = watched(broker, broker.partition("t", 1))
    filesystem.error = OSError(errno.EIO, "broken")
    with pytest.raises(KafkaError) as caught:
        partition.append_as_leader(memoryview(batch(b"a")), 0, 1)
    assert caught.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    await asyncio.sleep(0)
    assert watcher.completed == 1
    assert not partition.hosted
    for index in range(2):
        assert broker.partitions.get("t", index) is None
        assert absence(broker, "t", index) == ErrorCode.KAFKA_STORAGE_ERROR
    broker.partitions.take_offline([("t", 0), ("unheard of", 0)])


# --- settings ------------------------------------------------------------------------------------------------------

TWO_REPLICAS_ONE_IN_SYNC = PartitionImage((NODE_ID, OTHER_NODE_ID), (NODE_ID,), NODE_ID, 0)


async def set_for_all_brokers(broker: HostedTopics, **texts: str) -> None:
    """Do as the ConfigFollower, and have the table prepare for it."""
    configs = {name.replace("_", "."): text for name, text in texts.items()}
    broker.config.adopt(broker.config.overridden(configs, {}))
    old = broker.images.current
    new = dataclasses.replace(old, broker_configs={None: ConfigImage(configs, 1)})
    await broker.partitions.prepare(old, new, ImageDelta((), (), ()))
    broker.images.current = new


def taken_with_acks_all(broker: HostedTopics) -> bool:
    try:
        broker.partition("t").append_as_leader(memoryview(batch(b"a")), 0, ACKS_ALL)
    except KafkaError as error:
        assert error.code == ErrorCode.NOT_ENOUGH_REPLICAS
        return False
    return True


async def test_logs_obey_the_overrides_of_their_topic_as_they_are_now(broker: HostedTopics) -> None:
    topic = await broker.create("t", 2, {"segment.ms": "7"})
    other = await broker.create("other")
    topic = await broker.replace(topic, configs={"segment.ms": "7", "max.message.bytes": "5"})
    for index in range(2):
        assert broker.partition("t", index).log.config == LogConfig(segment_ms=7, max_message_bytes=5)
    await broker.replace(topic, configs={})
    assert broker.partition("t").log.config == broker.partition("other").log.config == LogConfig()
    kept = broker.partition("other").log.config
    await broker.replace(other, partitions=(PartitionImage((NODE_ID,), (NODE_ID,), NODE_ID, 5),))
    assert broker.partition("other").log.config is kept


async def test_logs_obey_the_defaults_of_the_broker_as_they_are_now(broker: HostedTopics) -> None:
    await broker.create("t", 2, {"segment.ms": "7"})
    await broker.create("other")
    await set_for_all_brokers(broker, message_max_bytes="5", log_roll_ms="6")
    assert [broker.partition("t", index).log.config for index in range(2)] == [
        LogConfig(segment_ms=7, max_message_bytes=5)
    ] * 2
    assert broker.partition("other").log.config == LogConfig(segment_ms=6, max_message_bytes=5)
    await set_for_all_brokers(broker)
    assert broker.partition("other").log.config == LogConfig()


async def test_many_topics_are_told_over_many_turns_of_the_loop(broker: HostedTopics) -> None:
    for number in range(130):
        await broker.create(f"t{number}")
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count_turns())
    await set_for_all_brokers(broker, message_max_bytes="5")
    counting.cancel()
    assert turns >= 1  # begun in one turn, it went on in another
    assert {log.config.max_message_bytes for log in broker.logs.logs} == {5}


async def test_how_many_replicas_must_be_in_sync_is_what_topic_and_broker_say_now(broker: HostedTopics) -> None:
    topic = await broker.create("t", placement=TWO_REPLICAS_ONE_IN_SYNC)
    assert taken_with_acks_all(broker)
    await set_for_all_brokers(broker, min_insync_replicas="2")
    assert not taken_with_acks_all(broker)
    topic = await broker.replace(topic, configs={"min.insync.replicas": "1"})
    assert taken_with_acks_all(broker)
    topic = await broker.replace(topic, configs={"min.insync.replicas": " 9 "})
    assert not taken_with_acks_all(broker)
    await broker.replace(topic, configs={"min.insync.replicas": "no number any longer"})
    assert not taken_with_acks_all(broker), "the broker's own holds"
    await set_for_all_brokers(broker)
    assert taken_with_acks_all(broker)


async def test_a_partition_that_has_gone_offline_has_no_log_to_tell(
    broker: HostedTopics, filesystem: FailingFilesystem
) -> None:
    filesystem.error = OSError(errno.ENOSPC, "full")
    await broker.create("t")
    filesystem.error = None
    await set_for_all_brokers(broker, message_max_bytes="5")
    assert absence(broker, "t", 0) == ErrorCode.KAFKA_STORAGE_ERROR
