"""ElectLeaders over all its versions; the rules themselves are tested with the controller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker.core.controller.topic_creation import NewTopic
from broker.metadata.image import NO_LEADER
from broker.metadata.keys import partition_key
from broker.metadata.records import PartitionRecord, encode_partition
from broker.metadata.store import Put
from broker.security.acl import CLUSTER_NAME, AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.elect_leaders import TopicPartitions
from tests.support.metadata_broker import NODE_ID, Granting, MetadataBroker

VERSIONS = range(3)
PREFERRED, UNCLEAN = 0, 1
OTHER = 7
NOT_NEEDED = "Leader election not needed for topic partition."


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MetadataBroker]:
    """Topics `a` and `b` of two partitions; the first of `a` is led by OTHER though NODE_ID is preferred."""
    broker = await MetadataBroker(tmp_path).start()
    topics = [NewTopic(name, 2, 1) for name in ("a", "b")]
    await broker.topics.create(topics, may_create=lambda name: True, timeout_ms=30_000)
    await broker.add_brokers(OTHER)
    await put_state(broker, "a", 0, PartitionRecord((NODE_ID, OTHER), (NODE_ID, OTHER), OTHER, 3))
    yield broker
    await broker.stop()


async def put_state(broker: MetadataBroker, topic: str, index: int, state: PartitionRecord) -> None:
    await broker.write(Put(partition_key(broker.image.topics[topic].topic_id, index), encode_partition(state)))


async def ask(broker: MetadataBroker, version: int, *topics: tuple[str, list[int]], **fields: Any) -> Any:
    asked = [TopicPartitions(topic=name, partitions=indexes) for name, indexes in topics]
    response = await broker.ask("elect_leaders", version, **{"topic_partitions": asked, "timeout_ms": 30_000, **fields})
    assert response.throttle_time_ms == 0
    return response


def results(response: Any) -> list[tuple[str, list[tuple[int, str, str | None]]]]:
    return [
        (
            topic.topic,
            [(r.partition_id, ErrorCode(r.error_code).name, r.error_message) for r in topic.partition_result],
        )
        for topic in response.replica_election_results
    ]


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_partition_has_an_answer_of_its_own(broker: MetadataBroker, version: int) -> None:
    response = await ask(broker, version, ("a", [0, 1, 9, 0]), ("nope", [0]), ("b", []), ("a", [1]))
    assert response.error_code == ErrorCode.NONE
    unknown = "UNKNOWN_TOPIC_OR_PARTITION"
    assert results(response) == [
        (
            "a",
            [
                (0, "NONE", None),
                (1, "ELECTION_NOT_NEEDED", NOT_NEEDED),
                (9, unknown, "No such partition as a-9"),
                (0, "NONE", None),
            ],
        ),
        ("nope", [(0, unknown, "No such topic as nope")]),
        ("b", []),
        ("a", [(1, "ELECTION_NOT_NEEDED", NOT_NEEDED)]),
    ]
    partition = broker.image.topics["a"].partitions[0]
    assert (partition.leader, partition.leader_epoch) == (NODE_ID, 4)


@pytest.mark.parametrize("version", VERSIONS)
async def test_null_means_all_partitions_that_need_it(broker: MetadataBroker, version: int) -> None:
    assert results(await ask(broker, version, topic_partitions=None)) == [("a", [(0, "NONE", None)]), ("b", [])]
    assert results(await ask(broker, version, topic_partitions=None)) == [("a", []), ("b", [])]


async def test_the_types_of_election_differ(broker: MetadataBroker) -> None:
    await put_state(broker, "b", 1, PartitionRecord((OTHER, NODE_ID), (5,), NO_LEADER, 3))
    preferred = await ask(broker, 2, ("b", [1]), election_type=PREFERRED)
    assert results(preferred) == [
        ("b", [(1, "PREFERRED_LEADER_NOT_AVAILABLE", "The preferred leader was not available.")])
    ]
    unclean = await ask(broker, 2, ("b", [1]), ("a", [0]), election_type=UNCLEAN)
    assert results(unclean) == [
        ("b", [(1, "NONE", None)]),
        ("a", [(0, "ELECTION_NOT_NEEDED", NOT_NEEDED)]),
    ]
    assert broker.image.topics["b"].partitions[1].isr == (OTHER,)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("election_type", [2, -1, 127])
async def test_an_unknown_type_of_election(broker: MetadataBroker, version: int, election_type: int) -> None:
    response = await ask(broker, version, ("a", [0]), election_type=election_type)
    assert response.error_code == ErrorCode.INVALID_REQUEST
    assert results(response) == [("a", [(0, "INVALID_REQUEST", f"Unknown election type {election_type}")])]


@pytest.mark.parametrize("version", VERSIONS)
async def test_nobody_is_elected_without_time_for_it(broker: MetadataBroker, version: int) -> None:
    response = await ask(broker, version, ("a", [0]), ("nope", [5]), timeout_ms=0)
    assert [[code for _, code, _ in partitions] for _, partitions in results(response)] == [["REQUEST_TIMED_OUT"]] * 2
    assert response.error_code == (ErrorCode.REQUEST_TIMED_OUT if version >= 1 else ErrorCode.NONE)
    response = await ask(broker, version, topic_partitions=None, timeout_ms=-1)
    assert results(response) == []
    assert broker.image.topics["a"].partitions[0].leader == OTHER
    assert (await ask(broker, version, timeout_ms=0)).error_code == ErrorCode.NONE


@pytest.mark.parametrize("version", VERSIONS)
async def test_it_takes_alter_on_the_cluster(broker: MetadataBroker, version: int) -> None:
    broker.authorizer = Granting((AclOperation.ALTER, ResourceType.TOPIC, "*"))
    response = await ask(broker, version, ("a", [0, 1]))
    denied = "CLUSTER_AUTHORIZATION_FAILED"
    assert response.error_code == (ErrorCode[denied] if version >= 1 else ErrorCode.NONE)
    assert results(response) == [("a", [(index, denied, "Cluster authorization failed.") for index in (0, 1)])]
    broker.authorizer = Granting((AclOperation.ALTER, ResourceType.CLUSTER, CLUSTER_NAME))
    assert results(await ask(broker, version, ("a", [0]))) == [("a", [(0, "NONE", None)])]
