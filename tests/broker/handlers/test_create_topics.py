"""CreateTopics over all its versions; the rules themselves are tested with the topic controller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from broker.security.acl import CLUSTER_NAME, AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.create_topics import CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig
from protocol.schema import ZERO_UUID
from tests.support.metadata_broker import Granting, MetadataBroker

VERSIONS = range(2, 8)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MetadataBroker]:
    broker = await MetadataBroker(tmp_path, {"num.partitions": "3"}).start()
    yield broker
    await broker.stop()


def topic(
    name: str,
    partitions: int = -1,
    factor: int = -1,
    assignments: dict[int, list[int]] | None = None,
    **configs: str | None,
) -> CreatableTopic:
    return CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=factor,
        assignments=[
            CreatableReplicaAssignment(partition_index=index, broker_ids=replicas)
            for index, replicas in (assignments or {}).items()
        ],
        configs=[CreatableTopicConfig(name=name.replace("_", "."), value=value) for name, value in configs.items()],
    )


async def create(broker: MetadataBroker, version: int, *topics: CreatableTopic, **fields: Any) -> list[Any]:
    response = await broker.ask("create_topics", version, topics=list(topics), **fields)
    assert response.throttle_time_ms == 0
    return list(response.topics)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_topic_that_was_answered_is_there(broker: MetadataBroker, version: int) -> None:
    [plain, manual] = await create(
        broker,
        version,
        topic("plain", retention_ms="1000", cleanup_policy="compact"),
        topic("manual", assignments={0: [1], 1: [1]}),
    )
    made = broker.image.topics["plain"]
    assert (plain.name, plain.error_code, plain.error_message) == ("plain", ErrorCode.NONE, None)
    assert (len(made.partitions), made.configs) == (3, {"retention.ms": "1000", "cleanup.policy": "compact"})
    assert plain.topic_id == (made.topic_id if version >= 7 else ZERO_UUID)
    assert len(broker.image.topics["manual"].partitions) == 2
    if version >= 5:
        assert (plain.num_partitions, plain.replication_factor) == (3, 1)
        assert (manual.num_partitions, manual.replication_factor) == (2, 1)


async def test_what_was_set_is_shown_as_it_came(broker: MetadataBroker) -> None:
    [made] = await create(broker, 5, topic("made", preallocate="TRUE", retention_bytes=" 1024 "))
    shown = {entry.name: entry.value for entry in made.configs}
    assert (shown["preallocate"], shown["retention.bytes"]) == ("TRUE", " 1024 ")


@pytest.mark.parametrize("version", range(5, 8))
async def test_all_effective_settings_are_shown(broker: MetadataBroker, version: int) -> None:
    [plain, other, same] = await create(
        broker, version, topic("plain"), topic("other", retention_ms="1000"), topic("same", retention_ms="1000")
    )
    shown = {entry.name: (entry.value, entry.config_source) for entry in plain.configs}
    assert list(shown) == sorted(shown)
    assert len(shown) == 33  # as many as a Kafka 4.3.1 shows
    assert shown["cleanup.policy"] == ("delete", 5)
    assert {entry.name: entry.config_source for entry in other.configs}["retention.ms"] == 1
    assert other.configs == same.configs != plain.configs
    assert not any(entry.is_sensitive or entry.read_only for entry in plain.configs)


@pytest.mark.parametrize("version", VERSIONS)
async def test_validation_makes_nothing(broker: MetadataBroker, version: int) -> None:
    await create(broker, version, topic("there"))
    revision = broker.image.revision
    answers = await create(broker, version, topic("a", 2, 1), topic("there"), topic("b", 0), validate_only=True)
    assert [answer.error_code for answer in answers] == [
        ErrorCode.NONE,
        ErrorCode.TOPIC_ALREADY_EXISTS,
        ErrorCode.INVALID_PARTITIONS,
    ]
    if version >= 5:
        assert answers[0].num_partitions == 2 and len(answers[0].configs) == 33
    assert broker.image.revision == revision and "a" not in broker.image.topics


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_topic_has_an_error_of_its_own(broker: MetadataBroker, version: int) -> None:
    answers = await create(
        broker,
        version,
        topic("good"),
        topic("bad name"),
        topic("twice"),
        topic("factor", 1, 2),
        topic("twice"),
        topic("manual", assignments={0: [7]}),
        topic("setting", retention_ms="x"),
        topic("null", retention_ms=None),
        topic("unknown", bogus="1"),
    )
    assert {answer.name: ErrorCode(answer.error_code).name for answer in answers} == {
        "good": "NONE",
        "bad name": "INVALID_TOPIC_EXCEPTION",
        "twice": "INVALID_REQUEST",
        "factor": "INVALID_REPLICATION_FACTOR",
        "manual": "INVALID_REPLICA_ASSIGNMENT",
        "setting": "INVALID_CONFIG",
        "null": "INVALID_CONFIG",
        "unknown": "INVALID_CONFIG",
    }
    for answer in answers:
        assert (answer.error_message is None) == (answer.error_code == ErrorCode.NONE)
        if answer.error_code != ErrorCode.NONE:
            assert (answer.num_partitions, answer.replication_factor) == (-1, -1)
            assert answer.configs == []  # a null makes the Java client fail
    assert set(broker.image.topics) == {"good"}


async def test_nothing_is_made_without_time_for_it(broker: MetadataBroker) -> None:
    [answer] = await create(broker, 7, topic("a"), timeout_ms=0)
    assert answer.error_code == ErrorCode.REQUEST_TIMED_OUT
    assert not broker.image.topics


async def test_a_request_may_ask_for_nothing(broker: MetadataBroker) -> None:
    assert await create(broker, 7) == []


async def test_a_request_may_ask_for_a_lot(broker: MetadataBroker) -> None:
    answers = await create(broker, 7, *(topic(f"t{number}", 2) for number in range(2_000)))
    assert {answer.error_code for answer in answers} == {0}
    assert len(broker.image.topics) == 2_000
    assert (await broker.store.range("")).revision == 2


async def test_it_takes_create_on_the_cluster_or_the_topic(broker: MetadataBroker) -> None:
    broker.authorizer = Granting((AclOperation.CREATE, ResourceType.TOPIC, "mine"))
    [mine, other] = await create(broker, 7, topic("mine"), topic("other"))
    assert (mine.error_code, other.error_code) == (ErrorCode.NONE, ErrorCode.TOPIC_AUTHORIZATION_FAILED)
    broker.authorizer = Granting((AclOperation.CREATE, ResourceType.CLUSTER, CLUSTER_NAME))
    [other] = await create(broker, 7, topic("other"))
    assert other.error_code == ErrorCode.NONE


@pytest.mark.parametrize("version", VERSIONS)
async def test_settings_are_shown_to_who_may_see_them(broker: MetadataBroker, version: int) -> None:
    rights = (AclOperation.CREATE, ResourceType.TOPIC, "*")
    broker.authorizer = Granting(rights, (AclOperation.DESCRIBE_CONFIGS, ResourceType.TOPIC, "seen"))
    [seen, unseen] = await create(broker, version, topic("seen"), topic("unseen"))
    assert seen.error_code == unseen.error_code == ErrorCode.NONE
    if version >= 5:
        assert (seen.topic_config_error_code, seen.num_partitions, len(seen.configs)) == (0, 3, 33)
        hidden = (unseen.topic_config_error_code, unseen.num_partitions, unseen.replication_factor, unseen.configs)
        assert hidden == (ErrorCode.TOPIC_AUTHORIZATION_FAILED, -1, -1, [])
