"""DescribeConfigs over all its versions; codes and sentences are those of a Kafka 4.3 broker unless a test says so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from broker.config import BROKER_PROPERTIES
from broker.config_types import ConfigSource
from broker.core.controller.configs import ConfigResourceType
from broker.core.controller.topic_creation import NewTopic
from broker.metadata.keys import broker_configs_key
from broker.metadata.records import encode_configs
from broker.metadata.store import Put
from broker.security.acl import CLUSTER_NAME, AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages.describe_configs import DescribeConfigsResource
from tests.support.metadata_broker import NODE_ID, Granting, MetadataBroker

TOPIC, BROKER, LOGGER, METRICS, GROUP = ConfigResourceType
VERSIONS = range(1, 5)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MetadataBroker]:
    broker = await MetadataBroker(tmp_path, {"message.max.bytes": "4"}).start()
    topic = NewTopic("orders", configs=[("max.message.bytes", "1")])
    await broker.topics.create([topic], may_create=lambda name: True, timeout_ms=30_000)
    await broker.write(
        Put(broker_configs_key(None), encode_configs({"message.max.bytes": "3", "some.password": "x"})),
        Put(broker_configs_key(NODE_ID), encode_configs({"message.max.bytes": "2"})),
    )
    yield broker
    await broker.stop()


def resource(resource_type: int, name: str, keys: Sequence[str] | None = None) -> DescribeConfigsResource:
    return DescribeConfigsResource(
        resource_type=resource_type, resource_name=name, configuration_keys=None if keys is None else list(keys)
    )


async def describe(broker: MetadataBroker, version: int, *resources: DescribeConfigsResource, **fields: Any) -> Any:
    response = await broker.ask("describe_configs", version, resources=list(resources), **fields)
    assert response.throttle_time_ms == 0
    assert [(each.resource_type, each.resource_name) for each in response.results] == [
        (each.resource_type, each.resource_name) for each in resources
    ]
    return response.results


async def refusal(broker: MetadataBroker, resource_type: int, name: str) -> tuple[int, str | None]:
    [result] = await describe(broker, 4, resource(resource_type, name))
    assert result.configs == []
    return result.error_code, result.error_message


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_topic(broker: MetadataBroker, version: int) -> None:
    documented = {"include_documentation": True} if version >= 3 else {}
    asked = resource(TOPIC, "orders", ["max.message.bytes", "nope"])
    [result] = await describe(broker, version, asked, include_synonyms=True, **documented)
    assert (result.error_code, result.error_message) == (ErrorCode.NONE, "")
    [entry] = result.configs
    assert (entry.name, entry.value, entry.read_only, entry.is_sensitive) == ("max.message.bytes", "1", False, False)
    assert entry.config_source == ConfigSource.TOPIC_CONFIG
    assert [(each.name, each.value, each.source) for each in entry.synonyms] == [
        ("max.message.bytes", "1", 1),
        ("message.max.bytes", "2", 2),
        ("message.max.bytes", "3", 3),
        ("message.max.bytes", "4", 4),
        ("message.max.bytes", "1048588", 5),
    ]
    if version >= 3:
        assert entry.config_type == 3
        assert entry.documentation.startswith("Largest record batch in bytes")


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_was_not_asked_for_is_left_out(broker: MetadataBroker, version: int) -> None:
    [result] = await describe(broker, version, resource(TOPIC, "orders"))
    assert len(result.configs) == 33
    assert all(entry.synonyms == [] and not entry.documentation for entry in result.configs)


@pytest.mark.parametrize("keys", [None, []])
async def test_null_and_an_empty_list_ask_for_all(broker: MetadataBroker, keys: list[str] | None) -> None:
    results = await describe(broker, 4, resource(TOPIC, "orders", keys), resource(BROKER, "1", keys))
    assert [len(result.configs) for result in results] == [33, len(BROKER_PROPERTIES) + 1]


@pytest.mark.parametrize("name", ["1", "01", "+1"])
async def test_a_broker(broker: MetadataBroker, name: str) -> None:
    asked = resource(BROKER, name, ["message.max.bytes", "node.id", "some.password", "log.roll.ms"])
    [result] = await describe(broker, 4, asked, include_synonyms=True)
    entries = {entry.name: entry for entry in result.configs}
    told = {
        entry.name: (entry.value, entry.config_source, entry.read_only, entry.is_sensitive, entry.config_type)
        for entry in result.configs
    }
    assert told == {
        "message.max.bytes": ("2", 2, False, False, 3),
        "node.id": ("1", 4, True, False, 3),
        "some.password": (None, 3, True, True, 0),
        "log.roll.ms": (None, 5, False, False, 5),
    }
    assert [(each.value, each.source) for each in entries["message.max.bytes"].synonyms] == [
        ("2", 2),
        ("3", 3),
        ("4", 4),
        ("1048588", 5),
    ]


async def test_what_is_set_for_all_brokers(broker: MetadataBroker) -> None:
    [result] = await describe(broker, 4, resource(BROKER, ""), include_synonyms=True)
    assert [(entry.name, entry.value, entry.config_source, len(entry.synonyms)) for entry in result.configs] == [
        ("message.max.bytes", "3", 3, 1),
        ("some.password", None, 3, 1),
    ]
    [result] = await describe(broker, 4, resource(BROKER, "", ["log.roll.ms"]))
    assert (result.error_code, result.configs) == (ErrorCode.NONE, [])


async def test_loggers(broker: MetadataBroker) -> None:
    [result] = await describe(broker, 4, resource(LOGGER, "1", ["root", "broker.topics", "nope"]))
    assert [entry.name for entry in result.configs] == ["broker.topics", "root"]
    for entry in result.configs:
        assert entry.value in ("FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE")
        assert (entry.config_source, entry.config_type, entry.read_only, entry.is_sensitive) == (6, 0, False, False)


@pytest.mark.parametrize("resource_type", [METRICS, GROUP])
async def test_groups_and_client_metrics_have_no_settings(broker: MetadataBroker, resource_type: int) -> None:
    # Kafka lists the defaults of theirs.
    [result] = await describe(broker, 4, resource(resource_type, "x"))
    assert (result.error_code, result.configs) == (ErrorCode.NONE, [])


@pytest.mark.parametrize(
    ("resource_type", "name", "code", "sentence"),
    [
        (TOPIC, "nope", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "The topic 'nope' does not exist."),
        (
            TOPIC,
            "",
            ErrorCode.INVALID_TOPIC_EXCEPTION,
            "Topic name is invalid: the empty string is not allowed",
        ),
        (BROKER, "2", ErrorCode.INVALID_REQUEST, "Unexpected broker id, expected 1 or empty string, but received 2"),
        (BROKER, "x", ErrorCode.INVALID_REQUEST, "Broker id must be an integer, but it is: x"),
        (LOGGER, "2", ErrorCode.INVALID_REQUEST, "Unexpected broker id, expected 1 but received 2"),
        (LOGGER, "x", ErrorCode.INVALID_REQUEST, "Broker id must be an integer, but it is: x"),
        (LOGGER, "", ErrorCode.INVALID_REQUEST, "Broker id must not be empty"),
        (GROUP, "", ErrorCode.INVALID_REQUEST, "Group name must not be empty"),
        (METRICS, "", ErrorCode.INVALID_REQUEST, "Client metrics subscription name must not be empty"),
    ],
)
async def test_resources_that_there_are_not(
    broker: MetadataBroker, resource_type: int, name: str, code: ErrorCode, sentence: str
) -> None:
    assert await refusal(broker, resource_type, name) == (code, sentence)


@pytest.mark.parametrize("resource_type", [-1, 0, 3, 64])
async def test_an_unknown_type_refuses_the_whole(broker: MetadataBroker, resource_type: int) -> None:
    results = await describe(broker, 4, resource(TOPIC, "orders"), resource(resource_type, "x"))
    assert [(result.error_code, result.configs) for result in results] == [(ErrorCode.INVALID_REQUEST, [])] * 2


async def test_a_resource_may_be_named_twice(broker: MetadataBroker) -> None:
    first, second = await describe(broker, 4, *[resource(TOPIC, "orders", ["retention.ms"])] * 2)
    assert first == second
    assert len(first.configs) == 1


@pytest.mark.parametrize("version", VERSIONS)
async def test_who_may_see_what(broker: MetadataBroker, version: int) -> None:
    resources = [resource(kind, "1") for kind in ConfigResourceType] + [resource(BROKER, ""), resource(TOPIC, "orders")]
    topic, group, cluster = (
        ErrorCode.TOPIC_AUTHORIZATION_FAILED,
        ErrorCode.GROUP_AUTHORIZATION_FAILED,
        ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    )
    denied = [topic, cluster, cluster, cluster, group, cluster, topic]
    broker.authorizer = Granting()
    results = await describe(broker, version, *resources)
    assert [result.error_code for result in results] == denied
    assert [result.error_message for result in results][:2] == [
        "Topic authorization failed.",
        "Cluster authorization failed.",
    ]
    for right, codes in {
        (ResourceType.CLUSTER, CLUSTER_NAME): [topic, 0, 0, 0, group, 0, topic],
        (ResourceType.TOPIC, "orders"): [topic, cluster, cluster, cluster, group, cluster, 0],
        (ResourceType.GROUP, "1"): [topic, cluster, cluster, cluster, 0, cluster, topic],
    }.items():
        broker.authorizer = Granting((AclOperation.DESCRIBE_CONFIGS, *right))
        assert [result.error_code for result in await describe(broker, version, *resources)] == codes
