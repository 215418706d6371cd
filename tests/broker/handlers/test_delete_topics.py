"""DeleteTopics over all its versions; the rules themselves are tested with the topic controller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker.security.acl import AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.create_topics import CreatableTopic
from protocol.messages.delete_topics import DeleteTopicState
from protocol.schema import ZERO_UUID
from tests.support.metadata_broker import Granting, MetadataBroker

VERSIONS = range(1, 7)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MetadataBroker]:
    broker = await MetadataBroker(tmp_path).start()
    topics = [CreatableTopic(name=name, num_partitions=2, replication_factor=1) for name in ("a", "b", "c")]
    await broker.ask("create_topics", 7, topics=topics)
    yield broker
    await broker.stop()


async def delete(broker: MetadataBroker, version: int, *topics: str | bytes, timeout_ms: int = 30_000) -> list[Any]:
    fields: dict[str, Any] = {"topic_names": list(topics)}
    if version >= 6:
        fields = {
            "topics": [
                DeleteTopicState(topic_id=topic) if isinstance(topic, bytes) else DeleteTopicState(name=topic)
                for topic in topics
            ]
        }
    response = await broker.ask("delete_topics", version, timeout_ms=timeout_ms, **fields)
    assert response.throttle_time_ms == 0
    return list(response.responses)


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_topic_has_an_answer_of_its_own(broker: MetadataBroker, version: int) -> None:
    topic_id = broker.image.topics["a"].topic_id
    answers = await delete(broker, version, "a", "nope", "b", "b")
    assert [(answer.name, ErrorCode(answer.error_code).name) for answer in answers] == [
        ("a", "NONE"),
        ("nope", "UNKNOWN_TOPIC_OR_PARTITION"),
        ("b", "INVALID_REQUEST"),
    ]
    assert set(broker.image.topics) == {"b", "c"}
    assert [answer.topic_id for answer in answers] == [topic_id if version >= 6 else ZERO_UUID, ZERO_UUID, ZERO_UUID]
    messages = [None, "This server does not host this topic-partition.", "Duplicate topic name."]
    assert [answer.error_message for answer in answers] == (messages if version >= 5 else [None] * 3)


async def test_topics_are_deleted_by_id(broker: MetadataBroker) -> None:
    known, unknown = broker.image.topics["a"].topic_id, b"x" * 16
    answers = await delete(broker, 6, known, unknown, ZERO_UUID)
    assert [(answer.name, answer.topic_id, answer.error_code) for answer in answers] == [
        ("a", known, ErrorCode.NONE),
        (None, unknown, ErrorCode.UNKNOWN_TOPIC_ID),
        (None, ZERO_UUID, ErrorCode.INVALID_REQUEST),
    ]
    assert set(broker.image.topics) == {"b", "c"}


async def test_nothing_is_deleted_without_time_for_it(broker: MetadataBroker) -> None:
    answers = await delete(broker, 6, "a", timeout_ms=0)
    assert [(answer.name, answer.error_code) for answer in answers] == [("a", ErrorCode.REQUEST_TIMED_OUT)]
    assert "a" in broker.image.topics
    assert await delete(broker, 6) == []


@pytest.mark.parametrize("version", VERSIONS)
async def test_deletion_can_be_forbidden_altogether(tmp_path: Path, version: int) -> None:
    broker = MetadataBroker(tmp_path, {"delete.topic.enable": "false"})
    answers = await delete(broker, version, "a", "nope")
    code = ErrorCode.TOPIC_DELETION_DISABLED if version >= 3 else ErrorCode.INVALID_REQUEST
    assert [(answer.name, answer.error_code) for answer in answers] == [("a", code), ("nope", code)]


async def test_it_takes_delete_on_the_topic(broker: MetadataBroker) -> None:
    ids = {name: topic.topic_id for name, topic in broker.image.topics.items()}
    broker.authorizer = Granting(
        (AclOperation.DESCRIBE, ResourceType.TOPIC, "a"),
        (AclOperation.DELETE, ResourceType.TOPIC, "a"),
        (AclOperation.DESCRIBE, ResourceType.TOPIC, "b"),
        (AclOperation.DESCRIBE, ResourceType.TOPIC, "nope"),
    )
    denied = ErrorCode.TOPIC_AUTHORIZATION_FAILED
    answers = await delete(broker, 6, "b", "c", "nope", "hidden", ids["b"], ids["c"])
    assert [(answer.name, answer.topic_id, answer.error_code) for answer in answers] == [
        ("b", ZERO_UUID, denied),
        ("c", ZERO_UUID, denied),
        ("nope", ZERO_UUID, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("hidden", ZERO_UUID, denied),
        ("b", ids["b"], denied),
        (None, ids["c"], denied),
    ]
    assert [answer.error_code for answer in await delete(broker, 6, "a")] == [ErrorCode.NONE]
    assert set(broker.image.topics) == {"b", "c"}
