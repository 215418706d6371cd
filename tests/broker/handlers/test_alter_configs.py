"""AlterConfigs and IncrementalAlterConfigs over all versions; the rules are tested with broker.core.controller."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from broker.core.controller.configs import ConfigOperation, ConfigResourceType
from broker.core.controller.topic_creation import NewTopic
from broker.loggers import logger_levels
from broker.security.acl import CLUSTER_NAME, AclOperation, ResourceType
from protocol.errors import ErrorCode
from protocol.messages import alter_configs, incremental_alter_configs
from tests.support.metadata_broker import Granting, MetadataBroker

TOPIC, BROKER, LOGGER, METRICS, GROUP = ConfigResourceType
SET, DELETE, APPEND, SUBTRACT = ConfigOperation


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[MetadataBroker]:
    broker = await MetadataBroker(tmp_path).start()
    topic = NewTopic("orders", configs=[("retention.ms", "1"), ("segment.ms", "2")])
    await broker.topics.create([topic], may_create=lambda name: True, timeout_ms=30_000)
    yield broker
    await broker.stop()


async def replace(
    broker: MetadataBroker, version: int, resource_type: int, name: str, texts: Mapping[str, str | None], **fields: Any
) -> tuple[int, str | None]:
    resource = alter_configs.AlterConfigsResource(
        resource_type=resource_type,
        resource_name=name,
        configs=[alter_configs.AlterableConfig(name=key, value=text) for key, text in texts.items()],
    )
    response = await broker.ask("alter_configs", version, resources=[resource], **{"validate_only": False, **fields})
    assert response.throttle_time_ms == 0
    [answer] = response.responses
    assert (answer.resource_type, answer.resource_name) == (resource_type, name)
    return answer.error_code, answer.error_message


async def change(
    broker: MetadataBroker,
    version: int,
    resource_type: int,
    name: str,
    *changes: tuple[str, int, str | None],
    validate_only: bool = False,
) -> tuple[int, str | None]:
    resource = incremental_alter_configs.AlterConfigsResource(
        resource_type=resource_type,
        resource_name=name,
        configs=[
            incremental_alter_configs.AlterableConfig(name=key, config_operation=operation, value=text)
            for key, operation, text in changes
        ],
    )
    response = await broker.ask("incremental_alter_configs", version, resources=[resource], validate_only=validate_only)
    assert response.throttle_time_ms == 0
    [answer] = response.responses
    assert (answer.resource_type, answer.resource_name) == (resource_type, name)
    return answer.error_code, answer.error_message


@pytest.mark.parametrize("version", [0, 1, 2])
async def test_all_settings_are_replaced(broker: MetadataBroker, version: int) -> None:
    texts = {"retention.ms": "5", "flush.ms": "6"}
    assert await replace(broker, version, TOPIC, "orders", texts, validate_only=True) == (ErrorCode.NONE, None)
    assert broker.image.topics["orders"].configs == {"retention.ms": "1", "segment.ms": "2"}
    assert await replace(broker, version, TOPIC, "orders", texts) == (ErrorCode.NONE, None)
    assert broker.image.topics["orders"].configs == texts
    code, message = await replace(broker, version, TOPIC, "orders", {"retention.ms": None})
    assert (code, message) == (ErrorCode.INVALID_REQUEST, "Null value not supported for : retention.ms")
    assert broker.image.topics["orders"].configs == texts
    assert await replace(broker, version, BROKER, "", {"message.max.bytes": "7"}) == (ErrorCode.NONE, None)
    assert broker.config.int("message.max.bytes") == 7
    code, message = await replace(broker, version, LOGGER, "1", {"root": "INFO"})
    assert (code, message) == (ErrorCode.INVALID_REQUEST, "Unknown resource type 8")


@pytest.mark.parametrize("version", [0, 1])
async def test_some_settings_are_changed(broker: MetadataBroker, version: int) -> None:
    changes = [("retention.ms", DELETE, None), ("cleanup.policy", APPEND, "compact"), ("flush.ms", SET, "6")]
    wanted = {"segment.ms": "2", "cleanup.policy": "delete,compact", "flush.ms": "6"}
    assert await change(broker, version, TOPIC, "orders", *changes, validate_only=True) == (ErrorCode.NONE, None)
    assert broker.image.topics["orders"].configs == {"retention.ms": "1", "segment.ms": "2"}
    assert await change(broker, version, TOPIC, "orders", *changes) == (ErrorCode.NONE, None)
    assert broker.image.topics["orders"].configs == wanted
    code, message = await change(broker, version, TOPIC, "orders", ("segment.ms", SUBTRACT, "2"))
    assert code == ErrorCode.INVALID_CONFIG
    assert message == "Can't SUBTRACT to key segment.ms because its type is not LIST."
    assert broker.image.topics["orders"].configs == wanted


@pytest.mark.parametrize("version", [0, 1])
async def test_levels_of_loggers_are_changed(broker: MetadataBroker, version: int) -> None:
    name = "broker.metadata.writer"
    before = logger_levels()[name]
    assert await change(broker, version, LOGGER, "1", (name, SET, "TRACE")) == (ErrorCode.NONE, None)
    assert logger_levels()[name] == "TRACE"
    assert await change(broker, version, LOGGER, "1", (name, DELETE, None)) == (ErrorCode.NONE, None)
    assert logger_levels()[name] == before


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "Node id must be an integer, but it is: "),
        ("x", "Node id must be an integer, but it is: x"),
        ("2", "Unexpected node id. Expected 1, but received 2"),
    ],
)
async def test_loggers_of_other_brokers(broker: MetadataBroker, name: str, sentence: str) -> None:
    assert await change(broker, 1, LOGGER, name) == (ErrorCode.INVALID_REQUEST, sentence)


@pytest.mark.parametrize("resource_type", [GROUP, METRICS])
async def test_nothing_stands_behind_settings_of_groups_and_client_metrics(
    broker: MetadataBroker, resource_type: int
) -> None:
    # Kafka takes them.
    for version in (0, 1):
        code, message = await change(broker, version, resource_type, "x", ("interval.ms", SET, "1000"))
        assert code == ErrorCode.INVALID_REQUEST and message
    for version in (0, 1, 2):
        code, message = await replace(broker, version, resource_type, "x", {})
        assert code == ErrorCode.INVALID_REQUEST and message


@pytest.mark.parametrize(
    ("resource_type", "right", "code"),
    [
        (TOPIC, (ResourceType.TOPIC, "1"), ErrorCode.TOPIC_AUTHORIZATION_FAILED),
        (BROKER, (ResourceType.CLUSTER, CLUSTER_NAME), ErrorCode.CLUSTER_AUTHORIZATION_FAILED),
        (LOGGER, (ResourceType.CLUSTER, CLUSTER_NAME), ErrorCode.CLUSTER_AUTHORIZATION_FAILED),
        (METRICS, (ResourceType.CLUSTER, CLUSTER_NAME), ErrorCode.CLUSTER_AUTHORIZATION_FAILED),
        (GROUP, (ResourceType.GROUP, "1"), ErrorCode.GROUP_AUTHORIZATION_FAILED),
    ],
)
async def test_who_may_change_what(
    broker: MetadataBroker, resource_type: int, right: tuple[ResourceType, str], code: ErrorCode
) -> None:
    for granted, refused in ((AclOperation.DESCRIBE_CONFIGS, True), (AclOperation.ALTER_CONFIGS, False)):
        broker.authorizer = Granting((granted, *right))
        assert ((await change(broker, 1, resource_type, "1"))[0] == code) == refused
        if resource_type != LOGGER:
            assert ((await replace(broker, 2, resource_type, "1", {}))[0] == code) == refused


async def test_an_answer_for_each_resource_in_the_order_of_the_request(broker: MetadataBroker) -> None:
    names = ["nope", "orders", "nor this", "orders"]
    resources = [
        alter_configs.AlterConfigsResource(resource_type=TOPIC, resource_name=name, configs=[]) for name in names
    ]
    response = await broker.ask("alter_configs", 2, resources=resources, validate_only=False)
    assert [(answer.resource_name, answer.error_code) for answer in response.responses] == [
        ("nope", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("orders", ErrorCode.INVALID_REQUEST),
        ("nor this", ErrorCode.INVALID_TOPIC_EXCEPTION),
        ("orders", ErrorCode.INVALID_REQUEST),
    ]
    assert broker.image.topics["orders"].configs
    assert (await broker.ask("alter_configs", 2, resources=[], validate_only=False)).responses == []
