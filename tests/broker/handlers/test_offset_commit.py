"""OffsetCommit: which partitions get as far as the coordinator, and what becomes of the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker.metadata.image import TopicImage
from broker.security.acl import AclOperation, ResourceType
from protocol.codec import decode_versioned
from protocol.consumer_offsets import OffsetCommitValue
from protocol.errors import ErrorCode
from protocol.messages.offset_commit import OffsetCommitRequestPartition, OffsetCommitRequestTopic
from protocol.schema import ZERO_UUID
from tests.support.group_broker import GroupBroker
from tests.support.metadata_broker import Granting
from tests.support.offset_requests import committed

STRANGER = bytes(15) + b"\x01"  # the id of no topic
ALL_VERSIONS = pytest.mark.parametrize("version", range(2, 11))
READ_GROUP = (AclOperation.READ, ResourceType.GROUP, "g")

Answers = list[tuple[str, list[tuple[int, int]]]]


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[GroupBroker]:
    """The topics `orders` and `items` have two partitions each."""
    broker = GroupBroker(tmp_path)
    await broker.start()
    await broker.make_topic("orders")
    await broker.make_topic("items")
    yield broker
    await broker.stop()


def named(topic: str, *indexes: int) -> tuple[str, tuple[int, ...]]:
    return topic, indexes


async def ask(broker: GroupBroker, version: int, *topics: tuple[str, tuple[int, ...]], **fields: Any) -> Answers:
    """Commit offset 42 of these partitions; return index and error code of the partitions of each topic."""
    known = {topic.name: topic.topic_id for topic in broker.image.topics.values()}
    sent = []
    for name, indexes in topics:
        partitions = [
            OffsetCommitRequestPartition(partition_index=index, committed_offset=42, committed_metadata=None)
            for index in indexes
        ]
        by = {"topic_id": known.get(name, STRANGER)} if version >= 10 else {"name": name}
        sent.append(OffsetCommitRequestTopic(partitions=partitions, **by))
    response = await broker.ask("offset_commit", version, group_id="g", topics=sent, **fields)
    names = {topic_id: name for name, topic_id in known.items()}
    return [
        (
            names.get(topic.topic_id, "nope") if version >= 10 else topic.name,
            [(partition.partition_index, partition.error_code) for partition in topic.partitions],
        )
        for topic in response.topics
    ]


@ALL_VERSIONS
async def test_partitions_that_there_are_are_committed(broker: GroupBroker, version: int) -> None:
    assert await ask(broker, version, named("orders", 0, 1), named("items", 1)) == [
        ("orders", [(0, 0), (1, 0)]),
        ("items", [(1, 0)]),
    ]
    assert committed(broker.groups.shard, "g") == {("orders", 0): 42, ("orders", 1): 42, ("items", 1): 42}


@ALL_VERSIONS
async def test_what_there_is_not_is_refused_beside_the_rest(broker: GroupBroker, version: int) -> None:
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    unknown_topic = ErrorCode.UNKNOWN_TOPIC_ID if version >= 10 else unknown
    assert await ask(broker, version, named("nope", 0, 1), named("orders", 2, 0, -1), named("items", 7)) == [
        ("orders", [(0, 0), (2, unknown), (-1, unknown)]),
        ("nope", [(0, unknown_topic), (1, unknown_topic)]),
        ("items", [(7, unknown)]),
    ]
    assert committed(broker.groups.shard, "g") == {("orders", 0): 42}


@ALL_VERSIONS
async def test_nothing_of_it_may_be_committed(broker: GroupBroker, version: int) -> None:
    [(_, [(index, code)])] = await ask(broker, version, named("nope", 0))
    assert (index, code) == (0, ErrorCode.UNKNOWN_TOPIC_ID if version >= 10 else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    assert await ask(broker, version) == []
    assert broker.groups.asked == []


@ALL_VERSIONS
async def test_it_takes_read_on_the_group_and_on_each_topic(broker: GroupBroker, version: int) -> None:
    broker.authorizer = Granting()
    code = ErrorCode.GROUP_AUTHORIZATION_FAILED
    assert await ask(broker, version, named("orders", 0), named("nope", 0)) == [
        ("orders", [(0, code)]),
        ("nope", [(0, code)]),
    ]
    broker.authorizer = Granting(READ_GROUP, (AclOperation.READ, ResourceType.TOPIC, "items"))
    code = ErrorCode.TOPIC_AUTHORIZATION_FAILED
    unknown = ErrorCode.UNKNOWN_TOPIC_ID if version >= 10 else code
    assert await ask(broker, version, named("orders", 0, 9), named("nope", 0), named("items", 0)) == [
        ("items", [(0, 0)]),
        ("orders", [(0, code), (9, code)]),
        ("nope", [(0, unknown)]),
    ]


@ALL_VERSIONS
async def test_what_the_coordinator_refuses_is_refused_for_the_rest(broker: GroupBroker, version: int) -> None:
    nobody = ErrorCode.GROUP_ID_NOT_FOUND if version >= 9 else ErrorCode.ILLEGAL_GENERATION
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    answers = await ask(broker, version, named("orders", 0, 9), generation_id_or_member_epoch=3, member_id="m")
    assert answers == [("orders", [(0, nobody), (9, unknown)])]
    broker.groups.refusal = ErrorCode.NOT_COORDINATOR
    assert await ask(broker, version, named("orders", 0)) == [("orders", [(0, ErrorCode.NOT_COORDINATOR)])]


@ALL_VERSIONS
async def test_the_topics_id_is_stored_whichever_way_it_is_named(broker: GroupBroker, version: int) -> None:
    await ask(broker, version, named("orders", 0))
    [value] = (broker.groups.shard.offsets.of_group(b"g") or {}).values()
    assert decode_versioned(OffsetCommitValue, value).topic_id == broker.image.topics["orders"].topic_id


async def test_a_value_with_a_retention_time_has_no_room_for_the_id(broker: GroupBroker) -> None:
    await ask(broker, 4, named("orders", 0), retention_time_ms=1_000)
    [value] = (broker.groups.shard.offsets.of_group(b"g") or {}).values()
    assert decode_versioned(OffsetCommitValue, value).topic_id == ZERO_UUID


async def test_refused_partitions_join_their_topic_when_the_answer_is_there(broker: GroupBroker) -> None:
    broker.groups.is_slow = True
    asking = asyncio.ensure_future(ask(broker, 8, named("orders", 9, 0)))
    await asyncio.sleep(0)
    broker.groups.answer()
    assert await asking == [("orders", [(0, 0), (9, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)])]


async def test_a_topic_that_is_named_twice(broker: GroupBroker) -> None:
    unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    answers = await ask(broker, 8, named("orders", 0, 9), named("orders", 1, 8))
    partitions = sorted(partition for _, partitions in answers for partition in partitions)
    assert partitions == [(0, 0), (1, 0), (8, unknown), (9, unknown)]


async def test_a_topic_made_again_is_another_one(broker: GroupBroker) -> None:
    def is_gone(topic: TopicImage) -> bool:
        return broker.image.topics.get(topic.name) is not topic

    old = broker.image.topics["orders"]
    await broker.ask("delete_topics", 5, topic_names=["orders"], timeout_ms=10_000)
    assert is_gone(old)
    await broker.make_topic("orders")
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=1, committed_metadata=None)
    topic = OffsetCommitRequestTopic(topic_id=old.topic_id, partitions=[partition])
    response = await broker.ask("offset_commit", 10, group_id="g", topics=[topic])
    assert response.topics[0].partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_ID
