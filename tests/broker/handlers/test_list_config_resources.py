"""ListConfigResources over its versions; codes are those of a Kafka 4.3 broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.core.controller.topic_creation import NewTopic
from broker.security.acl import CLUSTER_NAME, AclOperation, ResourceType
from protocol.errors import ErrorCode
from tests.support.metadata_broker import Granting, MetadataBroker


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MetadataBroker]:
    broker = await MetadataBroker(tmp_path).start()
    await broker.add_brokers(2)
    topics = [NewTopic("b"), NewTopic("a")]
    await broker.topics.create(topics, may_create=lambda name: True, timeout_ms=30_000)
    yield broker
    await broker.stop()


async def listed(broker: MetadataBroker, *types: int) -> tuple[int, list[tuple[int, str]]]:
    response = await broker.ask("list_config_resources", 1, resource_types=list(types))
    assert response.throttle_time_ms == 0
    return response.error_code, [(each.resource_type, each.resource_name) for each in response.config_resources]


async def test_everything_that_has_settings(broker: MetadataBroker) -> None:
    topics, brokers, loggers = [(2, "a"), (2, "b")], [(4, "1"), (4, "2")], [(8, "1"), (8, "2")]
    assert await listed(broker) == (ErrorCode.NONE, topics + brokers + loggers)
    assert await listed(broker, 2) == (ErrorCode.NONE, topics)
    assert await listed(broker, 8, 4, 8) == (ErrorCode.NONE, brokers + loggers)
    assert await listed(broker, 16, 32) == (ErrorCode.NONE, [])


@pytest.mark.parametrize("unknown", [-1, 0, 3, 64])
async def test_types_that_there_are_not(broker: MetadataBroker, unknown: int) -> None:
    assert await listed(broker, 2, unknown) == (ErrorCode.UNSUPPORTED_VERSION, [])


async def test_version_0_is_about_client_metrics_alone(broker: MetadataBroker) -> None:
    response = await broker.ask("list_config_resources", 0)
    assert (response.error_code, response.config_resources) == (ErrorCode.NONE, [])


async def test_it_takes_the_right_to_describe_the_settings_of_the_cluster(broker: MetadataBroker) -> None:
    broker.authorizer = Granting((AclOperation.DESCRIBE, ResourceType.CLUSTER, CLUSTER_NAME))
    for version in (0, 1):
        response = await broker.ask("list_config_resources", version)
        assert (response.error_code, response.config_resources) == (ErrorCode.CLUSTER_AUTHORIZATION_FAILED, [])
    broker.authorizer = Granting((AclOperation.DESCRIBE_CONFIGS, ResourceType.CLUSTER, CLUSTER_NAME))
    assert (await listed(broker, 2))[0] == ErrorCode.NONE
