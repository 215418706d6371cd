"""ListOffsets: the special timestamps by version, the search by time, and Kafka's codes."""

from __future__ import annotations

import asyncio
import errno
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from broker.handlers.list_offsets import handle
from broker.security.acl import AclOperation, ResourceType
from protocol.checksum import crc32c
from protocol.errors import ErrorCode
from protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from tests.support.hosted_topics import OTHER_NODE_ID, HostedTopics, batch, over_the_wire

VERSIONS = range(1, 12)
LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING_UPLOAD = range(-1, -7, -1)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[HostedTopics]:
    """A topic of records at the times 1000, 3000, 2000 in epoch 0, and 2500 in epoch 4; and one without any."""
    made = HostedTopics(tmp_path)
    await made.create("t", 2)
    await made.create("empty")
    for timestamp in (1000, 3000, 2000):
        made.append("t", b"x", timestamp=timestamp)
    made.partition("t").lead(4, 0)
    made.append("t", b"x", timestamp=2500)
    yield made
    made.close()


def request(*partitions: tuple[str, int, int], isolation_level: int = 0, current_leader_epoch: int = -1) -> Any:
    return ListOffsetsRequest(
        replica_id=-1,
        isolation_level=isolation_level,
        topics=[
            ListOffsetsTopic(
                name=topic,
                partitions=[
                    ListOffsetsPartition(
                        partition_index=index, current_leader_epoch=current_leader_epoch, timestamp=timestamp
                    )
                ],
            )
            for topic, index, timestamp in partitions
        ],
    )


async def ask(broker: HostedTopics, sent: ListOffsetsRequest, version: int = 11) -> ListOffsetsResponse:
    response = handle(broker.context(version), sent)
    if isinstance(response, asyncio.Future):
        response = await response
    decoded: ListOffsetsResponse = over_the_wire(response, version)
    return decoded


def answers(response: ListOffsetsResponse) -> list[tuple[str, int, int, int, int, int]]:
    """(topic, index, error code, timestamp, offset, leader epoch) of every partition."""
    return [
        (topic.name, one.partition_index, one.error_code, one.timestamp, one.offset, one.leader_epoch)
        for topic in response.topics
        for one in topic.partitions
    ]


async def ask_for(broker: HostedTopics, timestamp: int, topic: str = "t", version: int = 11) -> tuple[int, int, int]:
    """Return timestamp, offset and leader epoch of the one answer, which has no error."""
    ((_, _, code, *found),) = answers(await ask(broker, request((topic, 0, timestamp)), version))
    assert code == 0
    return found[0], found[1], found[2]


@pytest.mark.parametrize("version", VERSIONS)
async def test_first_and_last_and_by_time_in_every_version(broker: HostedTopics, version: int) -> None:
    first_epoch, last_epoch = (0, 4) if version >= 4 else (-1, -1)
    assert await ask_for(broker, LATEST, version=version) == (-1, 4, last_epoch)
    assert await ask_for(broker, EARLIEST, version=version) == (-1, 0, first_epoch)
    assert await ask_for(broker, 1001, version=version) == (3000, 1, first_epoch)


@pytest.mark.parametrize(
    ("timestamp", "since", "expected"),
    [
        (MAX_TIMESTAMP, 7, (3000, 1, 0)),
        (EARLIEST_LOCAL, 8, (-1, 0, 0)),
        (LATEST_TIERED, 9, (-1, -1, -1)),
        (EARLIEST_PENDING_UPLOAD, 11, (-1, -1, -1)),
    ],
)
@pytest.mark.parametrize("version", VERSIONS)
async def test_special_timestamps_from_their_version_on(
    broker: HostedTopics, version: int, timestamp: int, since: int, expected: tuple[int, int, int]
) -> None:
    if version >= since:
        assert await ask_for(broker, timestamp, version=version) == expected
        return
    ((*_, code, _, offset, _),) = answers(await ask(broker, request(("t", 0, timestamp)), version))
    assert (code, offset) == (ErrorCode.UNSUPPORTED_VERSION, -1)


@pytest.mark.parametrize("timestamp", [-7, -(2**63)])
async def test_other_negative_timestamps_mean_nothing(broker: HostedTopics, timestamp: int) -> None:
    assert answers(await ask(broker, request(("t", 0, timestamp)))) == [
        ("t", 0, ErrorCode.UNSUPPORTED_VERSION, -1, -1, -1)
    ]


async def test_an_empty_log_starts_and_ends_in_the_current_epoch(broker: HostedTopics) -> None:
    broker.partition("empty").lead(6, 0)
    for timestamp in (LATEST, EARLIEST, EARLIEST_LOCAL):
        assert await ask_for(broker, timestamp, "empty") == (-1, 0, 6)
    for timestamp in (MAX_TIMESTAMP, LATEST_TIERED, EARLIEST_PENDING_UPLOAD, 0, 1 << 60):
        assert await ask_for(broker, timestamp, "empty") == (-1, -1, -1)


async def test_the_first_record_at_or_after_a_time(broker: HostedTopics) -> None:
    assert await ask_for(broker, 0) == (1000, 0, 0)
    assert await ask_for(broker, 1000) == (1000, 0, 0)
    assert await ask_for(broker, 3000) == (3000, 1, 0)
    assert await ask_for(broker, 3001) == (-1, -1, -1)


async def test_deleted_records_are_not_found(broker: HostedTopics) -> None:
    broker.partition("t").log.delete_records(2)
    assert await ask_for(broker, EARLIEST) == (-1, 2, 0)
    assert await ask_for(broker, 1000) == (2000, 2, 0)
    broker.partition("t").log.delete_records(3)
    assert await ask_for(broker, EARLIEST) == (-1, 3, 4)


async def test_read_committed_ends_at_the_last_stable_offset(broker: HostedTopics) -> None:
    sent = request(("t", 0, LATEST), ("t", 1, LATEST), isolation_level=1)
    assert [answer[4] for answer in answers(await ask(broker, sent))] == [4, 0]


async def test_what_is_not_committed_is_not_found(broker: HostedTopics) -> None:
    broker.partition("t").high_watermark = 1
    assert await ask_for(broker, LATEST) == (-1, 1, 4)
    assert await ask_for(broker, 1000) == (1000, 0, 0)
    assert await ask_for(broker, 1001) == (-1, -1, -1)


async def test_every_partition_answers_for_itself(broker: HostedTopics) -> None:
    await broker.create("moved", leaders=[OTHER_NODE_ID])
    broker.partitions.take_offline([("t", 1)])
    broker.authorizer.denied |= {
        (AclOperation.DESCRIBE, ResourceType.TOPIC, "empty"),
        (AclOperation.DESCRIBE, ResourceType.TOPIC, "nope"),
    }
    sent = request(
        ("empty", 0, LATEST),
        ("t", 9, 0),
        ("t", 0, 0),
        ("nope", 0, LATEST),
        ("moved", 0, LATEST),
        ("t", 1, LATEST),
        ("lost", 0, 5),
    )
    assert answers(await ask(broker, sent)) == [
        ("empty", 0, ErrorCode.TOPIC_AUTHORIZATION_FAILED, -1, -1, -1),
        ("t", 9, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1, -1, -1),
        ("t", 0, 0, 1000, 0, 0),
        ("t", 1, ErrorCode.KAFKA_STORAGE_ERROR, -1, -1, -1),
        ("nope", 0, ErrorCode.TOPIC_AUTHORIZATION_FAILED, -1, -1, -1),
        ("moved", 0, ErrorCode.NOT_LEADER_OR_FOLLOWER, -1, -1, -1),
        ("lost", 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1, -1, -1),
    ]


async def test_a_partition_that_comes_twice_is_refused_once(broker: HostedTopics) -> None:
    sent = request(("t", 0, LATEST), ("t", 1, LATEST), ("empty", 0, LATEST), ("t", 0, EARLIEST))
    assert answers(await ask(broker, sent)) == [
        ("t", 0, ErrorCode.INVALID_REQUEST, -1, -1, -1),
        ("t", 1, 0, -1, 0, 4 if broker.partition("t", 1).leader_epoch == 4 else 0),
        ("empty", 0, 0, -1, 0, 0),
    ]


@pytest.mark.parametrize(
    ("known", "code"), [(3, ErrorCode.FENCED_LEADER_EPOCH), (4, 0), (5, ErrorCode.UNKNOWN_LEADER_EPOCH)]
)
@pytest.mark.parametrize("timestamp", [LATEST, 1000])
async def test_leader_epochs_are_checked(broker: HostedTopics, known: int, code: int, timestamp: int) -> None:
    response = await ask(broker, request(("t", 0, timestamp), current_leader_epoch=known))
    assert [answer[2] for answer in answers(response)] == [code]


async def test_a_disk_that_fails_during_the_search(broker: HostedTopics, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> Iterator[None]:
        yield
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(broker.partition("t").log, "search_timestamp", broken)
    assert answers(await ask(broker, request(("t", 0, 1000), ("t", 1, LATEST))))[0][2] == ErrorCode.KAFKA_STORAGE_ERROR


async def test_a_long_search_lets_others_have_their_turn(broker: HostedTopics) -> None:
    """A batch of 100,000 records whose header promises a time that none of them has."""
    topic = await broker.create("long")
    records = batch(*[b""] * 100_000, timestamp=1000)
    struct.pack_into(">q", records, 35, 2000)  # the largest timestamp
    struct.pack_into(">I", records, 17, crc32c(records[21:]))
    broker.partition("long").append_as_leader(memoryview(records), broker.clock.now_ms(), acks=1)
    searching = asyncio.create_task(ask(broker, request(("long", 0, 1500))))
    turns = 0
    while not searching.done():
        await asyncio.sleep(0)
        turns += 1
        if turns == 10:
            await broker.delete(topic)
    assert turns > 100
    # What the header promised is answered by the batch's first offset, which is never too late.
    assert answers(await searching)[0][:5] == ("long", 0, ErrorCode.NONE, 2000, 0)


async def test_nothing_asked_nothing_answered(broker: HostedTopics) -> None:
    assert (await ask(broker, request())).topics == []
