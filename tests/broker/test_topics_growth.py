"""Adding partitions, carried out; the rules are tested by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.core.controller.partition_growth import GrowingTopic
from broker.core.controller.topic_creation import NewTopic
from broker.metadata.image import PartitionImage
from broker.metadata.keys import partition_key, topic_key
from broker.metadata.records import PartitionRecord, TopicRecord, encode_partition, encode_topic
from broker.metadata.store import Delete, Put
from broker.metadata.writer import MetadataWriter
from broker.topics import TopicController
from protocol.errors import ErrorCode, KafkaError
from tests.support.metadata_broker import NODE_ID, MetadataBroker
from tests.support.rival_store import RivalStore

ID = b"i" * 16


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MetadataBroker]:
    broker = await MetadataBroker(tmp_path).start()
    topics = [NewTopic(name, 1, 1, configs=[("segment.ms", "9")]) for name in ("a", "b", "c")]
    await broker.topics.create(topics, may_create=lambda name: True, timeout_ms=30_000)
    yield broker
    await broker.stop()


async def grow(
    controller: TopicController, count: int, *names: str, timeout_ms: int = 30_000, validate_only: bool = False
) -> dict[str, str]:
    topics = [GrowingTopic(name, count) for name in names]
    results = await controller.grow(
        topics, may_alter=lambda name: True, timeout_ms=timeout_ms, validate_only=validate_only
    )
    return {name: r.code.name if isinstance(r, KafkaError) else str(len(r.assignment)) for name, r in results.items()}


def counts(broker: MetadataBroker) -> dict[str, int]:
    return {name: len(topic.partitions) for name, topic in broker.image.topics.items()}


async def test_partitions_are_in_the_image_when_they_are_answered(broker: MetadataBroker) -> None:
    before = broker.image.topics
    revision = broker.image.revision
    assert await grow(broker.topics, 3, "a", "nope", "b") == {
        "a": "3",
        "nope": "UNKNOWN_TOPIC_OR_PARTITION",
        "b": "3",
    }
    assert counts(broker) == {"a": 3, "b": 3, "c": 1}
    assert broker.image.revision == revision + 1
    after = broker.image.topics["a"]
    assert (after.topic_id, after.configs) == (before["a"].topic_id, before["a"].configs)
    assert after.partitions == (PartitionImage((NODE_ID,), (NODE_ID,), NODE_ID, 0),) * 3


async def test_the_state_of_the_old_partitions_stays(broker: MetadataBroker) -> None:
    topic_id = broker.image.topics["a"].topic_id
    state = PartitionRecord((NODE_ID, 7), (7,), 7, 5)
    await broker.write(Put(partition_key(topic_id, 0), encode_partition(state)))
    await broker.add_brokers(7)
    assert await grow(broker.topics, 2, "a") == {"a": "2"}
    for image in (broker.image, await broker.images.load()):
        assert image.topics["a"].partitions[0][:4] == state
        assert len(image.topics["a"].partitions[1].replicas) == 2


async def test_validation_writes_nothing(broker: MetadataBroker) -> None:
    revision = broker.image.revision
    assert await grow(broker.topics, 3, "a", "nope", validate_only=True) == {
        "a": "3",
        "nope": "UNKNOWN_TOPIC_OR_PARTITION",
    }
    assert (await broker.store.range("")).revision == revision


async def test_requests_at_the_same_time_grow_a_topic_once(broker: MetadataBroker) -> None:
    answers = await asyncio.gather(*(grow(broker.topics, 5, "a") for _ in range(8)))
    assert sorted(answer["a"] for answer in answers) == ["5"] + ["INVALID_PARTITIONS"] * 7
    assert counts(broker)["a"] == 5


async def test_a_long_request_is_written_in_several_transactions(broker: MetadataBroker) -> None:
    names = [f"t{number}" for number in range(10)]
    topics = [NewTopic(name, 1, 1) for name in names]
    await broker.topics.create(topics, may_create=lambda name: True, timeout_ms=30_000)
    rival = RivalStore(broker.store)
    controller = TopicController(broker.config, MetadataWriter(rival, broker.images), broker.images)
    assert set((await grow(controller, 2, *names)).values()) == {"2"}
    assert rival.sizes == [4, 4, 2]


async def test_what_another_broker_was_faster_with_is_planned_again(broker: MetadataBroker) -> None:
    rival = RivalStore(broker.store)
    controller = TopicController(broker.config, MetadataWriter(rival, broker.images), broker.images)
    grown = TopicRecord(broker.image.topics["a"].topic_id, {"segment.ms": "10"}, ((NODE_ID,),) * 2)
    rival.moves = [[Put(topic_key("a"), encode_topic(grown)), Delete(topic_key("b"))]]
    assert await grow(controller, 3, "a", "b", "c") == {"a": "3", "b": "UNKNOWN_TOPIC_OR_PARTITION", "c": "3"}
    assert broker.image.topics["a"].configs == {"segment.ms": "10"}
    rival.moves = [[Put(topic_key("c"), encode_topic(TopicRecord(ID, {}, ((NODE_ID,),) * 4)))]]
    assert await grow(controller, 4, "c") == {"c": "INVALID_PARTITIONS"}
    assert broker.image.topics["c"].topic_id == ID


@pytest.mark.parametrize("timeout_ms", [0, -1])
async def test_a_request_without_time_begins_nothing(broker: MetadataBroker, timeout_ms: int) -> None:
    with pytest.raises(KafkaError) as raised:
        await grow(broker.topics, 3, "a", timeout_ms=timeout_ms)
    assert raised.value.code == ErrorCode.REQUEST_TIMED_OUT
    assert counts(broker)["a"] == 1
