"""OffsetForLeaderEpoch: where epochs end, and who may know."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.handlers.offset_for_leader_epoch import handle
from broker.security.acl import CLUSTER_NAME, AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from tests.support.hosted_topics import OTHER_NODE_ID, HostedTopics, over_the_wire


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[HostedTopics]:
    """Epoch 2 holds offsets 0 and 1, epoch 5 offset 2; partition 1 is empty in epoch 0."""
    made = HostedTopics(tmp_path)
    await made.create("t", 2)
    made.partition("t").lead(2, 0)
    made.append("t", b"a")
    made.append("t", b"b")
    made.partition("t").lead(5, 0)
    made.append("t", b"c")
    yield made
    made.close()


def ask(
    broker: HostedTopics, *partitions: tuple[str, int, int], current_leader_epoch: int = -1, version: int = 4
) -> list[tuple[str, int, int, int, int]]:
    """Return (topic, index, error code, leader epoch, end offset) for each (topic, index, leader epoch)."""
    sent = OffsetForLeaderEpochRequest(
        topics=[
            OffsetForLeaderTopic(
                topic=topic,
                partitions=[
                    OffsetForLeaderPartition(
                        partition=index, current_leader_epoch=current_leader_epoch, leader_epoch=leader_epoch
                    )
                ],
            )
            for topic, index, leader_epoch in partitions
        ]
    )
    response: OffsetForLeaderEpochResponse = over_the_wire(handle(broker.context(version), sent), version)
    return [
        (topic.topic, one.partition, one.error_code, one.leader_epoch, one.end_offset)
        for topic in response.topics
        for one in topic.partitions
    ]


@pytest.mark.parametrize("version", [2, 3, 4])
async def test_the_end_of_an_epoch_in_every_version(broker: HostedTopics, version: int) -> None:
    found = {epoch: ask(broker, ("t", 0, epoch), version=version)[0][2:] for epoch in range(-1, 7)}
    assert found == {
        -1: (0, -1, -1),
        0: (0, 0, 0),
        1: (0, 1, 0),
        2: (0, 2, 2),
        3: (0, 2, 2),
        4: (0, 2, 2),
        5: (0, 5, 3),
        6: (0, -1, -1),
    }


async def test_an_empty_log_ends_its_current_epoch_where_it_starts(broker: HostedTopics) -> None:
    assert ask(broker, ("t", 1, 0), ("t", 1, 1)) == [("t", 1, 0, 0, 0), ("t", 1, 0, -1, -1)]


async def test_every_partition_answers_for_itself(broker: HostedTopics) -> None:
    await broker.create("moved", leaders=[OTHER_NODE_ID])
    broker.partitions.take_offline([("t", 1)])
    assert ask(broker, ("t", 0, 5), ("t", 0, 5), ("t", 9, 0), ("nope", 0, 0), ("moved", 0, 0), ("t", 1, 0)) == [
        ("t", 0, 0, 5, 3),
        ("t", 0, 0, 5, 3),
        ("t", 9, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1, -1),
        ("nope", 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1, -1),
        ("moved", 0, ErrorCode.NOT_LEADER_OR_FOLLOWER, -1, -1),
        ("t", 1, ErrorCode.KAFKA_STORAGE_ERROR, -1, -1),
    ]


async def test_leader_epochs_are_checked(broker: HostedTopics) -> None:
    codes = [ask(broker, ("t", 0, 2), current_leader_epoch=known)[0][2] for known in (4, 5, 6)]
    assert codes == [ErrorCode.FENCED_LEADER_EPOCH, 0, ErrorCode.UNKNOWN_LEADER_EPOCH]


async def test_the_topic_may_be_described_or_the_cluster_acted_on(broker: HostedTopics) -> None:
    describe = (AclOperation.DESCRIBE, ResourceType.TOPIC, "t")
    act = (AclOperation.CLUSTER_ACTION, ResourceType.CLUSTER, CLUSTER_NAME)
    for denied, code in (({describe}, 0), ({act}, 0), ({describe, act}, ErrorCode.TOPIC_AUTHORIZATION_FAILED)):
        broker.authorizer.denied = denied
        assert ask(broker, ("t", 0, 5))[0][2] == code
