"""CreatePartitions over all its versions; the rules themselves are tested with the controller."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from broker.core.controller.topic_creation import NewTopic
from broker.security.acl import AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.create_partitions import CreatePartitionsAssignment, CreatePartitionsTopic
from tests.support.metadata_broker import NODE_ID, Granting, MetadataBroker

VERSIONS = range(4)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MetadataBroker]:
    broker = await MetadataBroker(tmp_path).start()
    topics = [NewTopic(name, 2, 1) for name in ("a", "b", "c")]
    await broker.topics.create(topics, may_create=lambda name: True, timeout_ms=30_000)
    yield broker
    await broker.stop()


async def grow(
    broker: MetadataBroker,
    version: int,
    *topics: tuple[str, int] | tuple[str, int, Sequence[Sequence[int]]],
    timeout_ms: int = 30_000,
    validate_only: bool = False,
) -> list[tuple[str, str, str | None]]:
    response = await broker.ask(
        "create_partitions",
        version,
        topics=[
            CreatePartitionsTopic(
                name=name,
                count=count,
                assignments=[CreatePartitionsAssignment(broker_ids=list(ids)) for ids in given[0]] if given else None,
            )
            for name, count, *given in topics
        ],
        timeout_ms=timeout_ms,
        validate_only=validate_only,
    )
    assert response.throttle_time_ms == 0
    return [(r.name, ErrorCode(r.error_code).name, r.error_message) for r in response.results]


def counts(broker: MetadataBroker) -> dict[str, int]:
    return {name: len(topic.partitions) for name, topic in broker.image.topics.items()}


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_topic_has_an_answer_of_its_own(broker: MetadataBroker, version: int) -> None:
    unknown = "This server does not host this topic-partition."
    assert await grow(broker, version, ("a", 3), ("nope", 3), ("b", 3), ("c", 2), ("b", 4)) == [
        ("a", "NONE", None),
        ("nope", "UNKNOWN_TOPIC_OR_PARTITION", unknown),
        ("b", "INVALID_REQUEST", "Duplicate topic name."),
        ("c", "INVALID_PARTITIONS", "Topic already has 2 partition(s)."),
    ]
    assert counts(broker) == {"a": 3, "b": 2, "c": 2}


@pytest.mark.parametrize("version", VERSIONS)
async def test_assignments_name_the_replicas(broker: MetadataBroker, version: int) -> None:
    await broker.add_brokers(7)
    assert await grow(broker, version, ("a", 4, [[7], [NODE_ID]])) == [("a", "NONE", None)]
    assert [partition.leader for partition in broker.image.topics["a"].partitions[2:]] == [7, NODE_ID]
    # An empty list is no null: it lacks what it should name.
    [(_, code, message)] = await grow(broker, version, ("a", 5, []))
    assert (code, message) == (
        "INVALID_REPLICA_ASSIGNMENT",
        "Attempted to add 1 additional partition(s), but only 0 assignment(s) were specified.",
    )


@pytest.mark.parametrize("version", VERSIONS)
async def test_validation_answers_alike_and_changes_nothing(broker: MetadataBroker, version: int) -> None:
    validated = await grow(broker, version, ("a", 3), ("b", 1), validate_only=True)
    assert counts(broker) == {"a": 2, "b": 2, "c": 2}
    assert await grow(broker, version, ("a", 3), ("b", 1)) == validated
    assert [code for _, code, _ in validated] == ["NONE", "INVALID_PARTITIONS"]


async def test_nothing_is_grown_without_time_for_it(broker: MetadataBroker) -> None:
    answers = await grow(broker, 3, ("a", 3), ("nope", 3), ("a", 4), timeout_ms=0)
    assert [(name, code) for name, code, _ in answers] == [("a", "REQUEST_TIMED_OUT"), ("nope", "REQUEST_TIMED_OUT")]
    assert counts(broker)["a"] == 2
    assert await grow(broker, 3) == []


async def test_it_takes_alter_on_the_topic(broker: MetadataBroker) -> None:
    broker.authorizer = Granting((AclOperation.ALTER, ResourceType.TOPIC, "a"))
    answers = await grow(broker, 3, ("a", 3), ("b", 3), ("nope", 3))
    assert [(name, code) for name, code, _ in answers] == [
        ("a", "NONE"),
        ("b", "TOPIC_AUTHORIZATION_FAILED"),
        ("nope", "TOPIC_AUTHORIZATION_FAILED"),
    ]


async def test_a_store_that_fails_is_an_error_of_every_topic(broker: MetadataBroker) -> None:
    await broker.store.close()
    answers: list[Any] = await grow(broker, 3, ("a", 3), ("b", 3))
    assert [code for _, code, _ in answers] == ["KAFKA_STORAGE_ERROR"] * 2
