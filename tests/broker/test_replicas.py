"""Changing partitions one by one: what is written, published and answered; the rules are tested by themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from broker.core.controller.leader_election import ElectionType, elect_leader
from broker.core.controller.reassignment import reassign
from broker.core.controller.topic_creation import NewTopic
from broker.metadata.keys import partition_key, partitions_prefix, topic_key
from broker.metadata.records import PartitionRecord, encode_partition
from broker.metadata.store import Delete, DeletePrefix, Put
from broker.metadata.writer import MetadataWriter
from broker.replicas import PartitionPlan, ReplicaController
from protocol.errors import ErrorCode, KafkaError
from tests.support.metadata_broker import NODE_ID, MetadataBroker
from tests.support.rival_store import RivalStore

OTHER = NODE_ID + 1
ELECT = partial(elect_leader, election_type=ElectionType.PREFERRED)


def to(*replicas: int) -> PartitionPlan:
    return partial(reassign, target=replicas, allow_factor_change=True)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MetadataBroker]:
    """Topics `a` and `b`, their partitions led by NODE_ID and replicated to OTHER."""
    broker = await MetadataBroker(tmp_path).start()
    await broker.add_brokers(OTHER)
    assignments = [(index, (NODE_ID, OTHER)) for index in range(5)]
    topics = [NewTopic(name, assignments=assignments) for name in ("a", "b")]
    results = await broker.topics.create(topics, may_create=lambda name: True, timeout_ms=30_000)
    assert not any(isinstance(result, KafkaError) for result in results.values())
    yield broker
    await broker.stop()


def state(broker: MetadataBroker, topic: str, index: int) -> tuple[tuple[int, ...], int, int]:
    partition = broker.image.topics[topic].partitions[index]
    return partition.replicas, partition.leader, partition.leader_epoch


def codes(errors: dict[tuple[str, int], KafkaError]) -> dict[tuple[str, int], str]:
    return {key: error.code.name for key, error in errors.items()}


async def test_what_was_changed_is_in_the_image_when_it_is_answered(broker: MetadataBroker) -> None:
    plans = {("a", 0): to(OTHER, NODE_ID), ("a", 3): to(NODE_ID), ("b", 1): to(), ("nope", 0): to(NODE_ID)}
    revision = broker.image.revision
    assert codes(await broker.replicas.change(plans, timeout_ms=30_000)) == {
        ("b", 1): "INVALID_REPLICA_ASSIGNMENT",
        ("nope", 0): "UNKNOWN_TOPIC_OR_PARTITION",
    }
    assert broker.image.revision == revision + 1
    assert state(broker, "a", 0) == ((OTHER, NODE_ID), NODE_ID, 0)
    assert state(broker, "a", 3) == ((NODE_ID,), NODE_ID, 1)
    assert state(broker, "b", 1) == ((NODE_ID, OTHER), NODE_ID, 0)
    assert await broker.replicas.change({("a", 0): ELECT}, timeout_ms=30_000) == {}
    assert state(broker, "a", 0) == ((OTHER, NODE_ID), OTHER, 1)
    assert codes(await broker.replicas.change({("a", 0): ELECT}, timeout_ms=30_000)) == {
        ("a", 0): "ELECTION_NOT_NEEDED"
    }


async def test_it_is_there_after_a_restart(broker: MetadataBroker) -> None:
    await broker.replicas.change({("a", 4): to(OTHER, NODE_ID)}, timeout_ms=30_000)
    await broker.replicas.change({("a", 4): ELECT}, timeout_ms=30_000)
    await broker.images.load()
    assert state(broker, "a", 4) == ((OTHER, NODE_ID), OTHER, 1)
    assert state(broker, "a", 3) == ((NODE_ID, OTHER), NODE_ID, 0)


async def test_where_nothing_changes_nothing_is_written(broker: MetadataBroker) -> None:
    revision = broker.image.revision
    assert await broker.replicas.change({("a", 0): to(NODE_ID, OTHER)}, timeout_ms=30_000) == {}
    assert (await broker.store.range("")).revision == revision


async def test_many_partitions_are_written_in_several_transactions(broker: MetadataBroker) -> None:
    rival = RivalStore(broker.store)
    controller = ReplicaController(MetadataWriter(rival, broker.images), broker.images)
    plans = {(topic, index): to(OTHER, NODE_ID) for topic in ("a", "b") for index in range(5)}
    assert await controller.change(plans, timeout_ms=30_000) == {}
    assert rival.sizes == [4, 4, 2]
    assert {state(broker, *key) for key in plans} == {((OTHER, NODE_ID), NODE_ID, 0)}


async def test_what_another_broker_was_faster_with_is_planned_again(broker: MetadataBroker) -> None:
    await broker.replicas.change({("a", 0): to(OTHER, NODE_ID)}, timeout_ms=30_000)
    rival = RivalStore(broker.store)
    controller = ReplicaController(MetadataWriter(rival, broker.images), broker.images)
    ids = {name: topic.topic_id for name, topic in broker.image.topics.items()}
    elected = PartitionRecord((OTHER, NODE_ID), (OTHER, NODE_ID), OTHER, 7)
    rival.moves = [
        [
            Put(partition_key(ids["a"], 0), encode_partition(elected)),
            Delete(topic_key("b")),
            DeletePrefix(partitions_prefix(ids["b"])),
        ]
    ]
    plans: dict[tuple[str, int], PartitionPlan] = {("a", 0): ELECT, ("a", 1): to(NODE_ID), ("b", 0): to(NODE_ID)}
    assert codes(await controller.change(plans, timeout_ms=30_000)) == {
        ("a", 0): "ELECTION_NOT_NEEDED",
        ("b", 0): "UNKNOWN_TOPIC_OR_PARTITION",
    }
    assert state(broker, "a", 0) == ((OTHER, NODE_ID), OTHER, 7)
    assert state(broker, "a", 1) == ((NODE_ID,), NODE_ID, 1)


@pytest.mark.parametrize("timeout_ms", [0, -1])
async def test_a_request_without_time_begins_nothing(broker: MetadataBroker, timeout_ms: int) -> None:
    with pytest.raises(KafkaError) as raised:
        await broker.replicas.change({("a", 0): to(NODE_ID)}, timeout_ms=timeout_ms)
    assert raised.value.code == ErrorCode.REQUEST_TIMED_OUT
    assert state(broker, "a", 0) == ((NODE_ID, OTHER), NODE_ID, 0)
    assert await broker.replicas.change({}, timeout_ms=timeout_ms) == {}
