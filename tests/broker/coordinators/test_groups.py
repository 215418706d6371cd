"""The group coordinator of a whole broker: its topic, where groups belong, restarts, deletions, the end."""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from broker.broker import Broker
from broker.config import Config
from broker.coordinators.group_settings import group_settings
from broker.coordinators.groups import GroupCoordinator, java_hash, new_uuid
from broker.core.controller.topic_creation import NewTopic
from broker.core.controller.topic_deletion import TopicReference
from broker.core.groups.settings import GroupSettings
from broker.core.groups.shard import GroupShard
from broker.core.result import CoordinatorRecord, Moment, Result, Ticket
from broker.metadata.image import GROUPS_TOPIC
from broker.metadata.keys import topic_key
from broker.metadata.store import Compare, Delete
from broker.metadata.writer import Write
from protocol.codec import encode_versioned
from protocol.consumer_offsets import OffsetCommitKey, OffsetCommitValue
from protocol.errors import ErrorCode, KafkaError
from storage.filesystem import Filesystem
from tests.support.running_broker import running
from tests.support.wait import DEADLINE_S
from tests.support.wire import WireClient

JAVA_HASHES = {
    # What String.hashCode returns in a JVM.
    "": 0,
    "g": 103,
    "group-01234": -393388124,
    "console-consumer-12345": 158455506,
    "my.group_with-all.Kinds": -1175232211,
    "größe": 98762257,
    "группа": 1749938458,
    "消费者组": 871131088,
    "\U0001f600-group": -1198440043,
    "polygenelubricants": -2147483648,
    "a\0b": 93315,
    "connect-" + "x" * 300: 250369539,
}
PARTITIONS_OF_50 = {
    # Where a Kafka keeps them.
    "g": 3,
    "group-01234": 24,
    "my.group_with-all.Kinds": 11,
    "größe": 7,
    "\U0001f600-group": 43,
    "polygenelubricants": 0,
}


@pytest.mark.parametrize("text", JAVA_HASHES)
def test_groups_are_hashed_as_by_java(text: str) -> None:
    assert java_hash(text) == JAVA_HASHES[text] & 0xFFFFFFFF


def test_member_ids_end_like_those_of_kafka() -> None:
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", new_uuid())
    assert new_uuid() != new_uuid()


def test_settings_are_those_of_the_configuration() -> None:
    assert group_settings(Config()) == GroupSettings()
    given = {
        "group.min.session.timeout.ms": "1",
        "group.max.session.timeout.ms": "2",
        "group.max.size": "3",
        "group.initial.rebalance.delay.ms": "4",
        "offset.metadata.max.bytes": "5",
        "offsets.retention.minutes": "6",
        "offsets.retention.check.interval.ms": "7",
    }
    assert group_settings(Config(given)) == GroupSettings(1, 2, 3, 4, 5, 6 * 60_000, 7)


# --- operations --------------------------------------------------------------------------------------------------


def commit(broker: Broker, group_id: str, topic: str, offset: int, topic_id: bytes = bytes(16)) -> Any:
    """Write the record of an offset of partition 0."""
    key = encode_versioned(OffsetCommitKey(group=group_id, topic=topic, partition=0), 1)
    value = OffsetCommitValue(offset=offset, metadata="", commit_timestamp=broker.clock.now_ms(), topic_id=topic_id)
    record = CoordinatorRecord(key, encode_versioned(value, 4))
    return broker.groups.call(group_id, lambda shard, now, ticket: Result("committed", [record]), code)


def committed(broker: Broker, group_id: str) -> Any:
    """How many offsets the group has; None for a group that is not known."""

    def count(shard: GroupShard, now: Moment, ticket: Ticket) -> Result:
        offsets = shard.offsets.of_group(group_id.encode())
        return Result("unknown" if offsets is None else len(offsets))

    return broker.groups.call(group_id, count, code)


def wait_for_ever(broker: Broker, group_id: str) -> asyncio.Future[Any]:
    reply = broker.groups.call(group_id, lambda shard, now, ticket: Result(), code)
    assert isinstance(reply, asyncio.Future)
    return reply


def code(error: ErrorCode) -> ErrorCode:
    return error


async def delete(broker: Broker, name: str) -> None:
    await broker.topics.delete(
        (TopicReference(name),), may_describe=lambda _: True, may_delete=lambda _: True, timeout_ms=30_000
    )


async def delete_behind_the_controller(broker: Broker, name: str) -> None:
    """Delete a topic that the controller protects, as somebody may who has the store at hand."""
    key = topic_key(name)
    revision = broker.images.current.topics[name].mod_revision
    await broker.writer.write([Write(name, Compare(key, revision), (Delete(key),))])


async def until_loaded(broker: Broker, group_id: str) -> Any:
    async with asyncio.timeout(30):
        while (found := committed(broker, group_id)) is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            await asyncio.sleep(0.001)
    return found


# --- the topic ---------------------------------------------------------------------------------------------------


async def test_without_the_topic_nobody_coordinates(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        assert committed(broker, "g") is ErrorCode.NOT_COORDINATOR
        assert await broker.groups.call_each(lambda shard, now, ticket: Result("there"), code) == []
        assert GROUPS_TOPIC not in broker.images.current.topics


async def test_the_topic_is_made_once_and_its_groups_can_be_used_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as broker:
        await asyncio.gather(*(broker.groups.ensure_topic() for _ in range(10)))
        topic = broker.images.current.topics[GROUPS_TOPIC]
        assert topic.internal
        assert topic.configs == {
            "cleanup.policy": "compact",
            "compression.type": "producer",
            "segment.bytes": "104857600",
        }
        assert [len(partition.replicas) for partition in topic.partitions] == [1] * 50
        assert {name: broker.groups.partition_of(name) for name in PARTITIONS_OF_50} == PARTITIONS_OF_50
        for number in range(200):
            assert commit(broker, f"g{number}", "t", number) == "committed"
        replies = await broker.groups.call_each(lambda shard, now, ticket: Result(len(shard.offsets.group_ids)), int)
        assert len(replies) == 50
        assert sum(replies) == 200
        await broker.groups.ensure_topic()
        assert broker.images.current.topics[GROUPS_TOPIC] is topic
    assert "not yet in force" not in caplog.text


async def test_nobody_but_who_asked_waits_while_the_topic_is_made(tmp_path: Path) -> None:
    class Gated(Filesystem):
        """Makes no partition of the topic before it is told to."""

        reached = threading.Event()
        opened = threading.Event()

        def mkdir(self, path: str, *, apart: bool = False) -> None:
            if GROUPS_TOPIC in path:
                self.reached.set()
                assert self.opened.wait(DEADLINE_S)
            super().mkdir(path)

    def ask(api: str, version: int, **fields: Any) -> Any:
        with WireClient(address) as client:
            return client.ask(api, version, **fields)

    filesystem = Gated()
    async with running(tmp_path, filesystem) as broker:
        (address,) = broker.endpoints()
        finding = asyncio.create_task(asyncio.to_thread(ask, "FindCoordinator", 4, coordinator_keys=["g"]))
        assert await asyncio.to_thread(filesystem.reached.wait, DEADLINE_S)
        others = await asyncio.to_thread(ask, "Metadata", 12, topics=None)
        assert [topic.name for topic in others.topics] == []
        assert not finding.done()
        filesystem.opened.set()
        (found,) = (await finding).coordinators
        assert (found.error_code, found.port) == (ErrorCode.NONE, address[1])
        assert commit(broker, "g", "t", 1) == "committed"


async def test_the_topic_is_made_as_configured(tmp_path: Path) -> None:
    settings = {
        "offsets.topic.num.partitions": "3",
        "offsets.topic.segment.bytes": "2000000",
        "offsets.topic.replication.factor": "1",
    }
    async with running(tmp_path, settings=settings) as broker:
        await broker.groups.ensure_topic()
        topic = broker.images.current.topics[GROUPS_TOPIC]
        assert len(topic.partitions) == 3
        assert topic.configs["segment.bytes"] == "2000000"
        assert broker.groups.partition_of("g") == 103 % 3


async def test_a_topic_that_cannot_be_made_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*args: object, **kwargs: object) -> None:
        raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, "broken")

    async with running(tmp_path) as broker:
        with monkeypatch.context() as patch:
            patch.setattr(broker.topics, "create", fail)
            with pytest.raises(KafkaError) as refused:
                await broker.groups.ensure_topic()
        assert refused.value.code is ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert "[__consumer_offsets] The topic cannot be made: KAFKA_STORAGE_ERROR: broken" in caplog.text
        await broker.groups.ensure_topic()
        assert commit(broker, "g", "t", 1) == "committed"


async def test_a_topic_that_a_client_has_made_is_taken(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await broker.topics.create((NewTopic(GROUPS_TOPIC, 2),), may_create=lambda _: True, timeout_ms=30_000)
        await broker.groups.ensure_topic()
        assert commit(broker, "g", "t", 1) == "committed"
        assert len(broker.images.current.topics[GROUPS_TOPIC].partitions) == 2


async def test_without_the_topic_no_more_groups(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await broker.groups.ensure_topic()
        commit(broker, "g", "t", 1)
        waiting = wait_for_ever(broker, "g")
        await delete_behind_the_controller(broker, GROUPS_TOPIC)
        assert await waiting is ErrorCode.NOT_COORDINATOR
        assert committed(broker, "g") is ErrorCode.NOT_COORDINATOR
        await broker.groups.ensure_topic()
        assert committed(broker, "g") == "unknown"


# --- groups ------------------------------------------------------------------------------------------------------


async def test_groups_are_loaded_after_a_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with running(tmp_path) as broker:
        await broker.groups.ensure_topic()
        for number in range(100):
            commit(broker, f"g{number}", "t", number)
        commit(broker, "g0", "u", 0)
    async with running(tmp_path) as broker:
        assert committed(broker, "g0") is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        assert await until_loaded(broker, "g0") == 2
        assert [await until_loaded(broker, f"g{number}") for number in range(1, 100)] == [1] * 99
    assert re.search(r"\[__consumer_offsets\] \d+ partitions were loaded in \d+ ms: 101 records", caplog.text)


async def test_a_restart_before_all_is_loaded_is_clean(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await broker.groups.ensure_topic()
        commit(broker, "g", "t", 1)
    async with running(tmp_path):
        pass
    async with running(tmp_path) as broker:
        await asyncio.sleep(0)
    async with running(tmp_path) as broker:
        assert await until_loaded(broker, "g") == 1


async def test_offsets_of_deleted_topics_go(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await broker.groups.ensure_topic()
        created = await broker.topics.create(
            [NewTopic("t"), NewTopic("u")], may_create=lambda _: True, timeout_ms=30_000
        )
        assert created.keys() == {"t", "u"}
        ids = {name: broker.images.current.topics[name].topic_id for name in ("t", "u")}
        for number in range(20):
            commit(broker, f"g{number}", "t", number, ids["t"])
            commit(broker, f"g{number}", "u", number, ids["u"])
        await delete(broker, "t")
        async with asyncio.timeout(30):
            while {committed(broker, f"g{number}") for number in range(20)} != {1}:
                await asyncio.sleep(0.001)


async def test_offsets_of_topics_deleted_while_a_broker_starts_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path) as broker:
        await broker.groups.ensure_topic()
        await broker.topics.create([NewTopic("t")], may_create=lambda _: True, timeout_ms=30_000)
        commit(broker, "g", "t", 1, broker.images.current.topics["t"].topic_id)
    may_open = threading.Event()
    make_runtime = GroupCoordinator._make_runtime

    def make_slowly(coordinator: GroupCoordinator) -> Any:
        assert may_open.wait(30)
        return make_runtime(coordinator)

    monkeypatch.setattr(GroupCoordinator, "_make_runtime", make_slowly)
    async with running(tmp_path) as broker:
        asyncio.get_running_loop().call_later(0.2, may_open.set)
        await delete(broker, "t")
        async with asyncio.timeout(30):
            while await until_loaded(broker, "g") != 0:
                await asyncio.sleep(0.001)


# --- the end -----------------------------------------------------------------------------------------------------


async def test_a_stop_answers_who_waits_and_fires_no_timer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fired = []
    monkeypatch.setattr(GroupShard, "on_timer", lambda shard, key, now: fired.append(key))

    def arm(shard: GroupShard, now: Moment, ticket: Ticket) -> Result:
        result = Result()
        result.timers["t"] = 60_000
        return result

    async with running(tmp_path) as broker:
        await broker.groups.ensure_topic()
        waiting = wait_for_ever(broker, "g")
        armed: Any = broker.groups.call("g", arm, code)
        assert broker.groups.waiting_count == 2
    assert await waiting is await armed is ErrorCode.NOT_COORDINATOR
    assert fired == []
    assert broker.groups.waiting_count == 0
    assert committed(broker, "g") is ErrorCode.COORDINATOR_NOT_AVAILABLE


async def test_a_topic_that_is_made_after_the_end_is_not_served(tmp_path: Path) -> None:
    async with running(tmp_path) as broker:
        await broker.groups.close()
        await broker.groups.ensure_topic()
        assert committed(broker, "g") is ErrorCode.COORDINATOR_NOT_AVAILABLE


async def test_a_failed_log_directory_ends_its_groups(tmp_path: Path) -> None:
    failed = asyncio.Event()
    async with running(tmp_path, on_failure=failed.set) as broker:
        await broker.groups.ensure_topic()
        waiting = wait_for_ever(broker, "g")
        partition = broker.partitions.get(GROUPS_TOPIC, broker.groups.partition_of("g"))
        assert partition is not None
        partition.storage_error(OSError(errno.EIO, "broken"))
        assert await waiting is ErrorCode.NOT_COORDINATOR
        assert committed(broker, "g") is ErrorCode.NOT_COORDINATOR
        await asyncio.wait_for(failed.wait(), 30)
