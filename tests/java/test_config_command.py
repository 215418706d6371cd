"""Kafka's ConfigCommand shows and changes what topics, brokers and loggers are set to; the wire tells what it did."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from tests.support.admin_over_the_wire import (
    BROKER,
    BROKER_LOGGER,
    DYNAMIC_BROKER_CONFIG,
    DYNAMIC_DEFAULT_BROKER_CONFIG,
    TOPIC,
    describe_configs,
    node_id,
    overrides,
    set_config,
)
from tests.support.groups_over_the_wire import commit
from tests.support.java import FETCH_TIMEOUT_S
from tests.support.under_test import settled
from tests.support.wire import WireClient

from .tool import Tool, at_once

INTERVAL = "log.index.interval.bytes"
"""A property that can be changed, and that nobody feels."""

INTERVAL_BYTES = "4096"
"""Its default."""

_SETTING = re.compile(
    r"  (?P<name>\S+)=(?P<value>.*) sensitive=(?P<sensitive>true|false) synonyms=\{(?P<synonyms>.*)\}"
)

pytestmark = pytest.mark.timeout(FETCH_TIMEOUT_S)


class Shown(NamedTuple):
    """What the tool prints of a setting."""

    value: str
    sensitive: bool
    synonyms: str


class Command(Tool):
    """The tool, and the table that it prints."""

    def describe(self, *arguments: str) -> dict[str, Shown]:
        """Run it with `--describe` and return the settings, by their names."""
        head, *lines = self("--describe", *arguments).splitlines()
        assert head.endswith(" are:"), head
        found = [match for line in lines if (match := _SETTING.fullmatch(line))]
        assert len(found) == len(lines), lines
        return {each["name"]: Shown(each["value"], each["sensitive"] == "true", each["synonyms"]) for each in found}


@pytest.fixture
def command(bootstrap: str) -> Command:
    return Command("kafka.admin.ConfigCommand", bootstrap)


@pytest.fixture
def node(wire: WireClient) -> Iterator[str]:
    """The broker's id; what tests have set of it is taken back, since others use the broker, too."""
    node = str(node_id(wire))
    yield node
    for name in (node, ""):
        set_config(wire, BROKER, name, INTERVAL, None)


def test_describe_a_topic(command: Command, wire: WireClient, make_topic: Callable[..., str]) -> None:
    name = make_topic(cleanup_policy="compact,delete", max_message_bytes="1000")
    topic = ("--entity-type", "topics", "--entity-name", name)
    own, everything = at_once(command.describe, topic, (*topic, "--all"))
    assert own == {
        "cleanup.policy": Shown(
            "compact,delete",
            False,
            "DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete, DEFAULT_CONFIG:log.cleanup.policy=delete",
        ),
        "max.message.bytes": Shown(
            "1000", False, "DYNAMIC_TOPIC_CONFIG:max.message.bytes=1000, DEFAULT_CONFIG:message.max.bytes=1048588"
        ),
    }
    _assert_same(everything, wire, TOPIC, name)
    assert everything["index.interval.bytes"] == Shown("4096", False, f"DEFAULT_CONFIG:{INTERVAL}={INTERVAL_BYTES}")
    assert everything["leader.replication.throttled.replicas"] == Shown("", False, "")


def test_describe_all_topics(command: Command, make_topic: Callable[..., str]) -> None:
    plain, special = make_topic(), make_topic(max_message_bytes="1000")
    printed = command("--entity-type", "topics", "--describe").splitlines()
    assert f"Dynamic configs for topic {plain} are:" in printed
    below = printed[printed.index(f"Dynamic configs for topic {special} are:") + 1]
    synonyms = "DYNAMIC_TOPIC_CONFIG:max.message.bytes=1000, DEFAULT_CONFIG:message.max.bytes=1048588"
    assert below == f"  max.message.bytes=1000 sensitive=false synonyms={{{synonyms}}}"


def test_alter_a_topic(command: Command, wire: WireClient, make_topic: Callable[..., str]) -> None:
    name = make_topic(retention_ms="60000", max_message_bytes="1000")
    topic = ("--entity-type", "topics", "--entity-name", name, "--alter")
    added = ("--add-config", "segment.ms=7200000,cleanup.policy=[compact,delete]", "--delete-config", "retention.ms")
    assert command(*topic, *added) == f"Completed updating config for topic {name}.\n"
    expected = {"segment.ms": "7200000", "cleanup.policy": "compact,delete", "max.message.bytes": "1000"}
    assert settled(lambda: overrides(wire, name) == expected, "the topic is changed")

    unknown, invalid, refused, absent = at_once(
        command.refused,
        (*topic, "--add-config", "nonsense=1,segment.ms=1"),
        (*topic, "--add-config", "segment.ms=soon,max.message.bytes=1"),
        (*topic, "--add-config", "min.insync.replicas=0"),
        (*topic[:-2], f"no-{name}", "--alter", "--add-config", "segment.ms=1"),
    )
    assert "InvalidConfigurationException: Unknown topic config name: nonsense\n" in unknown
    complaint = "Invalid value soon for configuration segment.ms: Not a number of type LONG\n"
    assert f"InvalidConfigurationException: {complaint}" in invalid
    assert "Invalid value 0 for configuration min.insync.replicas: Value must be at least 1\n" in refused
    assert f"UnknownTopicOrPartitionException: The topic 'no-{name}' does not exist.\n" in absent
    assert overrides(wire, name) == expected

    # What is not there can be deleted.
    assert command(*topic, "--delete-config", "segment.ms,retention.ms") == (
        f"Completed updating config for topic {name}.\n"
    )
    del expected["segment.ms"]
    assert settled(lambda: overrides(wire, name) == expected, "the topic is changed")


def test_describe_a_broker(command: Command, wire: WireClient, node: str) -> None:
    everything = command.describe("--entity-type", "brokers", "--entity-name", node, "--all")
    _assert_same(everything, wire, BROKER, node)
    assert everything[INTERVAL] == Shown(INTERVAL_BYTES, False, f"DEFAULT_CONFIG:{INTERVAL}={INTERVAL_BYTES}")
    assert everything["listeners"].synonyms.startswith("STATIC_BROKER_CONFIG:listeners=PLAINTEXT://")


def test_alter_a_broker(command: Command, wire: WireClient, node: str) -> None:
    broker = ("--entity-type", "brokers", "--entity-name", node)

    def interval() -> tuple[str | None, int]:
        setting = describe_configs(wire, BROKER, node)[INTERVAL]
        return setting.value, setting.source

    done = command(*broker, "--alter", "--add-config", f"{INTERVAL}=8192")
    assert done == f"Completed updating config for broker {node}.\n"
    assert settled(lambda: interval() == ("8192", DYNAMIC_BROKER_CONFIG), "the broker is changed")
    assert command.describe(*broker) == {
        INTERVAL: Shown(
            "8192", False, f"DYNAMIC_BROKER_CONFIG:{INTERVAL}=8192, DEFAULT_CONFIG:{INTERVAL}={INTERVAL_BYTES}"
        )
    }
    assert command(*broker, "--alter", "--delete-config", INTERVAL) == (
        f"Completed updating config for broker {node}.\n"
    )
    assert settled(lambda: interval()[0] == INTERVAL_BYTES, "the broker is as it was")

    before = describe_configs(wire, BROKER, node)
    fixed, invalid = at_once(
        command.refused,
        (*broker, "--alter", "--add-config", "broker.id=5"),
        (*broker, "--alter", "--add-config", f"{INTERVAL}=many"),
    )
    assert "InvalidRequestException: Cannot update these configs dynamically: [broker.id]\n" in fixed
    complaint = f"Invalid value many for configuration {INTERVAL}: Not a number of type INT\n"
    assert f"InvalidRequestException: {complaint}" in invalid
    assert describe_configs(wire, BROKER, node) == before


def test_alter_all_brokers(command: Command, wire: WireClient, node: str, make_topic: Callable[..., str]) -> None:
    brokers = ("--entity-type", "brokers", "--entity-default")
    topic = make_topic()

    def intervals() -> list[tuple[str | None, int]]:
        found = (
            describe_configs(wire, BROKER, node)[INTERVAL],
            describe_configs(wire, TOPIC, topic)["index.interval.bytes"],
        )
        return [(setting.value, setting.source) for setting in found]

    done = command(*brokers, "--alter", "--add-config", f"{INTERVAL}=16384")
    assert done == "Completed updating default config for brokers in the cluster.\n"
    expected = [("16384", DYNAMIC_DEFAULT_BROKER_CONFIG)] * 2
    assert settled(lambda: intervals() == expected, "the broker and its topics are changed")
    one, every = at_once(command, (*brokers, "--describe"), ("--entity-type", "brokers", "--describe"))
    line = f"  {INTERVAL}=16384 sensitive=false synonyms={{DYNAMIC_DEFAULT_BROKER_CONFIG:{INTERVAL}=16384}}"
    assert one.splitlines()[0] == "Default configs for brokers in the cluster are:"
    assert line in one.splitlines()
    assert f"Dynamic configs for broker {node} are:" in every.splitlines()
    assert line in every.splitlines()
    command(*brokers, "--alter", "--delete-config", INTERVAL)
    assert settled(lambda: [value for value, _ in intervals()] == [INTERVAL_BYTES] * 2, "all is as it was")


def test_loggers(command: Command, wire: WireClient, node: str) -> None:
    loggers = ("--entity-type", "broker-loggers", "--entity-name", node)

    def levels() -> dict[str, str | None]:
        return {name: setting.value for name, setting in describe_configs(wire, BROKER_LOGGER, node).items()}

    before = levels()
    shown = command.describe(*loggers)
    assert {name: setting.value for name, setting in shown.items()} == before
    name = max(set(before) - {"root"})
    assert command(*loggers, "--alter", "--add-config", f"{name}=DEBUG") == (
        f"Completed updating config for broker-logger {node}.\n"
    )
    assert levels() == {**before, name: "DEBUG"}
    assert command(*loggers, "--alter", "--delete-config", name) == (
        f"Completed updating config for broker-logger {node}.\n"
    )
    assert levels() == before

    noisy, rootless, unknown = at_once(
        command.refused,
        (*loggers, "--alter", "--add-config", "root=NOISY"),
        (*loggers, "--alter", "--delete-config", "root"),
        (*loggers, "--alter", "--add-config", "no.such.logger=DEBUG"),
    )
    assert "InvalidConfigurationException: Cannot set the log level of root to NOISY as it is not a supported" in noisy
    assert "InvalidRequestException: Removing the log level of the root logger is not allowed\n" in rootless
    assert unknown == "Invalid broker logger(s): no.such.logger\n"
    assert levels() == before


def test_what_nobody_has_set(command: Command, wire: WireClient, topic: str) -> None:
    commit(wire, f"group-of-{topic}", topic, {0: 0})
    kinds = ("clients", "client-metrics", "ips", "users", "groups")
    *silence, groups = at_once(command, *(("--entity-type", kind, "--describe") for kind in kinds))
    assert silence == [""] * len(silence)
    assert f"Dynamic configs for group group-of-{topic} are:" in groups.splitlines()
    assert all(line.endswith(" are:") for line in groups.splitlines())


def test_what_does_not_exist(command: Command, topic: str) -> None:
    topics, brokers = at_once(
        command,
        ("--entity-type", "topics", "--entity-name", f"no-{topic}", "--describe"),
        ("--entity-type", "brokers", "--entity-name", "77", "--describe"),
    )
    assert topics == f"The topic 'no-{topic}' doesn't exist and doesn't have dynamic config.\n"
    assert brokers == "The broker '77' doesn't exist and doesn't have dynamic config.\n"


def _assert_same(shown: dict[str, Shown], wire: WireClient, kind: int, name: str) -> None:
    """Assert that the tool has shown all that there is."""
    expected = describe_configs(wire, kind, name)
    assert list(shown) == sorted(expected)
    assert {each: (setting.value, setting.sensitive) for each, setting in shown.items()} == {
        each: ("null" if setting.value is None else setting.value, setting.sensitive)
        for each, setting in expected.items()
    }
