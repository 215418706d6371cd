"""The APIs of settings, in any of their versions. Those of brokers are only tried: the one under test may be shared."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from kio.schema.errors import ErrorCode

from tests.support.records_over_the_wire import describe
from tests.support.under_test import foreign_address, settled
from tests.support.wire import WireClient, milliseconds

NOWHERE = "no-such-topic"
TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = range(4)
DYNAMIC_TOPIC_CONFIG, STATIC_BROKER_CONFIG, DEFAULT_CONFIG, LOGGER_CONFIG = 1, 4, 5, 6
LONG, LIST = 5, 7


def _node_id(wire: WireClient) -> str:
    return str(describe(wire).controller_id)


def _describe(wire: WireClient, version: int, kind: int, name: str, *keys: str, **fields: Any) -> Any:
    resource = {"resource_type": kind, "resource_name": name, "configuration_keys": list(keys) or None}
    answer = wire.ask("DescribeConfigs", version, resources=[resource], **fields)
    assert milliseconds(answer.throttle_time) == 0
    (result,) = answer.results
    assert (result.resource_type, result.resource_name) == (kind, name)
    return result


def _overrides(wire: WireClient, topic: str) -> dict[str, str]:
    configs = _describe(wire, 4, TOPIC, topic).configs
    return {each.name: each.value for each in configs if each.config_source == DYNAMIC_TOPIC_CONFIG}


def describe_configs(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    resource = {"resource_type": TOPIC, "resource_name": topic.name}
    changes = [{"name": "cleanup.policy", "config_operation": APPEND, "value": "compact"}]
    wire.ask("IncrementalAlterConfigs", 1, resources=[{**resource, "configs": changes}])
    assert settled(lambda: _overrides(wire, topic.name) == {"cleanup.policy": "delete,compact"}, "the policy is known")

    result = _describe(
        wire,
        version,
        TOPIC,
        topic.name,
        "cleanup.policy",
        "no.such.setting",
        include_synonyms=True,
        include_documentation=True,
    )
    assert (result.error_code, result.error_message) == (ErrorCode.none, "")
    (entry,) = result.configs
    assert (entry.name, entry.value) == ("cleanup.policy", "delete,compact")
    assert (entry.read_only, entry.is_sensitive, entry.config_source) == (False, False, DYNAMIC_TOPIC_CONFIG)
    assert [(each.name, each.value, each.source) for each in entry.synonyms] == [
        ("cleanup.policy", "delete,compact", DYNAMIC_TOPIC_CONFIG),
        ("log.cleanup.policy", "delete", DEFAULT_CONFIG),
    ]
    if version >= 3:
        assert entry.config_type == LIST
        assert len(entry.documentation) > 20

    result = _describe(wire, version, TOPIC, topic.name)
    assert len(result.configs) == 33
    assert all(each.synonyms == () for each in result.configs)

    node_id = _node_id(wire)
    result = _describe(wire, version, BROKER, node_id, "node.id", "log.cleanup.policy", "log.roll.ms")
    told = {each.name: (each.value, each.read_only, each.config_source) for each in result.configs}
    assert told.pop("node.id") == (node_id, True, _source_of_node_id(node_id))
    assert told == {
        "log.cleanup.policy": ("delete", False, DEFAULT_CONFIG),
        "log.roll.ms": (None, False, DEFAULT_CONFIG),
    }
    assert _describe(wire, version, BROKER, "", "node.id").configs == ()

    (entry,) = _describe(wire, version, BROKER_LOGGER, node_id, "root").configs
    assert entry.value in ("FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE")
    assert (entry.read_only, entry.config_source) == (False, LOGGER_CONFIG)

    for kind, name, code in (
        (TOPIC, NOWHERE, ErrorCode.unknown_topic_or_partition),
        (TOPIC, "a b", ErrorCode.invalid_topic_exception),
        (BROKER, "77777", ErrorCode.invalid_request),
        (BROKER_LOGGER, "", ErrorCode.invalid_request),
        (3, "x", ErrorCode.invalid_request),
    ):
        refused = _describe(wire, version, kind, name)
        assert (refused.error_code, refused.configs) == (code, ())


def _source_of_node_id(node_id: str) -> int:
    """Ottla need not be told its node id, Kafka must be."""
    return DEFAULT_CONFIG if foreign_address() is None and node_id == "0" else STATIC_BROKER_CONFIG


def alter_configs(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    def ask(kind: int, name: str, *, validate_only: bool = False, **texts: str | None) -> ErrorCode:
        configs = [{"name": key.replace("_", "."), "value": text} for key, text in texts.items()]
        resource = {"resource_type": kind, "resource_name": name, "configs": configs}
        answer = wire.ask("AlterConfigs", version, resources=[resource], validate_only=validate_only)
        return _code(answer, kind, name)

    assert ask(TOPIC, topic.name, retention_ms="1000", segment_ms="2000") == ErrorCode.none
    both = {"retention.ms": "1000", "segment.ms": "2000"}
    assert settled(lambda: _overrides(wire, topic.name) == both, "the settings are known")
    assert ask(TOPIC, topic.name, validate_only=True) == ErrorCode.none
    assert ask(TOPIC, topic.name, retention_ms="x") == ErrorCode.invalid_config
    assert ask(TOPIC, topic.name, retention_ms=None) == ErrorCode.invalid_request
    assert _overrides(wire, topic.name) == both
    assert ask(TOPIC, topic.name, flush_ms="3000") == ErrorCode.none
    assert settled(lambda: _overrides(wire, topic.name) == {"flush.ms": "3000"}, "the others are gone")
    assert ask(TOPIC, NOWHERE, flush_ms="3000") == ErrorCode.unknown_topic_or_partition
    node_id = _node_id(wire)
    assert ask(BROKER, node_id, validate_only=True, message_max_bytes="x") == ErrorCode.invalid_request
    assert ask(BROKER, node_id, validate_only=True, num_partitions="3") == ErrorCode.invalid_request
    assert ask(BROKER, node_id, validate_only=True, message_max_bytes="1000") == ErrorCode.none
    assert ask(BROKER_LOGGER, node_id, root="INFO") == ErrorCode.invalid_request


def incremental_alter_configs(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    def ask(kind: int, name: str, *changes: tuple[str, int, str | None], validate_only: bool = False) -> ErrorCode:
        configs = [{"name": key, "config_operation": operation, "value": text} for key, operation, text in changes]
        resource = {"resource_type": kind, "resource_name": name, "configs": configs}
        answer = wire.ask("IncrementalAlterConfigs", version, resources=[resource], validate_only=validate_only)
        return _code(answer, kind, name)

    assert ask(TOPIC, topic.name, ("retention.ms", SET, "1000"), ("segment.ms", SET, "2000")) == ErrorCode.none
    both = {"retention.ms": "1000", "segment.ms": "2000"}
    assert settled(lambda: _overrides(wire, topic.name) == both, "the settings are known")
    assert ask(TOPIC, topic.name, ("segment.ms", DELETE, None), validate_only=True) == ErrorCode.none
    assert ask(TOPIC, topic.name, ("segment.ms", APPEND, "1")) == ErrorCode.invalid_config
    assert ask(TOPIC, topic.name, ("segment.ms", SET, None)) == ErrorCode.invalid_request
    assert ask(TOPIC, topic.name, ("segment.ms", SET, "1"), ("segment.ms", SET, "1")) == ErrorCode.invalid_request
    assert _overrides(wire, topic.name) == both
    assert (
        ask(TOPIC, topic.name, ("segment.ms", DELETE, None), ("cleanup.policy", SUBTRACT, "delete")) == ErrorCode.none
    )
    wanted = {"retention.ms": "1000", "cleanup.policy": ""}
    assert settled(lambda: _overrides(wire, topic.name) == wanted, "one is gone and one is new")
    assert ask(TOPIC, NOWHERE, ("segment.ms", DELETE, None)) == ErrorCode.unknown_topic_or_partition
    node_id = _node_id(wire)
    assert ask(BROKER, node_id, ("message.max.bytes", SET, "1000"), validate_only=True) == ErrorCode.none
    assert ask(BROKER, "", ("message.max.bytes", SET, "1000"), validate_only=True) == ErrorCode.none
    assert ask(BROKER, "", ("listeners", SET, "PLAINTEXT://:1"), validate_only=True) == ErrorCode.invalid_request
    assert ask(BROKER, "77777", ("message.max.bytes", SET, "1000"), validate_only=True) == ErrorCode.invalid_request
    assert ask(BROKER_LOGGER, node_id, ("root", SET, "INFO"), validate_only=True) == ErrorCode.none
    assert ask(BROKER_LOGGER, node_id, ("root", DELETE, None), validate_only=True) == ErrorCode.invalid_request
    assert ask(BROKER_LOGGER, node_id, ("nobody", SET, "INFO"), validate_only=True) == ErrorCode.invalid_config


def _code(answer: Any, kind: int, name: str) -> ErrorCode:
    assert milliseconds(answer.throttle_time) == 0
    (response,) = answer.responses
    assert (response.resource_type, response.resource_name) == (kind, name)
    assert (response.error_message is None) == (response.error_code == ErrorCode.none)
    code: ErrorCode = response.error_code
    return code


def list_config_resources(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    def ask(*types: int) -> set[tuple[int, str]]:
        answer = wire.ask("ListConfigResources", version, resource_types=list(types))
        assert milliseconds(answer.throttle_time) == 0
        assert answer.error_code == ErrorCode.none
        kinds = [getattr(each, "resource_type", CLIENT_METRICS) for each in answer.config_resources]
        return set(zip(kinds, [each.resource_name for each in answer.config_resources], strict=True))

    if version == 0:
        assert ask() == set()
        return
    node_id = _node_id(wire)
    settled_topic = (TOPIC, topic.name)
    assert {settled_topic, (BROKER, node_id), (BROKER_LOGGER, node_id)} <= ask()
    assert ask(BROKER) == {(BROKER, node_id)}
    assert settled_topic in ask(TOPIC, GROUP)
    assert ask(CLIENT_METRICS) == set()
    assert wire.ask("ListConfigResources", version, resource_types=[3]).error_code == ErrorCode.unsupported_version
