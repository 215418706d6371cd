"""Departures in what is said of topics, and of settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.errors import ErrorCode

from ..compare import Difference
from ..script import Call, Value
from .conditions import (
    asks,
    both,
    codes,
    either,
    every,
    kafka_fails,
    kafka_is_silent,
    kafka_lacks,
    key_at,
    ottla_lacks,
    under,
)
from .departure import FAILURE, HANDLERS, SILENCE, Condition, Departure, always

if TYPE_CHECKING:
    from ..run import Exchange

_TOPIC, _BROKER, _LOGGER, _METRICS, _GROUP = 2, 4, 8, 16, 32
_DESCRIBE_CONFIGS: Final = f"{HANDLERS}/describe_configs.py"
_CONFIGURATION: Final = "docs/CONFIGURATION.md"

_OWN_VALUES: Final = (
    "advertised.listeners",
    "broker.id",
    "controller.listener.names",
    "group.initial.rebalance.delay.ms",
    "listeners",
    "log.dir",
    "log.dirs",
    "node.id",
    "process.roles",
    "socket.listen.backlog.size",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
)


def _is_nobody(topic: Value) -> bool:
    """Whether a topic of a Metadata request has neither a name nor an id."""
    topic_id = topic.get("topic_id", b"")
    return topic.get("name", "") is None and not isinstance(topic_id, Call) and not any(topic_id)


def _names_collide(exchange: Exchange, difference: Difference) -> bool:
    """Whether the request has two names that metrics would not tell apart."""
    names = {topic.get("name") or "" for topic in exchange.step.fields["topics"]}
    return len({name.replace(".", "_") for name in names}) < len(names)


def _setting_of(*resource_types: int) -> Condition:
    """The difference is in a setting of a resource of one of these types."""
    return lambda exchange, difference: (
        difference.fields[:2] == ("results", "configs")
        and int(key_at(0, difference).partition(" ")[0]) in resource_types
    )


def _items(text: Value) -> list[str]:
    """What a setting says, without blanks, capitals and repetitions."""
    return list(dict.fromkeys(item.strip().lower() for item in str(text).split(",")))


def _has_own_value(exchange: object, difference: Difference) -> bool:
    return key_at(1, difference) in _OWN_VALUES


TOPICS: Final = (
    Departure(
        "names that collide in one request",
        ("CreateTopics", "Metadata"),
        both(under("topics"), _names_collide),
        "broker/core/controller/topic_creation.py",
        "names that collide are refused within one request too (Kafka looks only at the topics there are)",
        "Metrics cannot tell such topics apart.",
        ends=always,
    ),
    Departure(
        "topics are made before they are shown",
        ("Metadata",),
        both(
            under("topics"),
            lambda exchange, difference: exchange.step.fields.get("allow_auto_topic_creation", True) is True,
        ),
        f"{HANDLERS}/metadata.py",
        "Kafka answers UNKNOWN_TOPIC_OR_PARTITION at first",
        "Every client that meets a new topic would wait for its back-off.",
    ),
    Departure(
        "neither a name nor an id",
        ("Metadata",),
        asks("topics", lambda topics: any(map(_is_nobody, topics or []))),
        f"{HANDLERS}/metadata.py",
        "A topic without a name and an id is an INVALID_REQUEST",
        FAILURE,
    ),
    Departure(
        "a topic without a name",
        ("DescribeTopicPartitions",),
        both(kafka_fails, asks("topics", lambda topics: "" in every(topics, "name"))),
        f"{HANDLERS}/describe_topic_partitions.py",
        "for an empty one Kafka fails the whole request",
        "One bad name is no reason to say nothing of the others.",
    ),
    Departure(
        "internal topics stay",
        ("DeleteTopics",),
        either(
            codes(0, ErrorCode.INVALID_TOPIC_EXCEPTION),
            lambda exchange, difference: "Cannot delete internal topic" in str(exchange.ottla.answer),
        ),
        f"{HANDLERS}/delete_topics.py",
        "An internal topic stays: INVALID_TOPIC_EXCEPTION",
        "With it all groups would lose their offsets.",
        ends=always,
    ),
    Departure(
        "the groups' topic stays compacted",
        ("AlterConfigs", "IncrementalAlterConfigs"),
        lambda exchange, difference: "stays cleanup.policy=compact" in str(exchange.ottla.answer),
        "broker/core/controller/configs.py",
        "an internal topic stays compacted",
        "Retention would delete the offsets of groups that still read.",
        ends=always,
    ),
    Departure(
        "what was set on brokers is not quoted",
        ("CreateTopics",),
        both(
            under("topics", "configs", "value"),
            lambda exchange, difference: _items(difference.kafka) == _items(difference.ottla),
        ),
        f"{HANDLERS}/create_topics.py",
        "For all else it shows what holds, where Kafka quotes what was set on brokers, too",
        "DescribeConfigs says the same.",
    ),
    Departure(
        "operations that there are not",
        ("IncrementalAlterConfigs",),
        both(kafka_fails, asks("config_operation", lambda operation: operation not in range(4))),
        f"{HANDLERS}/incremental_alter_configs.py",
        "An operation that there is not is an INVALID_REQUEST",
        FAILURE,
        ends=lambda exchange: len(exchange.step.fields["resources"]) > 1,
    ),
    Departure(
        "resources that are named twice",
        ("AlterConfigs", "IncrementalAlterConfigs"),
        kafka_is_silent,
        f"{HANDLERS}/alter_configs.py",
        "a resource that is named twice is refused; Kafka 4.3 never answers such a request",
        SILENCE,
    ),
    Departure(
        "properties that nothing obeys",
        ("DescribeConfigs",),
        both(_setting_of(_BROKER), ottla_lacks),
        _DESCRIBE_CONFIGS,
        "A broker tells of itself alone: of every property that something obeys",
        "A property that changes nothing is better not shown.",
    ),
    Departure(
        "properties of its own",
        ("DescribeConfigs",),
        both(
            _setting_of(_BROKER),
            kafka_lacks,
            lambda exchange, difference: key_at(1, difference).startswith("ottla."),
        ),
        _CONFIGURATION,
        "names that begin with `ottla.` are Ottla's",
        "Some things can be configured that Kafka does not have.",
    ),
    Departure(
        "defaults and values of its own",
        ("DescribeConfigs",),
        both(_setting_of(_BROKER), _has_own_value),
        _CONFIGURATION,
        "defaults are those of Apache Kafka 4.3 unless the text gives Kafka's own",
        "Addresses, directories and roles are those of each broker, and some defaults are better otherwise.",
    ),
    Departure(
        "all synonyms of a topic's settings",
        ("DescribeConfigs",),
        both(_setting_of(_TOPIC), under("results", "configs", "synonyms")),
        _DESCRIBE_CONFIGS,
        "a topic setting shows every broker property that is its default",
        "Otherwise nobody can tell where the value comes from.",
    ),
    Departure(
        "documentation in words of its own",
        ("DescribeConfigs",),
        under("results", "configs", "documentation"),
        _DESCRIBE_CONFIGS,
        "documentation is in words of its own",
        "Kafka's sentences are Kafka's, and not all of them are true here.",
    ),
    Departure(
        "loggers have Ottla's names",
        ("DescribeConfigs",),
        _setting_of(_LOGGER),
        _DESCRIBE_CONFIGS,
        "The loggers are those of this program",
        "They are those of another program.",
    ),
    Departure(
        "groups and client metrics have no settings",
        ("DescribeConfigs", "AlterConfigs", "IncrementalAlterConfigs"),
        lambda exchange, difference: key_at(0, difference).partition(" ")[0] in (str(_METRICS), str(_GROUP)),
        _DESCRIBE_CONFIGS,
        "Groups and client metrics have no settings here, and none are listed",
        "Nothing stands behind them.",
        ends=lambda exchange: exchange.step.api != "DescribeConfigs" and not exchange.step.fields.get("validate_only"),
    ),
)
