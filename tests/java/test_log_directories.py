"""Kafka's LogDirsCommand and ReassignPartitionsCommand, on a broker with two log directories."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Address
from tests.support.admin_over_the_wire import (
    BROKER,
    describe_configs,
    directories_of,
    log_directories,
    node_id,
    overrides,
    partitions_of,
    set_config,
)
from tests.support.broker_process import BrokerProcess
from tests.support.java import FETCH_TIMEOUT_S
from tests.support.records_over_the_wire import produce, read_all, values_of
from tests.support.under_test import foreign_address, settled
from tests.support.wait import wait_until
from tests.support.wire import WireClient

from .tool import Tool, at_once

PARTITIONS = 3
VALUES = [b"x" * 1000] * 10

THROTTLES = {"leader.replication.throttled.rate", "follower.replication.throttled.rate"}

Assignment = list[dict[str, Any]]

pytestmark = pytest.mark.timeout(FETCH_TIMEOUT_S)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """A broker with two log directories: one of our own, or the foreign one, which must have been given two."""
    if foreign := foreign_address():
        yield foreign
        return
    directory = tmp_path_factory.mktemp("two-directories")
    log_dirs = ",".join(str(directory / name) for name in ("first", "second"))
    place = ("--data-dir", str(directory / "data"), "--set", f"log.dirs={log_dirs}")
    with BrokerProcess(directory / "log", "--host", "127.0.0.1", *place) as broker:
        yield broker.address
        assert broker.stop() == 0, broker.log[-4000:]
        assert "Traceback" not in broker.log, broker.log[-4000:]


@pytest.fixture(scope="module")
def bootstrap(address: Address) -> str:
    return "{}:{}".format(*address)


@pytest.fixture
def topic(wire: WireClient, make_topic: Callable[..., str]) -> str:
    """A topic with some records in each partition."""
    name = make_topic(partitions=PARTITIONS)
    for index in range(PARTITIONS):
        produce(wire, name, *VALUES, partition=index)
    return name


@pytest.fixture
def node(wire: WireClient) -> Iterator[int]:
    """The broker's id; throttles that a test has left are taken back."""
    node = node_id(wire)
    yield node
    for name in THROTTLES:
        set_config(wire, BROKER, str(node), name, None)


class Reassignment(Tool):
    """ReassignPartitionsCommand."""

    def __init__(self, bootstrap: str, directory: Path) -> None:
        super().__init__("org.apache.kafka.tools.reassign.ReassignPartitionsCommand", bootstrap)
        self._file = directory / "assignment.json"

    def plan(self, partitions: Assignment) -> tuple[str, str]:
        """Write an assignment down and return the arguments that name it."""
        self._file.write_text(json.dumps({"version": 1, "partitions": partitions}))
        return ("--reassignment-json-file", str(self._file))


@pytest.fixture
def reassignment(bootstrap: str, tmp_path: Path) -> Reassignment:
    return Reassignment(bootstrap, tmp_path)


def test_describe(bootstrap: str, wire: WireClient, topic: str) -> None:
    command = Tool("org.apache.kafka.tools.LogDirsCommand", bootstrap)
    node = node_id(wire)
    one, none, all_topics, nobody = at_once(
        command.run,
        ("--describe", "--topic-list", topic),
        ("--describe", "--topic-list", f"no-{topic}", "--broker-list", str(node)),
        ("--describe",),
        ("--describe", "--broker-list", f"{node},77"),
    )
    found = directories_of(wire, topic)
    assert sorted(found) == list(range(PARTITIONS))
    for printed in (one.output, all_topics.output):
        described = _described(printed, node)
        assert sorted(described) == sorted(log_directories(wire))
        shown = {
            partition["partition"]: (directory, partition["size"], partition["offsetLag"], partition["isFuture"])
            for directory, partitions in described.items()
            for partition in partitions
            if partition["partition"].startswith(f"{topic}-")
        }
        assert shown == {f"{topic}-{index}": (directory, size, 0, False) for index, (directory, size) in found.items()}
    assert _described(none.output, node) == {directory: [] for directory in log_directories(wire)}
    assert (nobody.exit_code, nobody.errors.splitlines()[:1] + nobody.output.splitlines()[:1]) == (
        1,
        [f"ERROR: The given brokers do not exist from --broker-list: 77. Current existent brokers: {node}"],
    )


def test_generate(reassignment: Reassignment, wire: WireClient, topic: str, node: int, tmp_path: Path) -> None:
    file = tmp_path / "topics.json"
    file.write_text(json.dumps({"version": 1, "topics": [{"topic": topic}]}))
    printed = reassignment("--topics-to-move-json-file", str(file), "--broker-list", str(node), "--generate")
    head, current, _, heading, proposed = printed.splitlines()
    assert head == "Current partition replica assignment"
    assert json.loads(current) == _assignment(
        topic, node, {index: directory for index, (directory, _) in directories_of(wire, topic).items()}
    )
    assert heading == "Proposed partition reassignment configuration"
    assert json.loads(proposed) == _assignment(topic, node, dict.fromkeys(range(PARTITIONS), "any"))


def test_reassign_to_the_only_broker(reassignment: Reassignment, wire: WireClient, topic: str, node: int) -> None:
    """Where a replica is already there is nothing to move, and so it is done at once; throttles come and go."""
    before = directories_of(wire, topic)
    plan = reassignment.plan([{"topic": topic, "partition": index, "replicas": [node]} for index in range(2)])
    printed = reassignment(*plan, "--execute", "--throttle", "1000000")
    assert "The inter-broker throttle limit was set to 1000000 B/s\n" in printed
    assert f"Successfully started partition reassignments for {topic}-0,{topic}-1\n" in printed
    assert settled(lambda: describe_configs(wire, BROKER, str(node)).keys() >= THROTTLES, "the throttle is set")
    assert overrides(wire, topic) == {
        "leader.replication.throttled.replicas": f"0:{node},1:{node}",
        "follower.replication.throttled.replicas": "",
    }

    listed = reassignment("--list")
    assert listed == "No partition reassignments found.\n"
    printed = reassignment(*plan, "--verify")
    assert printed.splitlines() == [
        "Status of partition reassignment:",
        f"Reassignment of partition {topic}-0 is completed.",
        f"Reassignment of partition {topic}-1 is completed.",
        "",
        f"Clearing broker-level throttles on broker {node}",
        f"Clearing topic-level throttles on topic {topic}",
    ]
    assert settled(lambda: not describe_configs(wire, BROKER, str(node)).keys() & THROTTLES, "the throttle is gone")
    assert overrides(wire, topic) == {}
    printed = reassignment(*plan, "--cancel")
    assert "None of the specified partition reassignments are active.\n" in printed
    assert directories_of(wire, topic) == before


def test_reassign_to_nobody(reassignment: Reassignment, wire: WireClient, topic: str, node: int) -> None:
    plan = reassignment.plan([{"topic": topic, "partition": 0, "replicas": [node, 77]}])
    assert "AdminCommandFailedException: Unknown broker id 77\n" in reassignment.refused(*plan, "--execute")
    assert partitions_of(wire, topic) == {index: [node] for index in range(PARTITIONS)}


def test_move_to_another_directory(reassignment: Reassignment, wire: WireClient, topic: str, node: int) -> None:
    directories = set(log_directories(wire))
    assert len(directories) == 2
    before = directories_of(wire, topic)
    here, size = before[0]
    (there,) = directories - {here}
    finished = f"Reassignment of replica {topic}-0-{node} completed successfully."

    def move(target: str) -> tuple[str, str]:
        return reassignment.plan([{"topic": topic, "partition": 0, "replicas": [node], "log_dirs": [target]}])

    def has_moved(plan: tuple[str, str]) -> bool:
        return finished in reassignment(*plan, "--verify").splitlines()

    for target in (there, here):
        plan = move(target)
        printed = reassignment(*plan, "--execute")
        started = f"Successfully started moving log directory to {target} for replica {topic}-0 with broker {node} \n"
        assert started in printed
        wait_until(partial(has_moved, plan), "the replica has moved")
        assert directories_of(wire, topic) == {**before, 0: (target, size)}
        assert values_of(read_all(wire, topic)) == VALUES

    plan = move("/nowhere")
    refusal = reassignment.refused(*plan, "--execute")
    assert f"AdminCommandFailedException: Failed to alter dir for {topic}-0-{node}\n" in refusal
    assert "LogDirNotFoundException: " in refusal
    left = f"Partition {topic}-0 on broker {node} is not being moved from log dir {here} to /nowhere."
    assert left in reassignment(*plan, "--verify").splitlines()
    assert directories_of(wire, topic) == before


def _assignment(topic: str, node: int, directories: dict[int, str]) -> dict[str, Any]:
    partitions = [
        {"topic": topic, "partition": index, "replicas": [node], "log_dirs": [directory]}
        for index, directory in sorted(directories.items())
    ]
    return {"version": 1, "partitions": partitions}


def _described(printed: str, node: int) -> dict[str, Assignment]:
    """The partitions of each log directory of the broker."""
    asks, heard, described = printed.splitlines()
    assert asks == "Querying brokers for log directories information"
    assert heard == f"Received log directory information from brokers {node}"
    (broker,) = json.loads(described)["brokers"]
    assert (broker["broker"], {each["error"] for each in broker["logDirs"]}) == (node, {None})
    return {each["logDir"]: each["partitions"] for each in broker["logDirs"]}
