"""Configs, to admin clients."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from tests.clients.setting import Setting, feature
from tests.support.admin_over_the_wire import (
    BROKER,
    BROKER_LOGGER,
    DEFAULT_CONFIG,
    DYNAMIC_BROKER_CONFIG,
    DYNAMIC_DEFAULT_BROKER_CONFIG,
    DYNAMIC_TOPIC_CONFIG,
    TOPIC,
    Config,
    describe_configs,
    node_id,
    overrides,
)
from tests.support.records_over_the_wire import produce
from tests.support.under_test import settled

UNKNOWN_TOPIC_OR_PARTITION = 3
INVALID_TOPIC_EXCEPTION = 17
INVALID_CONFIG = 40
INVALID_REQUEST = 42

BROKER_KEY = "message.max.bytes"
BROKER_VALUE = "1048589"
"""Hardly another than the default, so that no other test notices."""


@feature("describe a topic's configs")
def describe_topic(setting: Setting) -> None:
    topic = setting.make_topic(cleanup_policy="compact,delete", max_message_bytes="2000")
    seen = _described(setting, "topic", topic)
    assert seen == describe_configs(setting.wire, TOPIC, topic)
    assert {key: each.value for key, each in seen.items() if each.source == DYNAMIC_TOPIC_CONFIG} == {
        "cleanup.policy": "compact,delete",
        "max.message.bytes": "2000",
    }
    assert seen["retention.ms"] == Config("604800000", DEFAULT_CONFIG, False, False, seen["retention.ms"].synonyms)
    assert {key: each.value for key, each in _described(setting, "topic", topic, ["segment.bytes"]).items()} == {
        "segment.bytes": "1073741824"
    }


@feature("describe the broker's configs")
def describe_broker(setting: Setting) -> None:
    node = str(node_id(setting.wire))
    seen = _described(setting, "broker", node)
    assert seen == describe_configs(setting.wire, BROKER, node)
    assert seen["node.id"].value == node
    assert seen["node.id"].read_only
    assert not seen[BROKER_KEY].read_only
    assert "message.max.bytes" in _described(setting, "topic", setting.make_topic())["max.message.bytes"].synonyms


@feature("configs of an unknown topic are an error")
def describe_unknown(setting: Setting) -> None:
    setting.refused(UNKNOWN_TOPIC_OR_PARTITION, "describe_configs", kind="TOPIC", name=setting.topic_name())


@feature("replace a topic's configs")
def replace(setting: Setting) -> None:
    topic, other = setting.make_topic(max_message_bytes="2000"), setting.make_topic(segment_ms="50000000")
    wanted = {"max.message.bytes": "3000", "segment.ms": "60000000"}
    setting.ask("replace_configs", resources=[["TOPIC", topic, wanted]])
    setting.ask("replace_configs", resources=[["TOPIC", other, {}]])
    _assert_altered(setting, [topic], wanted)
    _assert_altered(setting, [other], {})


@feature("alter a topic's configs one by one")
def alter(setting: Setting) -> None:
    topic = setting.make_topic(max_message_bytes="2000", retention_ms="100000000", cleanup_policy="delete")
    changes = [
        ["max.message.bytes", "delete", None],
        ["segment.ms", "set", "50000000"],
        ["cleanup.policy", "append", "compact"],
    ]
    setting.ask("alter_configs", resources=[["TOPIC", topic, changes]], validate_only=True)
    assert "segment.ms" not in overrides(setting.wire, topic)
    setting.ask("alter_configs", resources=[["TOPIC", topic, changes]])
    expected = {"retention.ms": "100000000", "segment.ms": "50000000", "cleanup.policy": "delete,compact"}
    assert settled(lambda: overrides(setting.wire, topic) == expected, "the configs are altered")
    setting.ask("alter_configs", resources=[["TOPIC", topic, [["cleanup.policy", "subtract", "delete"]]]])
    assert settled(lambda: overrides(setting.wire, topic)["cleanup.policy"] == "compact", "one is taken out")


@feature("reset a topic's configs")
def reset(setting: Setting) -> None:
    topic = setting.make_topic(max_message_bytes="2000", retention_ms="100000000", segment_ms="50000000")
    setting.ask("reset_configs", kind="TOPIC", name=topic, keys=["retention.ms"])
    expected = {"max.message.bytes": "2000", "segment.ms": "50000000"}
    assert settled(lambda: overrides(setting.wire, topic) == expected, "the config is reset")
    setting.ask("reset_configs", kind="TOPIC", name=topic)
    assert settled(lambda: overrides(setting.wire, topic) == {}, "all configs are reset")


@feature("an altered config is in force at once")
def in_force(setting: Setting) -> None:
    topic = setting.make_topic()
    setting.ask("produce", topic=topic, records=[{"value": "x" * 5000}])
    setting.ask("replace_configs", resources=[["TOPIC", topic, {"max.message.bytes": "2000"}]])
    assert settled(lambda: overrides(setting.wire, topic), "the config is altered")
    setting.refused(10, "produce", topic=topic, records=[{"value": "x" * 5000}])
    produce(setting.wire, topic, b"small")


@feature("a bad config is refused, the others are altered")
def refuse(setting: Setting) -> None:
    good = {"segment.ms": "50000000"}
    for code, bad in (
        (INVALID_CONFIG, {"retention.ms": "long"}),
        (INVALID_CONFIG, {"retention.ms": "-2"}),
        (INVALID_CONFIG, {"cleanup.policy": "shred"}),
        (INVALID_CONFIG, {"retention.hours": "1"}),
        (INVALID_CONFIG, {"segment.ms": "40000000", "min.insync.replicas": "0"}),
    ):
        first, topic, last = (setting.make_topic() for _ in range(3))
        resources = [["TOPIC", first, good], ["TOPIC", topic, bad], ["TOPIC", last, good]]
        setting.refused(code, "replace_configs", resources=resources)
        _assert_altered(setting, [first, last], good)
        assert overrides(setting.wire, topic) == {}, bad
    first, last = setting.make_topic(), setting.make_topic()
    for code, name in ((UNKNOWN_TOPIC_OR_PARTITION, setting.topic_name()), (INVALID_TOPIC_EXCEPTION, "no!")):
        resources = [["TOPIC", first, good], ["TOPIC", name, good], ["TOPIC", last, good]]
        setting.refused(code, "replace_configs", resources=resources)
        _assert_altered(setting, [first, last], good)


@feature("a bad change of a config is refused, the others are made")
def refuse_changes(setting: Setting) -> None:
    good = [["segment.ms", "set", "50000000"]]
    for code, bad in (
        (INVALID_CONFIG, [["retention.ms", "set", "long"]]),
        (INVALID_CONFIG, [["retention.ms", "append", "1"]]),
        (INVALID_CONFIG, [["retention.hours", "set", "1"]]),
        (INVALID_CONFIG, [["segment.ms", "set", "40000000"], ["min.insync.replicas", "set", "0"]]),
    ):
        first, topic, last = (setting.make_topic() for _ in range(3))
        resources = [["TOPIC", first, good], ["TOPIC", topic, bad], ["TOPIC", last, good]]
        setting.refused(code, "alter_configs", resources=resources)
        _assert_altered(setting, [first, last], {"segment.ms": "50000000"})
        assert overrides(setting.wire, topic) == {}, bad


@feature("configs of a topic named twice are refused, the others are altered")
def refuse_duplicates(setting: Setting) -> None:
    first, twice, last = (setting.make_topic() for _ in range(3))
    changes = [["segment.ms", "set", "50000000"]]
    resources = [["TOPIC", name, changes] for name in (first, twice, twice, last)]
    setting.refused(INVALID_REQUEST, "alter_configs", resources=resources)
    _assert_altered(setting, [first, last], {"segment.ms": "50000000"})
    assert overrides(setting.wire, twice) == {}


@feature("alter the broker's configs")
def alter_broker(setting: Setting) -> None:
    node = str(node_id(setting.wire))
    with _restored(setting, node, BROKER_KEY):
        setting.ask("alter_broker", name=node, configs={BROKER_KEY: BROKER_VALUE})
        _assert_broker_has(setting, BROKER_VALUE, DYNAMIC_BROKER_CONFIG)
        inherited = _described(setting, "topic", setting.make_topic())["max.message.bytes"]
        assert (inherited.value, inherited.source) == (BROKER_VALUE, DYNAMIC_BROKER_CONFIG)
        for bad in ({"node.id": "77"}, {BROKER_KEY: "many"}):
            setting.refused(INVALID_REQUEST, "alter_broker", name=node, configs=bad)
        setting.ask("alter_broker", name=node, configs={})
        _assert_broker_has(setting, "1048588", DEFAULT_CONFIG)


@feature("alter the configs of all brokers")
def alter_all_brokers(setting: Setting) -> None:
    # Kafka keeps a default of min.insync.replicas for all brokers since KIP-966, and wants to have it named.
    with _restored(setting, "", BROKER_KEY, "min.insync.replicas"):
        setting.ask("alter_broker", name="", configs={BROKER_KEY: BROKER_VALUE, "min.insync.replicas": "1"})
        _assert_broker_has(setting, BROKER_VALUE, DYNAMIC_DEFAULT_BROKER_CONFIG)
    _assert_broker_has(setting, "1048588", DEFAULT_CONFIG)


@feature("levels of the broker's loggers")
def loggers(setting: Setting) -> None:
    node = str(node_id(setting.wire))
    seen = _described(setting, "broker_logger", node)
    assert seen == describe_configs(setting.wire, BROKER_LOGGER, node)
    logger = max(seen.keys() - {"root"})
    setting.ask("alter_configs", resources=[["BROKER_LOGGER", node, [[logger, "set", "FATAL"]]]])
    assert describe_configs(setting.wire, BROKER_LOGGER, node)[logger].value == "FATAL"
    setting.ask("alter_configs", resources=[["BROKER_LOGGER", node, [[logger, "delete", None]]]])
    assert describe_configs(setting.wire, BROKER_LOGGER, node) == seen
    for bad in ([logger, "set", "LOUD"], ["no.such.logger", "set", "INFO"]):
        setting.refused(INVALID_CONFIG, "alter_configs", resources=[["BROKER_LOGGER", node, [bad]]])


@feature("list what has configs")
def list_resources(setting: Setting) -> None:
    topic = setting.make_topic(retention_ms="100000000")
    listed = setting.ask("list_config_resources")
    assert topic in listed["topic"]
    assert str(node_id(setting.wire)) in listed["broker"]
    assert set(setting.ask("list_config_resources", kinds=["TOPIC"])) == {"topic"}


def _described(setting: Setting, kind: str, name: str, keys: Sequence[str] | None = None) -> dict[str, Config]:
    seen = setting.ask("describe_configs", kind=kind.upper(), name=name, keys=keys)
    return {
        key: Config(value, source, read_only, sensitive, tuple(synonyms))
        for key, (value, source, read_only, sensitive, synonyms) in seen.items()
    }


def _assert_altered(setting: Setting, topics: Sequence[str], configs: dict[str, str]) -> None:
    assert settled(
        lambda: all(overrides(setting.wire, topic) == configs for topic in topics), f"{topics} have {configs}"
    )


def _assert_broker_has(setting: Setting, value: str, source: int) -> None:
    def is_so() -> bool:
        found = describe_configs(setting.wire, BROKER, str(node_id(setting.wire)))[BROKER_KEY]
        return (found.value, found.source) == (value, source)

    assert settled(is_so, f"{BROKER_KEY} is {value}, source {source}")


@contextlib.contextmanager
def _restored(setting: Setting, broker: str, *keys: str) -> Iterator[None]:
    """Reset configs of a broker at the end, all that can be, whatever happens to the test."""
    try:
        yield
    finally:
        for key in keys:
            changes = [{"name": key, "config_operation": 1, "value": None}]
            resource = {"resource_type": BROKER, "resource_name": broker, "configs": changes}
            setting.wire.ask("IncrementalAlterConfigs", 1, resources=[resource], validate_only=False)
