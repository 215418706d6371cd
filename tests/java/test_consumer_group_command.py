"""Kafka's ConsumerGroupCommand lists, describes, resets and deletes classic groups; what it prints is read, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.groups_over_the_wire import commit, committed, describe_group, list_groups
from tests.support.java import FETCH_TIMEOUT_S, require_kafka
from tests.support.records_over_the_wire import produce
from tests.support.wait import wait_until
from tests.support.wire import WireClient

from .java_process import run_java
from .verifiable import VerifiableConsumer

TOOL = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
PARTITIONS = 3
RECORDS = 10

pytestmark = pytest.mark.timeout(FETCH_TIMEOUT_S)


class Command:
    """The tool, aimed at the broker under test."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    def __call__(self, *arguments: str) -> str:
        """Run it and return all that it printed; its exit code is 0 whatever the broker says."""
        return run_java(TOOL, "--bootstrap-server", self.bootstrap, *arguments)

    def table(self, *arguments: str) -> list[dict[str, str]]:
        """Run it and return the rows of the table that it printed, by the heads of their columns."""
        lines = [line for line in self(*arguments).splitlines() if line and not line.startswith("Consumer group ")]
        head, *rows = [line.replace("COORDINATOR (ID)", "COORDINATOR ID").split() for line in lines]
        return [dict(zip(head, row, strict=True)) for row in rows]


@pytest.fixture
def command(bootstrap: str) -> Command:
    require_kafka()
    return Command(bootstrap)


@pytest.fixture
def topic(wire: WireClient, make_topic: Callable[..., str]) -> str:
    """A topic with ten records in each of three partitions."""
    name = make_topic(partitions=PARTITIONS)
    for partition in range(PARTITIONS):
        produce(wire, name, *[b"value"] * RECORDS, partition=partition)
    return name


@pytest.fixture
def live_group(command: Command, bootstrap: str, wire: WireClient, topic: str, tmp_path: Path) -> Iterator[str]:
    """A group with one member, which has committed all of the topic."""
    group = f"live-{topic}"
    with VerifiableConsumer(tmp_path, bootstrap, group, topic, "roundrobin") as consumer:
        wait_until(lambda: committed(wire, group, topic, PARTITIONS) == [RECORDS] * PARTITIONS, "all is committed")
        yield group
        consumer.stop()


@pytest.fixture
def idle_group(command: Command, wire: WireClient, topic: str) -> str:
    """A group without members, and with offsets 2, 5 and 10."""
    group = f"idle-{topic}"
    commit(wire, group, topic, {0: 2, 1: 5, 2: 10})
    return group


def test_list_and_describe_a_live_group(
    command: Command, wire: WireClient, live_group: str, idle_group: str, topic: str
) -> None:
    assert {live_group, idle_group} <= set(command("--list").split())
    states = {row["GROUP"]: row["STATE"] for row in command.table("--list", "--state")}
    assert (states[live_group], states[idle_group]) == ("Stable", "Empty")
    stable = command.table("--list", "--state", "stable")
    assert live_group in {row["GROUP"] for row in stable}
    assert {row["STATE"] for row in stable} == {"Stable"}
    assert {"GROUP": live_group, "TYPE": "Classic"} in command.table("--list", "--type", "classic")

    (member,) = describe_group(wire, live_group).members
    about_member = {"CONSUMER-ID": member.member_id, "HOST": "/127.0.0.1", "CLIENT-ID": member.client_id}
    offsets = command.table("--describe", "--group", live_group)
    assert offsets == [_described(live_group, topic, index, RECORDS, about_member) for index in range(PARTITIONS)]
    (shown,) = command.table("--describe", "--group", live_group, "--members", "--verbose")
    assert shown == {
        "GROUP": live_group,
        **about_member,
        "#PARTITIONS": "3",
        "CURRENT-EPOCH": "-",
        "CURRENT-ASSIGNMENT": f"{topic}:0,1,2",
        "TARGET-EPOCH": "-",
        "TARGET-ASSIGNMENT": "-",
    }
    (shown,) = command.table("--describe", "--group", live_group, "--state")
    assert (shown["ASSIGNMENT-STRATEGY"], shown["STATE"], shown["#MEMBERS"]) == ("roundrobin", "Stable", "1")
    assert shown["COORDINATOR"] == command.bootstrap


def test_a_live_group_is_left_alone(command: Command, wire: WireClient, live_group: str, topic: str) -> None:
    printed = command("--reset-offsets", "--group", live_group, "--topic", topic, "--to-earliest", "--execute")
    assert f"can only be reset if the group '{live_group}' is inactive, but the current state is Stable" in printed
    printed = command("--delete-offsets", "--group", live_group, "--topic", topic)
    assert printed.count("GroupSubscribedToTopicException") == PARTITIONS
    assert "GroupNotEmptyException: The group is not empty." in command("--delete", "--group", live_group)
    assert committed(wire, live_group, topic, PARTITIONS) == [RECORDS] * PARTITIONS


def test_describe_an_idle_group(command: Command, idle_group: str, topic: str) -> None:
    nobody = {"CONSUMER-ID": "-", "HOST": "-", "CLIENT-ID": "-"}
    offsets = command.table("--describe", "--group", idle_group)
    assert sorted(offsets, key=lambda row: row["PARTITION"]) == [
        _described(idle_group, topic, index, offset, nobody) for index, offset in enumerate((2, 5, 10))
    ]
    printed = command("--describe", "--group", idle_group, "--members")
    assert printed.strip().endswith(f"\nConsumer group '{idle_group}' has no active members.")


def test_describe_an_unknown_group(command: Command, topic: str) -> None:
    group = f"unknown-{topic}"
    assert f"Group {group} not found" in command("--describe", "--group", group)


def test_reset_offsets(command: Command, wire: WireClient, idle_group: str, topic: str) -> None:
    def reset(*options: str) -> dict[str, str]:
        rows = command.table("--reset-offsets", "--group", idle_group, *options)
        assert all((row["GROUP"], row["TOPIC"]) == (idle_group, topic) for row in rows)
        return {row["PARTITION"]: row["NEW-OFFSET"] for row in rows}

    assert reset("--topic", topic, "--to-earliest", "--dry-run") == {"0": "0", "1": "0", "2": "0"}
    assert committed(wire, idle_group, topic, PARTITIONS) == [2, 5, 10]
    assert reset("--topic", f"{topic}:1,2", "--shift-by", "-4", "--execute") == {"1": "1", "2": "6"}
    assert committed(wire, idle_group, topic, PARTITIONS) == [2, 1, 6]
    assert reset("--topic", f"{topic}:0", "--to-offset", "7", "--execute") == {"0": "7"}
    assert committed(wire, idle_group, topic, PARTITIONS) == [7, 1, 6]
    assert reset("--all-topics", "--to-earliest", "--execute") == {"0": "0", "1": "0", "2": "0"}
    assert committed(wire, idle_group, topic, PARTITIONS) == [0, 0, 0]


def test_delete_offsets(command: Command, wire: WireClient, idle_group: str, topic: str) -> None:
    printed = command("--delete-offsets", "--group", idle_group, "--topic", f"{topic}:0,2")
    assert f"Request succeeded for deleting offsets from group {idle_group}." in printed
    assert printed.count("Successful") == 2
    assert committed(wire, idle_group, topic, PARTITIONS) == [-1, 5, -1]


def test_delete(command: Command, wire: WireClient, idle_group: str, topic: str) -> None:
    printed = command("--delete", "--group", idle_group)
    assert f"Deletion of requested consumer groups ('{idle_group}') was successful." in printed
    assert idle_group not in list_groups(wire)
    assert committed(wire, idle_group, topic, PARTITIONS) == [-1] * PARTITIONS
    assert "GroupIdNotFoundException" in command("--delete", "--group", idle_group)


def _described(group: str, topic: str, partition: int, offset: int, member: dict[str, str]) -> dict[str, str]:
    return {
        "GROUP": group,
        "TOPIC": topic,
        "PARTITION": str(partition),
        "CURRENT-OFFSET": str(offset),
        "LOG-END-OFFSET": str(RECORDS),
        "LAG": str(RECORDS - offset),
        **member,
    }
