"""DescribeQuorum: a quorum of one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import ErrorCode
from protocol.messages.describe_quorum import (
    Listener,
    Node,
    ReplicaState,
    RequestedPartitionData,
    RequestedTopicData,
)
from protocol.schema import ZERO_UUID
from tests.support.metadata_broker import NODE_ID, Granting, MetadataBroker

METADATA = "__cluster_metadata"


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MetadataBroker]:
    broker = await MetadataBroker(tmp_path).start()
    yield broker
    await broker.stop()


async def ask(broker: MetadataBroker, version: int, *topics: tuple[str, Sequence[int]]) -> Any:
    return await broker.ask(
        "describe_quorum",
        version,
        topics=[
            RequestedTopicData(
                topic_name=name, partitions=[RequestedPartitionData(partition_index=index) for index in indexes]
            )
            for name, indexes in topics
        ],
    )


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_this_broker_leads_and_is_the_only_voter(broker: MetadataBroker, version: int) -> None:
    response = await ask(broker, version, (METADATA, [0]))
    assert (response.error_code, response.error_message) == (ErrorCode.NONE, "")
    (topic,) = response.topics
    (partition,) = topic.partitions
    assert topic.topic_name == METADATA
    assert (partition.partition_index, partition.error_code, partition.error_message) == (0, ErrorCode.NONE, "")
    assert (partition.leader_id, partition.leader_epoch) == (NODE_ID, 0)
    assert partition.high_watermark == broker.image.revision > 0
    now_ms = broker.clock.now_ms() if version >= 1 else -1
    assert partition.current_voters == [
        ReplicaState(
            replica_id=NODE_ID,
            replica_directory_id=ZERO_UUID,
            log_end_offset=broker.image.revision,
            last_fetch_timestamp=now_ms,
            last_caught_up_timestamp=now_ms,
        )
    ]
    assert partition.observers == []
    reached_at = Listener(name="PLAINTEXT", host="host1", port=9092)
    assert response.nodes == ([Node(node_id=NODE_ID, listeners=[reached_at])] if version >= 2 else [])


async def test_its_offsets_rise_with_each_change_and_its_epoch_with_each_start(
    broker: MetadataBroker, tmp_path: Path
) -> None:
    before = (await ask(broker, 2, (METADATA, [0]))).topics[0].partitions[0]
    await broker.add_brokers(2)
    after = (await ask(broker, 2, (METADATA, [0]))).topics[0].partitions[0]
    assert after.high_watermark > before.high_watermark
    assert after.leader_epoch == before.leader_epoch
    await broker.stop()
    await broker.start()
    restarted = (await ask(broker, 2, (METADATA, [0]))).topics[0].partitions[0]
    assert restarted.leader_epoch == before.leader_epoch + 1


async def test_a_node_that_the_listener_lacks_has_no_address(broker: MetadataBroker) -> None:
    broker.unreachable = {NODE_ID}
    assert (await ask(broker, 2, (METADATA, [0]))).nodes == [Node(node_id=NODE_ID, listeners=[])]


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize(
    "topics",
    [
        [],
        [(METADATA, [])],
        [("orders", [0])],
        [(METADATA, [1])],
        [(METADATA, [-1])],
        [(METADATA, [0, 1])],
        [(METADATA, [0, 0])],
        [(METADATA, [0]), ("orders", [0, 3])],
        [("orders", [0]), (METADATA, [0])],
        [(METADATA, [0]), (METADATA, [0])],
        [("", [0]), ("bar", [])],
    ],
)
async def test_any_other_question(broker: MetadataBroker, version: int, topics: list[tuple[str, list[int]]]) -> None:
    response = await ask(broker, version, *topics)
    assert (response.error_code, response.error_message, response.nodes) == (ErrorCode.NONE, "", [])
    assert [
        (topic.topic_name, [partition.partition_index for partition in topic.partitions]) for topic in response.topics
    ] == topics
    message = "This server does not host this topic-partition." if version >= 2 else ""
    for topic in response.topics:
        for partition in topic.partitions:
            assert (partition.error_code, partition.error_message) == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message)
            assert (partition.leader_id, partition.leader_epoch, partition.high_watermark) == (0, 0, 0)
            assert partition.current_voters == partition.observers == []


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_it_takes_describe_on_the_cluster(broker: MetadataBroker, version: int) -> None:
    broker.authorizer = Granting()
    response = await ask(broker, version, (METADATA, [0]))
    assert response.error_code == ErrorCode.CLUSTER_AUTHORIZATION_FAILED
    assert response.error_message == ("Cluster authorization failed." if version >= 2 else "")
    assert response.topics == response.nodes == []
