"""Kafka's TopicCommand creates, lists, describes, grows and deletes topics; what it did is read over the wire."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from tests.support.admin_over_the_wire import (
    DEFAULT_CONFIG,
    TOPIC,
    describe_configs,
    id_of,
    node_id,
    overrides,
    partitions_of,
    topics,
)
from tests.support.groups_over_the_wire import describe_group
from tests.support.java import FETCH_TIMEOUT_S
from tests.support.under_test import foreign_address, settled
from tests.support.wire import WireClient

from .tool import Tool, at_once

INTERNAL_TOPIC = "__consumer_offsets"

pytestmark = pytest.mark.timeout(FETCH_TIMEOUT_S)


@pytest.fixture
def command(bootstrap: str) -> Tool:
    return Tool("org.apache.kafka.tools.TopicCommand", bootstrap)


def test_create_and_describe(command: Tool, wire: WireClient, topic_name: Callable[[], str]) -> None:
    name = topic_name()
    place = ("--partitions", "3", "--replication-factor", "1")
    configs = ("--config", "retention.ms=60000", "--config", "cleanup.policy=compact,delete")
    assert command("--create", "--topic", name, *place, *configs) == f"Created topic {name}.\n"
    node = node_id(wire)
    assert settled(lambda: len(partitions_of(wire, name)) == 3, "the topic is there")
    assert partitions_of(wire, name) == {index: [node] for index in range(3)}
    assert overrides(wire, name) == {"retention.ms": "60000", "cleanup.policy": "compact,delete"}

    # In one answer, in as many as there are partitions, and with Metadata, which knows nothing of KIP-966's replicas.
    printed = at_once(
        command,
        ("--describe", "--topic", name),
        ("--describe", "--topic", name, "--partition-size-limit-per-response", "1"),
        ("--describe", "--topic-id", _topic_id(wire, name)),
    )
    for text, eligible in zip(printed, ("", "", "N/A"), strict=True):
        (head,), partitions = _described(text)
        assert _words(head.pop("Configs")) == _words(_non_defaults(wire, name))
        assert head == {
            "Topic": name,
            "TopicId": _topic_id(wire, name),
            "PartitionCount": "3",
            "ReplicationFactor": "1",
        }
        assert partitions == [_partition(name, index, node, eligible) for index in range(3)]


def test_create_what_exists(command: Tool, wire: WireClient, topic: str) -> None:
    topic_id = _topic_id(wire, topic)
    refusal, silence = at_once(
        lambda *arguments: command.run("--create", "--topic", topic, "--partitions", "2", *arguments),
        (),
        ("--if-not-exists",),
    )
    assert refusal.exit_code == 1
    assert f"TopicExistsException: Topic '{topic}' already exists.\n" in refusal.errors
    assert silence == (0, "", "")
    assert (_topic_id(wire, topic), len(partitions_of(wire, topic))) == (topic_id, 1)


def test_create_what_is_refused(command: Tool, wire: WireClient, topic_name: Callable[[], str]) -> None:
    name = topic_name()
    collides, unreachable, unknown, invalid, nobody = at_once(
        command.refused,
        ("--create", "--topic", f"{name}/x"),
        ("--create", "--topic", name, "--replication-factor", "2"),
        ("--create", "--topic", name, "--config", "nonsense=1"),
        ("--create", "--topic", name, "--config", "min.insync.replicas=0"),
        ("--create", "--topic", name, "--replica-assignment", "77"),
    )
    assert f"InvalidTopicException: Topic name is invalid: '{name}/x' contains one or more characters" in collides
    assert "InvalidReplicationFactorException: Unable to replicate the partition 2 time(s): " in unreachable
    assert "InvalidConfigurationException: Unknown topic config name: nonsense" in unknown
    assert "Invalid value 0 for configuration min.insync.replicas: Value must be at least 1" in invalid
    assert "InvalidReplicaAssignmentException: The manual partition assignment includes broker 77, but no" in nobody
    assert not {each for each in topics(wire) if each.startswith(name)}


def test_create_names_that_collide(command: Tool, wire: WireClient, topic_name: Callable[[], str]) -> None:
    name = topic_name()
    assert command("--create", "--topic", f"{name}.x").endswith(f"Created topic {name}.x.\n")
    printed = command.refused("--create", "--topic", f"{name}_x")
    assert f"InvalidTopicException: Topic '{name}_x' collides with existing topic: {name}.x" in printed
    assert settled(
        lambda: {each for each in topics(wire) if each.startswith(name)} == {f"{name}.x"}, "only one is there"
    )


def test_list(command: Tool, wire: WireClient, make_topic: Callable[..., str]) -> None:
    first, second = make_topic(), make_topic()
    describe_group(wire, "any")  # makes the internal topic
    prefix = first.rpartition("-")[0]
    everything, users, matching, nothing = at_once(
        command,
        ("--list",),
        ("--list", "--exclude-internal"),
        ("--list", "--topic", f"{prefix}-.*"),
        ("--list", "--topic", f"no-{prefix}"),
    )
    assert {first, second, INTERNAL_TOPIC} <= set(everything.split())
    assert everything.split() == sorted(everything.split())
    assert {first, second} <= set(users.split())
    assert INTERNAL_TOPIC not in users.split()
    assert matching.split() == [first, second]
    assert nothing == "\n"


def test_describe_with_filters(command: Tool, wire: WireClient, make_topic: Callable[..., str]) -> None:
    plain, special = make_topic(partitions=2), make_topic(retention_ms="1000")
    *troubles, at_minimum, special_ones, users = at_once(
        command,
        *(
            ("--describe", f"--{trouble}-partitions")
            for trouble in ("under-replicated", "unavailable", "under-min-isr")
        ),
        ("--describe", "--at-min-isr-partitions", "--topic", plain),
        ("--describe", "--topics-with-overrides"),
        ("--describe", "--exclude-internal"),
    )
    assert troubles == ["", "", ""]
    assert _described(at_minimum) == ([], [_partition(plain, index, node_id(wire)) for index in range(2)])
    heads, partitions = _described(special_ones)
    assert partitions == []
    configs = {head["Topic"]: _words(head["Configs"]) for head in heads}
    assert configs[special] == _words(_non_defaults(wire, special))
    assert configs.get(plain, set()) == _words(_non_defaults(wire, plain))
    assert {plain, special} <= {head["Topic"] for head in _described(users)[0]} <= topics(wire) - {INTERNAL_TOPIC}


def test_alter(command: Tool, wire: WireClient, make_topic: Callable[..., str]) -> None:
    name, other, topic = make_topic(), make_topic(), make_topic(partitions=3)
    grown = at_once(
        command,
        ("--alter", "--topic", name, "--partitions", "5"),
        ("--alter", "--topic", other, "--partitions", "2", "--replica-assignment", ",".join([str(node_id(wire))] * 2)),
    )
    assert grown == ["", ""]
    assert settled(
        lambda: [len(partitions_of(wire, each)) for each in (name, other)] == [5, 2], "the topics have grown"
    )
    assert partitions_of(wire, name) == {index: [node_id(wire)] for index in range(5)}

    same, fewer, unassigned = at_once(
        command.refused,
        ("--alter", "--topic", topic, "--partitions", "3"),
        ("--alter", "--topic", topic, "--partitions", "2"),
        ("--alter", "--topic", topic, "--partitions", "4", "--replica-assignment", "0,0,0,77"),
    )
    assert "InvalidPartitionsException: Topic already has 3 partition(s).\n" in same
    complaint = f"The topic {topic} currently has 3 partition(s); 2 would not be an increase.\n"
    assert f"InvalidPartitionsException: {complaint}" in fewer
    assert "InvalidReplicaAssignmentException: The manual partition assignment includes broker 77, but no" in unassigned
    assert len(partitions_of(wire, topic)) == 3


def test_delete(command: Tool, wire: WireClient, make_topic: Callable[..., str]) -> None:
    first, second, third = make_topic(), make_topic(), make_topic()
    topic_id = _topic_id(wire, first)
    prefix = first.rpartition("-")[0]
    assert command("--delete", "--topic", f"{prefix}-[01]") == ""
    assert settled(lambda: not topics(wire) & {first, second}, "the topics are gone")
    assert third in topics(wire)
    assert command("--create", "--topic", first) == f"Created topic {first}.\n"
    assert settled(lambda: first in topics(wire), "the topic is there")
    assert _topic_id(wire, first) != topic_id


@pytest.mark.skipif(foreign_address() is not None, reason="a real Kafka gives up its own topics, too")
def test_the_internal_topic_stays_as_it_is(command: Tool, wire: WireClient) -> None:
    describe_group(wire, "any")  # makes the internal topic
    before = id_of(wire, INTERNAL_TOPIC), partitions_of(wire, INTERNAL_TOPIC)
    deleted, grown = at_once(
        command.refused,
        ("--delete", "--topic", INTERNAL_TOPIC),
        ("--alter", "--topic", INTERNAL_TOPIC, "--partitions", "60"),
    )
    assert "InvalidTopicException: " in deleted
    assert "InvalidTopicException: " in grown
    assert (id_of(wire, INTERNAL_TOPIC), partitions_of(wire, INTERNAL_TOPIC)) == before


@pytest.mark.parametrize("action", ["describe", "alter", "delete"])
def test_what_does_not_exist(action: str, command: Tool, topic_name: Callable[[], str]) -> None:
    name = topic_name()
    arguments = (f"--{action}", "--topic", name, *(("--partitions", "2") if action == "alter" else ()))
    refusal, silence = at_once(command.run, arguments, (*arguments, "--if-exists"))
    assert refusal.exit_code == 1
    assert f"Topic '{name}' does not exist as expected\n" in refusal.output
    assert silence == (0, "", "")


def _topic_id(wire: WireClient, name: str) -> str:
    """A topic's id as Kafka prints it."""
    topic_id = id_of(wire, name)
    assert topic_id, f"there is no {name}"
    return base64.urlsafe_b64encode(topic_id.bytes).decode().rstrip("=")


def _non_defaults(wire: WireClient, topic: str) -> str:
    """The settings that a topic or its broker has been given.

    A Kafka of today has given min.insync.replicas to all of its topics, so that it is shown with each.
    """
    found = describe_configs(wire, TOPIC, topic).items()
    return ",".join(f"{name}={setting.value}" for name, setting in found if setting.source != DEFAULT_CONFIG)


def _words(configs: str) -> set[str]:
    """Settings in any order; the members of a list each for itself."""
    return {word for word in configs.split(",") if word}


def _described(printed: str) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """What was printed of topics, and of partitions."""
    topics: list[dict[str, str]] = []
    partitions: list[dict[str, str]] = []
    for line in printed.splitlines():
        split = [field.partition(":") for field in line.strip("\t").split("\t")]
        fields = {name: value.strip() for name, _, value in split}
        if "Configs" in fields:
            topics.append(fields)
        else:
            partitions.append(fields)
    return topics, partitions


def _partition(topic: str, index: int, node: int, eligible: str = "") -> dict[str, str]:
    return {
        "Topic": topic,
        "Partition": str(index),
        "Leader": str(node),
        "Replicas": str(node),
        "Isr": str(node),
        "Elr": eligible,
        "LastKnownElr": eligible,
    }
