"""DeleteRecords: where the logs start afterwards, who waits is told, what is refused, and what a crash leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker.coordinators.pace import Pace
from broker.handlers.delete_records import handle
from broker.security.acl import AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from storage.filesystem import Filesystem
from storage.log import Log
from storage.log_config import LogConfig
from storage.log_manager import LogManager
from tests.storage.log_support import FailingFilesystem, broken, no_space
from tests.support.hosted_topics import NODE_ID, OTHER_NODE_ID, HostedTopics, over_the_wire

VERSIONS = range(3)
Answer = tuple[int, int]
"""Error code and low watermark."""


@pytest.fixture
def filesystem() -> FailingFilesystem:
    return FailingFilesystem()


@pytest.fixture
async def broker(tmp_path: Path, filesystem: FailingFilesystem) -> AsyncIterator[HostedTopics]:
    """A topic of two partitions with five records in the first."""
    made = HostedTopics(tmp_path, filesystem=filesystem)
    await made.create("t", 2)
    for _ in range(5):
        made.append("t", b"x")
    yield made
    made.close()


def request(*wanted: tuple[str, int, int]) -> DeleteRecordsRequest:
    return DeleteRecordsRequest(
        timeout_ms=1000,
        topics=[
            DeleteRecordsTopic(name=name, partitions=[DeleteRecordsPartition(partition_index=index, offset=offset)])
            for name, index, offset in wanted
        ],
    )


async def delete(
    broker: HostedTopics, *wanted: tuple[str, int, int], version: int = 2
) -> dict[tuple[str, int], Answer]:
    response = await asyncio.wait_for(_future(handle(broker.context(version), request(*wanted))), 10)
    answer = over_the_wire(response, version)
    return {
        (topic.name, partition.partition_index): (partition.error_code, partition.low_watermark)
        for topic in answer.topics
        for partition in topic.partitions
    }


def _future(reply: Any) -> asyncio.Future[Any]:
    assert isinstance(reply, asyncio.Future)
    return reply


@pytest.mark.parametrize("version", VERSIONS)
async def test_up_to_an_offset_or_the_high_watermark(broker: HostedTopics, version: int) -> None:
    there = ("t", 0)
    assert await delete(broker, ("t", 0, 2), version=version) == {there: (0, 2)}
    assert await delete(broker, ("t", 0, 1), version=version) == {there: (0, 2)}
    assert await delete(broker, ("t", 0, -1), ("t", 1, -1), version=version) == {there: (0, 5), ("t", 1): (0, 0)}
    assert broker.partition("t").log_start_offset == 5


async def test_offsets_out_of_range(broker: HostedTopics) -> None:
    for offset in (6, -2, 1 << 62, -(1 << 63)):
        assert await delete(broker, ("t", 0, offset)) == {("t", 0): (ErrorCode.OFFSET_OUT_OF_RANGE, -1)}
    broker.partition("t").high_watermark = 4
    assert await delete(broker, ("t", 0, 5)) == {("t", 0): (ErrorCode.OFFSET_OUT_OF_RANGE, -1)}
    assert await delete(broker, ("t", 0, -1)) == {("t", 0): (0, 4)}


async def test_the_last_of_several_counts(broker: HostedTopics) -> None:
    assert await delete(broker, ("t", 0, 4), ("t", 0, 99), ("t", 1, 0), ("t", 0, 1)) == {
        ("t", 0): (0, 1),
        ("t", 1): (0, 0),
    }


async def test_refusals_do_not_hinder_the_others(broker: HostedTopics) -> None:
    await broker.create("__internal")
    await broker.create("led elsewhere", leaders=[OTHER_NODE_ID])
    await broker.create("secret")
    broker.authorizer.denied = {
        (AclOperation.DELETE, ResourceType.TOPIC, "secret"),
        (AclOperation.DELETE, ResourceType.TOPIC, "nope"),
    }
    wanted = [("__internal", 0), ("led elsewhere", 0), ("secret", 0), ("secret", 7), ("nope", 0), ("none", 0), ("t", 9)]
    assert await delete(broker, *((name, index, 0) for name, index in wanted), ("t", 0, 3)) == {
        ("__internal", 0): (ErrorCode.INVALID_TOPIC_EXCEPTION, -1),
        ("led elsewhere", 0): (ErrorCode.NOT_LEADER_OR_FOLLOWER, -1),
        ("secret", 0): (ErrorCode.TOPIC_AUTHORIZATION_FAILED, -1),
        ("secret", 7): (ErrorCode.TOPIC_AUTHORIZATION_FAILED, -1),
        ("nope", 0): (ErrorCode.TOPIC_AUTHORIZATION_FAILED, -1),
        ("none", 0): (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1),
        ("t", 9): (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1),
        ("t", 0): (0, 3),
    }
    assert await delete(broker) == {}


@pytest.mark.parametrize(
    ("policy", "code"), [("compact", ErrorCode.POLICY_VIOLATION), ("compact,delete", 0), ("delete", 0), ("", 0)]
)
async def test_policies(broker: HostedTopics, policy: str, code: int) -> None:
    await broker.create("p", configs={"cleanup.policy": policy})
    broker.append("p", b"x")
    assert await delete(broker, ("p", 0, 1)) == {("p", 0): (code, -1 if code else 1)}


def stored_start(directory: Path, filesystem: Filesystem | None = None) -> int:
    """Where the log begins after the broker was killed now."""
    logs = LogManager([str(directory)], filesystem or Filesystem(), cluster_id="cluster", node_id=NODE_ID, now_ms=int)
    logs.load({("t", 0): (1).to_bytes(16, "big"), ("t", 1): (1).to_bytes(16, "big")}, lambda topic: LogConfig())
    log = logs.get("t", 0)
    assert log is not None
    start_offset = log.log_start_offset
    logs.close(clean=False)
    return start_offset


async def test_what_is_answered_survives_a_crash(broker: HostedTopics, tmp_path: Path) -> None:
    await delete(broker, ("t", 0, 2))
    await delete(broker, ("t", 0, 3), ("t", 1, 0))
    broker.close()
    assert stored_start(tmp_path) == 3


async def test_a_full_disk_is_no_acknowledgement(
    broker: HostedTopics, filesystem: FailingFilesystem, tmp_path: Path
) -> None:
    filesystem.fail["pwrite"] = no_space
    assert await delete(broker, ("t", 0, 2), ("t", 1, 1)) == {
        ("t", 0): (ErrorCode.KAFKA_STORAGE_ERROR, -1),
        ("t", 1): (ErrorCode.OFFSET_OUT_OF_RANGE, -1),
    }
    assert broker.logs.online_directories == [str(tmp_path)]
    filesystem.fail.clear()
    assert await delete(broker, ("t", 0, 2)) == {("t", 0): (0, 2)}


async def test_a_broken_disk(broker: HostedTopics, filesystem: FailingFilesystem) -> None:
    filesystem.fail["fsync"] = broken
    for _ in range(2):
        assert await delete(broker, ("t", 0, 2)) == {("t", 0): (ErrorCode.KAFKA_STORAGE_ERROR, -1)}
        await asyncio.sleep(0)
    assert broker.logs.online_directories == []


async def test_many_at_once_share_their_writes(broker: HostedTopics, filesystem: FailingFilesystem) -> None:
    for _ in range(100):
        broker.append("t", b"x")
    filesystem.calls.clear()
    answers = await asyncio.gather(*(delete(broker, ("t", 0, offset)) for offset in range(1, 101)))
    assert answers == [{("t", 0): (0, offset)} for offset in range(1, 101)]
    assert filesystem.calls.count("write_atomically") <= 2


@pytest.mark.parametrize("made_again", [False, True])
async def test_a_topic_that_is_deleted_while_others_have_their_turn(
    broker: HostedTopics, monkeypatch: pytest.MonkeyPatch, made_again: bool
) -> None:
    async def keep(pace: Pace) -> None:
        if topic := broker.images.current.topics.get("gone"):
            await broker.delete(topic)
            if made_again:
                monkeypatch.undo()
                await broker.create("gone")

    await broker.create("gone")
    broker.append("gone", b"x")
    monkeypatch.setattr(Pace, "keep", keep)
    assert await delete(broker, ("gone", 0, 1), ("t", 0, 3)) == {
        ("gone", 0): (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1),
        ("t", 0): (0, 3),
    }


@pytest.mark.parametrize("made_again", [False, True])
async def test_a_topic_that_is_deleted_while_its_start_is_written_down(
    broker: HostedTopics, monkeypatch: pytest.MonkeyPatch, made_again: bool
) -> None:
    async def write() -> set[Log]:
        await broker.delete(topic)
        if made_again:
            await broker.create("gone")
        return await write_down()

    topic = await broker.create("gone")
    broker.append("gone", b"x")
    write_down = broker.record_deletion._write
    monkeypatch.setattr(broker.record_deletion, "_write", write)
    assert await delete(broker, ("gone", 0, 1), ("t", 0, 3)) == {
        ("gone", 0): (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1),
        ("t", 0): (0, 3),
    }


async def test_a_deletion_whose_client_has_gone_is_carried_out(broker: HostedTopics, tmp_path: Path) -> None:
    reply = _future(handle(broker.context(2), request(("t", 0, 3))))
    while not broker.partition("t").log_start_offset:
        await asyncio.sleep(0)
    reply.cancel()
    assert await delete(broker, ("t", 1, 0)) == {("t", 1): (0, 0)}
    broker.close()
    assert stored_start(tmp_path) == 3
