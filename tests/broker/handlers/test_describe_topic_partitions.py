"""DescribeTopicPartitions: pages, cursors, and what each partition shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker.core.controller.topic_creation import NewTopic
from broker.metadata.image import GROUPS_TOPIC, NO_LEADER
from broker.metadata.keys import broker_key, partition_key
from broker.metadata.records import PartitionRecord, encode_partition
from broker.metadata.store import Delete, Put
from broker.security.acl import AclOperation, ResourceType, supported_operations
from protocol.errors import ErrorCode
from protocol.messages.describe_topic_partitions import Cursor, TopicRequest
from protocol.schema import ZERO_UUID
from tests.support.metadata_broker import NODE_ID, Granting, MetadataBroker

OTHER = 7
ALL_OPERATIONS = sum(1 << operation for operation in supported_operations(ResourceType.TOPIC))


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MetadataBroker]:
    """Topics `a`, `b` and `c` of three, two and one partitions, created in another order."""
    broker = await MetadataBroker(tmp_path, {"max.request.partition.size.limit": "100"}).start()
    topics = [NewTopic(name, count, 1) for name, count in (("c", 1), ("a", 3), ("b", 2))]
    await broker.topics.create(topics, may_create=lambda name: True, timeout_ms=30_000)
    yield broker
    await broker.stop()


async def ask(broker: MetadataBroker, *names: str, limit: int = 2000, cursor: tuple[str, int] | None = None) -> Any:
    response = await broker.ask(
        "describe_topic_partitions",
        0,
        topics=[TopicRequest(name=name) for name in names],
        response_partition_limit=limit,
        cursor=None if cursor is None else Cursor(topic_name=cursor[0], partition_index=cursor[1]),
    )
    assert response.throttle_time_ms == 0
    return response


def shown(response: Any) -> list[tuple[str, list[int]]]:
    assert not any(topic.error_code for topic in response.topics)
    return [(topic.name, [each.partition_index for each in topic.partitions]) for topic in response.topics]


def next_cursor(response: Any) -> tuple[str, int] | None:
    cursor = response.next_cursor
    return None if cursor is None else (cursor.topic_name, cursor.partition_index)


def codes(response: Any) -> list[tuple[str, str]]:
    return [(topic.name, ErrorCode(topic.error_code).name) for topic in response.topics]


async def test_topics_are_described_in_order_and_once(broker: MetadataBroker) -> None:
    for names in ([], ["c", "b", "a", "b"]):
        response = await ask(broker, *names)
        assert shown(response) == [("a", [0, 1, 2]), ("b", [0, 1]), ("c", [0])]
        assert next_cursor(response) is None
    for topic in response.topics:
        assert topic.topic_id == broker.image.topics[topic.name].topic_id
        assert (topic.is_internal, topic.topic_authorized_operations) == (False, ALL_OPERATIONS)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("names", [[], ["b", "c", "a"]])
async def test_pages_together_are_the_whole(broker: MetadataBroker, limit: int, names: list[str]) -> None:
    pages, cursor = [], None
    while True:
        response = await ask(broker, *names, limit=limit, cursor=cursor)
        page = shown(response)
        assert 0 < sum(len(indexes) for _, indexes in page) <= limit
        pages += [(name, index) for name, indexes in page for index in indexes]
        cursor = next_cursor(response)
        if cursor is None:
            break
    assert pages == [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1), ("c", 0)]


async def test_a_page_ends_inside_a_topic_or_before_the_next(broker: MetadataBroker) -> None:
    for limit, cursor in ((2, ("a", 2)), (3, ("b", 0)), (4, ("b", 1)), (6, None), (0, ("a", 1)), (-5, ("a", 1))):
        assert next_cursor(await ask(broker, limit=limit)) == cursor
    # The next topic is asked for on the next page, whether it exists or not.
    assert next_cursor(await ask(broker, "a", "ab", limit=3)) == ("ab", 0)


async def test_the_broker_limits_a_page_too(broker: MetadataBroker) -> None:
    await broker.topics.create([NewTopic("z", 150, 1)], may_create=lambda name: True, timeout_ms=30_000)
    response = await ask(broker, "z", limit=2**31 - 1)
    assert (shown(response), next_cursor(response)) == ([("z", list(range(100)))], ("z", 100))


@pytest.mark.parametrize(
    ("names", "cursor", "expected"),
    [
        (["a", "b"], ("a", 1), [("a", [1, 2]), ("b", [0, 1])]),
        (["a", "b"], ("a", 3), [("a", []), ("b", [0, 1])]),
        (["a", "b"], ("a", 2**31 - 1), [("a", []), ("b", [0, 1])]),
        (["a", "b"], ("b", 1), [("b", [1])]),
        ([], ("b", 1), [("b", [1]), ("c", [0])]),
        ([], ("aa", 1), [("b", [0, 1]), ("c", [0])]),
        ([], ("zzz", 0), []),
    ],
)
async def test_a_cursor_says_where_to_begin(
    broker: MetadataBroker, names: list[str], cursor: tuple[str, int], expected: list[tuple[str, list[int]]]
) -> None:
    assert shown(await ask(broker, *names, cursor=cursor)) == expected


async def test_a_cursor_that_points_nowhere(broker: MetadataBroker) -> None:
    for cursor in (("aa", 0), ("zz", 0), ("a", -1)):
        response = await ask(broker, "b", "a", "b", cursor=cursor)
        assert codes(response) == [("b", "INVALID_REQUEST"), ("a", "INVALID_REQUEST"), ("b", "INVALID_REQUEST")]
    response = await ask(broker, cursor=("a", -1))
    assert (response.topics, next_cursor(response)) == ([], None)


async def test_what_is_not_there_does_not_hinder_the_rest(broker: MetadataBroker) -> None:
    response = await ask(broker, "nope", "a", "bad name", "", GROUPS_TOPIC)
    assert codes(response) == [
        ("", "INVALID_TOPIC_EXCEPTION"),
        (GROUPS_TOPIC, "UNKNOWN_TOPIC_OR_PARTITION"),
        ("a", "NONE"),
        ("bad name", "INVALID_TOPIC_EXCEPTION"),
        ("nope", "UNKNOWN_TOPIC_OR_PARTITION"),
    ]
    assert [topic.is_internal for topic in response.topics] == [False, True, False, False, False]
    assert {topic.topic_id for topic in response.topics if topic.error_code} == {ZERO_UUID}
    assert set(broker.image.topics) == {"a", "b", "c"}
    assert codes(await ask(broker, "nope", cursor=("nope", 3))) == [("nope", "UNKNOWN_TOPIC_OR_PARTITION")]


async def test_internal_topics_are_marked(broker: MetadataBroker) -> None:
    await broker.topics.create([NewTopic(GROUPS_TOPIC, 1, 1)], may_create=lambda name: True, timeout_ms=30_000)
    [topic] = (await ask(broker, GROUPS_TOPIC)).topics
    assert topic.is_internal is True


async def test_eligible_leaders_are_empty_and_not_null(broker: MetadataBroker) -> None:
    [topic] = (await ask(broker, "c")).topics
    [partition] = topic.partitions
    assert (partition.eligible_leader_replicas, partition.last_known_elr) == ([], [])
    assert (partition.error_code, partition.leader_id, partition.leader_epoch) == (ErrorCode.NONE, NODE_ID, 0)
    assert (partition.replica_nodes, partition.isr_nodes, partition.offline_replicas) == ([NODE_ID], [NODE_ID], [])


async def test_a_partition_shows_who_is_missing(broker: MetadataBroker) -> None:
    async def described(index: int) -> tuple[int, list[int], list[int], list[int]]:
        [topic] = (await ask(broker, "a")).topics
        partition = topic.partitions[index]
        assert partition.error_code == ErrorCode.NONE
        return partition.leader_id, partition.replica_nodes, partition.isr_nodes, partition.offline_replicas

    topic_id = broker.image.topics["a"].topic_id
    await broker.add_brokers(OTHER)
    state = PartitionRecord((NODE_ID, OTHER), (OTHER,), OTHER, 3)
    await broker.write(Put(partition_key(topic_id, 1), encode_partition(state)))
    assert await described(1) == (OTHER, [NODE_ID, OTHER], [OTHER], [])
    broker.partitions.fail(broker.image.topics["a"], 1)
    assert await described(1) == (OTHER, [NODE_ID, OTHER], [OTHER], [NODE_ID])
    broker.unreachable.add(OTHER)
    assert (await described(1))[0] == NO_LEADER
    await broker.write(Delete(broker_key(OTHER)))
    assert await described(1) == (NO_LEADER, [NODE_ID, OTHER], [OTHER], [OTHER, NODE_ID])
    broker.partitions.fail(broker.image.topics["a"], 0)
    assert await described(0) == (NO_LEADER, [NODE_ID], [NODE_ID], [NODE_ID])


async def test_it_takes_describe_on_a_topic(broker: MetadataBroker) -> None:
    broker.authorizer = Granting((AclOperation.DESCRIBE, ResourceType.TOPIC, "b"))
    assert shown(await ask(broker)) == [("b", [0, 1])]
    response = await ask(broker, "a", "b", "nope", "bad name")
    denied = "TOPIC_AUTHORIZATION_FAILED"
    assert codes(response) == [("b", "NONE"), ("a", denied), ("bad name", denied), ("nope", denied)]
    assert [topic.topic_id != ZERO_UUID for topic in response.topics] == [True, False, False, False]
    assert response.topics[0].topic_authorized_operations == 1 << AclOperation.DESCRIBE
    assert response.topics[1].topic_authorized_operations == -(2**31)
    # What may not be seen takes no room on a page.
    assert codes(await ask(broker, "a", "b", "c", limit=2)) == [("b", "NONE"), ("a", denied), ("c", denied)]
