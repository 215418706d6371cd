"""DescribeProducers: what the partitions remember, and the errors of topics and of single partitions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.handlers.describe_producers import handle
from broker.security.acl import AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    PartitionResponse,
    TopicRequest,
)
from tests.support.hosted_topics import OTHER_NODE_ID, HostedTopics, batch, over_the_wire


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[HostedTopics]:
    made = HostedTopics(tmp_path)
    await made.create("t", 2)
    yield made
    made.close()


def describe(broker: HostedTopics, *topics: tuple[str, list[int]]) -> list[tuple[str, list[PartitionResponse]]]:
    asked = [TopicRequest(name=name, partition_indexes=indexes) for name, indexes in topics]
    answer: DescribeProducersResponse = over_the_wire(
        handle(broker.context(0), DescribeProducersRequest(topics=asked)), 0
    )
    return [(topic.name, topic.partitions) for topic in answer.topics]


def produce(broker: HostedTopics, producer_id: int, epoch: int, sequence: int, timestamp: int, count: int = 1) -> None:
    values = [b"x"] * count
    data = batch(*values, timestamp=timestamp, producer_id=producer_id, producer_epoch=epoch, base_sequence=sequence)
    broker.partition("t").append_as_leader(memoryview(data), broker.clock.now_ms(), acks=1)


def producers(partition: PartitionResponse) -> list[tuple[int, ...]]:
    assert (partition.error_code, partition.error_message) == (0, None)
    return [
        (
            producer.producer_id,
            producer.producer_epoch,
            producer.last_sequence,
            producer.last_timestamp,
            producer.coordinator_epoch,
            producer.current_txn_start_offset,
        )
        for producer in partition.active_producers
    ]


async def test_the_last_batch_of_each_producer(broker: HostedTopics) -> None:
    now_ms = broker.clock.now_ms()
    produce(broker, 7, 0, 0, now_ms, count=3)
    produce(broker, 7, 0, 3, now_ms + 1, count=2)
    produce(broker, 9, 4, 0, now_ms + 2)
    produce(broker, 9, 5, 0, now_ms + 3)
    broker.append("t", b"of nobody")
    ((name, (first, second, again)),) = describe(broker, ("t", [0, 1, 0]))
    assert name == "t"
    assert producers(first) == [(7, 0, 4, now_ms + 1, -1, -1), (9, 5, 0, now_ms + 3, -1, -1)]
    assert producers(second) == []
    assert producers(again) == producers(first)
    assert [first.partition_index, second.partition_index, again.partition_index] == [0, 1, 0]


async def test_a_producer_outlives_its_records_and_not_its_time(broker: HostedTopics) -> None:
    produce(broker, 7, 0, 0, broker.clock.now_ms())
    broker.partition("t").delete_records(1)
    ((_, (partition,)),) = describe(broker, ("t", [0]))
    assert [producer[0] for producer in producers(partition)] == [7]
    broker.clock.advance(24 * 3600 * 1000)
    broker.logs.expire_producers()
    ((_, (partition,)),) = describe(broker, ("t", [0]))
    assert producers(partition) == []


async def test_errors(broker: HostedTopics) -> None:
    await broker.create("elsewhere", leaders=[OTHER_NODE_ID])
    await broker.create("secret")
    broker.authorizer.denied = {
        (AclOperation.READ, ResourceType.TOPIC, name) for name in ("secret", "nope", "bad name")
    }
    wanted = ["elsewhere", "secret", "nope", "none", "bad name", ""]
    answers = describe(broker, ("t", [9, -1]), *((name, [0]) for name in wanted), ("t", []))
    assert [
        (name, [(partition.error_code, partition.error_message) for partition in partitions])
        for name, partitions in answers
    ] == [
        ("t", [(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, None)] * 2),
        ("elsewhere", [(ErrorCode.NOT_LEADER_OR_FOLLOWER, None)]),
        ("secret", [(ErrorCode.TOPIC_AUTHORIZATION_FAILED, "Topic authorization failed.")]),
        ("nope", [(ErrorCode.TOPIC_AUTHORIZATION_FAILED, "Topic authorization failed.")]),
        ("none", [(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition.")]),
        (
            "bad name",
            [
                (
                    ErrorCode.INVALID_TOPIC_EXCEPTION,
                    "Topic name is invalid: 'bad name' contains one or more characters other than ASCII "
                    "alphanumerics, '.', '_' and '-'",
                )
            ],
        ),
        ("", [(ErrorCode.INVALID_TOPIC_EXCEPTION, "Topic name is invalid: the empty string is not allowed")]),
        ("t", []),
    ]
    assert describe(broker) == []
