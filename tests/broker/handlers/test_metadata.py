"""Metadata over all its versions; what it answers was compared with a Kafka 4.3.1."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker.metadata.keys import broker_key, partition_key
from broker.metadata.records import PartitionRecord, encode_partition
from broker.metadata.store import Delete, Put
from broker.security.acl import CLUSTER_NAME, AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.create_topics import CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig
from protocol.messages.metadata import (
    MetadataRequestTopic,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from protocol.schema import ZERO_UUID
from tests.support.metadata_broker import NODE_ID, Granting, MetadataBroker

VERSIONS = range(14)
UNASKED = -(2**31)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MetadataBroker]:
    broker = await MetadataBroker(tmp_path, {"num.partitions": "2"}).start()
    yield broker
    await broker.stop()


async def create(broker: MetadataBroker, *names: str, assignment: list[list[int]] | None = None) -> None:
    assignments = [
        CreatableReplicaAssignment(partition_index=index, broker_ids=nodes)
        for index, nodes in enumerate(assignment or [])
    ]
    topics = [
        CreatableTopic(
            name=name,
            num_partitions=-1,
            replication_factor=-1,
            assignments=assignments,
            configs=[CreatableTopicConfig(name="retention.ms", value="-1")],
        )
        for name in names
    ]
    response = await broker.ask("create_topics", 7, topics=topics)
    assert {topic.error_code for topic in response.topics} <= {0}


async def ask(broker: MetadataBroker, version: int, *names: str, **fields: Any) -> Any:
    return await broker.ask("metadata", version, topics=[MetadataRequestTopic(name=name) for name in names], **fields)


async def ask_by_id(broker: MetadataBroker, version: int, *topics: tuple[str | None, bytes], **fields: Any) -> Any:
    asked = [MetadataRequestTopic(name=name, topic_id=topic_id) for name, topic_id in topics]
    return await broker.ask("metadata", version, topics=asked, **fields)


def errors(response: Any) -> dict[str, str]:
    return {topic.name: ErrorCode(topic.error_code).name for topic in response.topics}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_topic_and_the_cluster_as_every_version_shows_them(broker: MetadataBroker, version: int) -> None:
    await create(broker, "__consumer_offsets")
    image = broker.image
    response = await ask(broker, version, "__consumer_offsets", "__consumer_offsets")
    assert response.throttle_time_ms == response.error_code == 0
    assert response.brokers == [
        MetadataResponseBroker(node_id=NODE_ID, host="host1", port=9092, rack="r1" if version >= 1 else None)
    ]
    assert response.cluster_id == (image.cluster_id if version >= 2 else None)
    assert response.controller_id == (NODE_ID if version >= 1 else -1)
    assert response.cluster_authorized_operations == UNASKED
    partitions = [
        MetadataResponsePartition(
            error_code=0,
            partition_index=index,
            leader_id=NODE_ID,
            leader_epoch=0 if version >= 7 else -1,
            replica_nodes=[NODE_ID],
            isr_nodes=[NODE_ID],
        )
        for index in range(2)
    ]
    assert response.topics == [
        MetadataResponseTopic(
            error_code=0,
            name="__consumer_offsets",
            topic_id=image.topics["__consumer_offsets"].topic_id if version >= 10 else ZERO_UUID,
            is_internal=version >= 1,
            partitions=partitions,
        )
    ]


@pytest.mark.parametrize("version", VERSIONS)
async def test_all_topics_or_none(broker: MetadataBroker, version: int) -> None:
    await create(broker, "a", "b")
    empty = await ask(broker, version)
    assert errors(empty) == ({"a": "NONE", "b": "NONE"} if version == 0 else {})
    assert len(empty.brokers) == 1
    if version >= 1:
        assert errors(await broker.ask("metadata", version, topics=None)) == {"a": "NONE", "b": "NONE"}


# --- creating what is missing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_missing_topic_is_created_and_can_be_used_at_once(broker: MetadataBroker, version: int) -> None:
    response = await ask(broker, version, "new", "bad name")
    assert errors(response) == {"new": "NONE", "bad name": "INVALID_TOPIC_EXCEPTION"}
    assert [partition.leader_id for partition in response.topics[0].partitions] == [NODE_ID, NODE_ID]
    assert list(broker.image.topics) == ["new"]


@pytest.mark.parametrize("version", range(4, 14))
async def test_a_client_may_not_want_it_created(broker: MetadataBroker, version: int) -> None:
    response = await ask(broker, version, "new", "bad name", "", allow_auto_topic_creation=False)
    assert errors(response) == {
        "new": "UNKNOWN_TOPIC_OR_PARTITION",
        "bad name": "INVALID_TOPIC_EXCEPTION",
        "": "INVALID_TOPIC_EXCEPTION",
    }
    assert not broker.image.topics


async def test_the_broker_may_not_want_it_created(tmp_path: Path) -> None:
    broker = await MetadataBroker(tmp_path, {"auto.create.topics.enable": "false"}).start()
    assert errors(await ask(broker, 1, "new")) == {"new": "UNKNOWN_TOPIC_OR_PARTITION"}
    assert not broker.image.topics
    await broker.stop()


async def test_internal_topics_are_made_by_their_coordinators_only(broker: MetadataBroker) -> None:
    names = ["__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"]
    response = await ask(broker, 13, *names)
    assert errors(response) == dict.fromkeys(names, "UNKNOWN_TOPIC_OR_PARTITION")
    assert [topic.is_internal for topic in response.topics] == [True, True, True, False]
    assert not broker.image.topics


async def test_a_name_that_collides_cannot_be_created(broker: MetadataBroker) -> None:
    await create(broker, "a.b")
    assert errors(await ask(broker, 13, "a_b")) == {"a_b": "INVALID_TOPIC_EXCEPTION"}


async def test_clients_that_start_together_all_get_the_one_topic(broker: MetadataBroker) -> None:
    responses = await asyncio.gather(*(ask(broker, 13, "new", f"own{number}") for number in range(5)))
    assert all(set(errors(response).values()) == {"NONE"} for response in responses)
    assert len({response.topics[0].topic_id for response in responses}) == 1


async def test_a_topic_that_cannot_be_created_now_is_unknown(broker: MetadataBroker) -> None:
    await broker.store.close()
    assert errors(await ask(broker, 13, "new")) == {"new": "UNKNOWN_TOPIC_OR_PARTITION"}


# --- by id ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [12, 13])
async def test_topics_are_found_by_id(broker: MetadataBroker, version: int) -> None:
    await create(broker, "a", "b")
    known, unknown = broker.image.topics["a"].topic_id, b"x" * 16
    response = await ask_by_id(broker, version, (None, unknown), (None, known), (None, known))
    assert [(topic.name, topic.topic_id, topic.error_code) for topic in response.topics] == [
        (None, unknown, ErrorCode.UNKNOWN_TOPIC_ID),
        ("a", known, ErrorCode.NONE),
    ]
    # Kafka passes over names beside ids, those of other topics as well.
    response = await ask_by_id(broker, version, ("b", ZERO_UUID), ("nope", known), ("new", ZERO_UUID))
    assert errors(response) == {"a": "NONE"}
    assert "new" not in broker.image.topics


@pytest.mark.parametrize("version", [10, 11])
async def test_ids_are_not_asked_for_before_version_12(broker: MetadataBroker, version: int) -> None:
    await create(broker, "a")
    topic_id = broker.image.topics["a"].topic_id
    for asked in (("a", topic_id), (None, ZERO_UUID)):
        response = await ask_by_id(broker, version, asked)
        assert [(topic.name, topic.topic_id, topic.error_code) for topic in response.topics] == [
            (asked[0] or "", asked[1], ErrorCode.INVALID_REQUEST)
        ]
        assert (response.brokers, response.cluster_id, response.controller_id) == ([], None, -1)


@pytest.mark.parametrize("version", [12, 13])
async def test_a_topic_without_name_and_id_is_no_topic(broker: MetadataBroker, version: int) -> None:
    response = await ask_by_id(broker, version, ("a", ZERO_UUID), (None, ZERO_UUID))
    assert errors(response) == {"a": "INVALID_REQUEST", "": "INVALID_REQUEST"}
    assert response.error_code == (ErrorCode.INVALID_REQUEST if version >= 13 else 0)
    assert not broker.image.topics


# --- leaders, replicas, brokers ------------------------------------------------------------------------------------


async def place(broker: MetadataBroker) -> None:
    """Topic t: led by 1, by 2, by 3 that is not reachable, by nobody, by 9 that is gone; replicas on 1 to 3."""
    await broker.add_brokers(2, 3, 9)
    broker.unreachable = {3}
    await create(broker, "t", assignment=[[1, 2], [2, 1], [3, 1], [1, 2], [9, 1]])
    topic_id = broker.image.topics["t"].topic_id
    nobody = PartitionRecord((1, 2), (1,), -1, 4)
    await broker.write(Put(partition_key(topic_id, 3), encode_partition(nobody)))
    await broker.write(Delete(broker_key(9)))


@pytest.mark.parametrize("version", VERSIONS)
async def test_partitions_without_a_leader_that_the_client_reaches(broker: MetadataBroker, version: int) -> None:
    await place(broker)
    response = await ask(broker, version, "t")
    unreachable = "LISTENER_NOT_FOUND" if version >= 6 else "LEADER_NOT_AVAILABLE"
    [topic] = response.topics
    assert topic.error_code == 0
    assert [ErrorCode(partition.error_code).name for partition in topic.partitions] == [
        "NONE",
        "NONE",
        unreachable,
        "LEADER_NOT_AVAILABLE",
        "LEADER_NOT_AVAILABLE",
    ]
    assert [partition.leader_id for partition in topic.partitions] == [1, 2, -1, -1, -1]
    assert [partition.replica_nodes for partition in topic.partitions] == [[1, 2], [2, 1], [3, 1], [1, 2], [9, 1]]
    assert [partition.isr_nodes for partition in topic.partitions] == [[1, 2], [2, 1], [3, 1], [1], [9, 1]]
    if version >= 5:
        assert [partition.offline_replicas for partition in topic.partitions] == [[], [], [], [], [9]]
    if version >= 7:
        assert [partition.leader_epoch for partition in topic.partitions] == [0, 0, 0, 4, 0]
    assert [node.node_id for node in response.brokers] == [1, 2]


async def test_the_oldest_clients_are_told_of_no_replica_that_they_cannot_look_up(broker: MetadataBroker) -> None:
    await broker.add_brokers(2, 3)
    broker.unreachable = {3}
    await create(broker, "t", assignment=[[1, 3, 2]])
    [partition] = (await ask(broker, 0, "t")).topics[0].partitions
    assert partition == MetadataResponsePartition(
        error_code=ErrorCode.REPLICA_NOT_AVAILABLE,
        partition_index=0,
        leader_id=1,
        replica_nodes=[1, 2],
        isr_nodes=[1, 2],
    )
    [partition] = (await ask(broker, 1, "t")).topics[0].partitions
    assert (partition.error_code, partition.replica_nodes) == (0, [1, 3, 2])


async def test_a_log_that_has_failed_leads_nothing(broker: MetadataBroker) -> None:
    await create(broker, "t")
    broker.partitions.fail(broker.image.topics["t"], 1)
    partitions = (await ask(broker, 13, "t")).topics[0].partitions
    assert [(p.error_code, p.leader_id, p.offline_replicas) for p in partitions] == [
        (ErrorCode.NONE, 1, []),
        (ErrorCode.LEADER_NOT_AVAILABLE, -1, [1]),
    ]


# --- rights --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_operations_are_shown_to_who_asks(broker: MetadataBroker, version: int) -> None:
    await create(broker, "t")
    fields: dict[str, Any] = {"allow_auto_topic_creation": False} if version >= 4 else {}
    if version >= 8:
        fields["include_topic_authorized_operations"] = True
    if 8 <= version <= 10:
        fields["include_cluster_authorized_operations"] = True
    response = await ask(broker, version, "t", **fields)
    assert response.topics[0].topic_authorized_operations == (3576 if version >= 8 else UNASKED)
    assert response.cluster_authorized_operations == (8096 if 8 <= version <= 10 else UNASKED)
    broker.authorizer = Granting((AclOperation.DESCRIBE, ResourceType.TOPIC, "t"))
    response = await ask(broker, version, "t", "u", **fields)
    assert response.cluster_authorized_operations == (0 if 8 <= version <= 10 else UNASKED)
    only_describe = 1 << AclOperation.DESCRIBE if version >= 8 else UNASKED
    assert [topic.topic_authorized_operations for topic in response.topics] == [only_describe, UNASKED]


@pytest.mark.parametrize("version", VERSIONS)
async def test_who_may_not_describe_a_topic_does_not_learn_of_it(broker: MetadataBroker, version: int) -> None:
    await create(broker, "seen", "hidden")
    topic_id = broker.image.topics["hidden"].topic_id
    broker.authorizer = Granting(
        (AclOperation.DESCRIBE, ResourceType.TOPIC, "seen"), (AclOperation.CREATE, ResourceType.CLUSTER, CLUSTER_NAME)
    )
    named = await ask(broker, version, "seen", "hidden", "nope", "bad name")
    denied = "TOPIC_AUTHORIZATION_FAILED"
    assert errors(named) == {"seen": "NONE", "hidden": denied, "nope": denied, "bad name": denied}
    assert all(topic.topic_id == ZERO_UUID and not topic.partitions for topic in named.topics[1:])
    everything = await (ask(broker, 0) if version == 0 else broker.ask("metadata", version, topics=None))
    assert errors(everything) == {"seen": "NONE"}
    if version >= 12:
        [topic] = (await ask_by_id(broker, version, (None, topic_id))).topics
        assert (topic.name, topic.topic_id, topic.error_code) == (None, topic_id, ErrorCode.TOPIC_AUTHORIZATION_FAILED)
    assert set(broker.image.topics) == {"seen", "hidden"}


@pytest.mark.parametrize("version", VERSIONS)
async def test_nothing_is_shown_that_was_shown_to_others(broker: MetadataBroker, version: int) -> None:
    await create(broker, "a", "b")
    names = {"a": "NONE", "b": "NONE"}
    assert errors(await ask(broker, version, "a", "b")) == names
    broker.authorizer = Granting((AclOperation.DESCRIBE, ResourceType.TOPIC, "a"))
    assert errors(await ask(broker, version, "a", "b")) == {"a": "NONE", "b": "TOPIC_AUTHORIZATION_FAILED"}
    broker.authorizer = Granting((AclOperation.DESCRIBE, ResourceType.TOPIC, "*"))
    assert errors(await ask(broker, version, "a", "b")) == names
    broker.unreachable.add(NODE_ID)  # over this listener
    response = await ask(broker, version, "a", "b")
    assert not response.brokers
    assert {partition.leader_id for topic in response.topics for partition in topic.partitions} == {-1}
    broker.unreachable.clear()
    response = await ask(broker, version, "a", "b")
    assert {partition.leader_id for topic in response.topics for partition in topic.partitions} == {NODE_ID}


async def test_creating_takes_create_on_the_cluster_or_the_topic(broker: MetadataBroker) -> None:
    describe = (AclOperation.DESCRIBE, ResourceType.TOPIC, "*")
    broker.authorizer = Granting(describe)
    assert errors(await ask(broker, 13, "a")) == {"a": "TOPIC_AUTHORIZATION_FAILED"}
    assert errors(await ask(broker, 13, "a", allow_auto_topic_creation=False)) == {"a": "UNKNOWN_TOPIC_OR_PARTITION"}
    broker.authorizer = Granting(describe, (AclOperation.CREATE, ResourceType.TOPIC, "a"))
    assert errors(await ask(broker, 13, "a", "b")) == {"a": "NONE", "b": "TOPIC_AUTHORIZATION_FAILED"}
    broker.authorizer = Granting(describe, (AclOperation.CREATE, ResourceType.CLUSTER, CLUSTER_NAME))
    assert errors(await ask(broker, 13, "b")) == {"b": "NONE"}
