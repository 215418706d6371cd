"""Bad requests to grow, describe, elect and reassign: the codes of a real Kafka, and the rest is still carried out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from kio.schema.errors import ErrorCode

from tests.support.records_over_the_wire import describe
from tests.support.under_test import settled
from tests.support.wire import WireClient

MINUTE_MS = 60_000
NOWHERE = "no-such-topic"
INT_MAX = 2**31 - 1
STRANGER = 1_000_000  # the node id of no broker

NONE = ErrorCode.none
PARTITIONS = ErrorCode.invalid_partitions
ASSIGNMENT = ErrorCode.invalid_replica_assignment
REQUEST = ErrorCode.invalid_request
UNKNOWN = ErrorCode.unknown_topic_or_partition
TIMED_OUT = ErrorCode.request_timed_out


@pytest.fixture
def node_id(wire: WireClient) -> int:
    return int(describe(wire).brokers[0].node_id)


def partition_count(wire: WireClient, name: str) -> int:
    return len(describe(wire, name).topics[0].partitions)


# --- CreatePartitions ----------------------------------------------------------------------------------------------


def grow(wire: WireClient, *topics: tuple[str, int, Any], timeout_ms: int = MINUTE_MS) -> dict[str, Any]:
    wanted = [{"name": name, "count": count, "assignments": assignments} for name, count, assignments in topics]
    answer = wire.ask("CreatePartitions", 3, topics=wanted, timeout_ms=timeout_ms, validate_only=False)
    assert len(answer.results) == len({name for name, _, _ in topics})
    return {result.name: result.error_code for result in answer.results}


@pytest.mark.parametrize(
    ("count", "assignments", "code"),
    [
        (2, None, PARTITIONS),
        (1, None, PARTITIONS),
        (0, None, PARTITIONS),
        (-1, None, PARTITIONS),
        (-INT_MAX - 1, None, PARTITIONS),
        (1, [[0], [0]], PARTITIONS),
        (3, [], ASSIGNMENT),
        (3, [[0], [0]], ASSIGNMENT),
        (4, [[0]], ASSIGNMENT),
        (3, [[]], ASSIGNMENT),
        (3, [[0, 0]], ASSIGNMENT),
        (3, [[STRANGER]], ASSIGNMENT),
        (3, [[-1]], ASSIGNMENT),
        (3, [[0, STRANGER]], ASSIGNMENT),
        (4, [[0], []], ASSIGNMENT),
    ],
)
def test_growth_that_cannot_be_does_not_hinder_the_rest(
    wire: WireClient,
    make_topic: Callable[..., str],
    node_id: int,
    count: int,
    assignments: list[list[int]] | None,
    code: ErrorCode,
) -> None:
    bad, good = make_topic(partitions=2), make_topic()
    given = assignments and [{"broker_ids": [node_id + number for number in ids]} for ids in assignments]
    assert grow(wire, (bad, count, given), (good, 2, None), (NOWHERE, 2, None), ("not a name", 2, None)) == {
        bad: code,
        good: NONE,
        NOWHERE: UNKNOWN,
        "not a name": UNKNOWN,
    }
    assert settled(lambda: partition_count(wire, good) == 2, "the other topic has grown")
    assert partition_count(wire, bad) == 2


def test_a_topic_that_is_named_twice_does_not_grow(wire: WireClient, make_topic: Callable[..., str]) -> None:
    twice, good = make_topic(), make_topic()
    assert grow(wire, (twice, 2, None), (twice, 3, None), (good, 2, None)) == {twice: REQUEST, good: NONE}
    assert settled(lambda: partition_count(wire, good) == 2, "the other topic has grown")
    assert partition_count(wire, twice) == 1


@pytest.mark.parametrize("timeout_ms", [0, -1])
def test_without_time_nothing_grows(wire: WireClient, topic: str, timeout_ms: int) -> None:
    assert grow(wire, (topic, 2, None), (NOWHERE, 2, None), timeout_ms=timeout_ms) == {
        topic: TIMED_OUT,
        NOWHERE: TIMED_OUT,
    }
    assert partition_count(wire, topic) == 1


# --- ElectLeaders and AlterPartitionReassignments ------------------------------------------------------------------


@pytest.mark.parametrize("election_type", [2, -1, 127])
def test_an_election_of_no_known_type(wire: WireClient, topic: str, election_type: int) -> None:
    asked = [{"topic": topic, "partitions": [0]}]
    answer = wire.ask("ElectLeaders", 2, election_type=election_type, topic_partitions=asked, timeout_ms=MINUTE_MS)
    assert answer.error_code == REQUEST
    (result,) = answer.replica_election_results[0].partition_result
    assert (result.error_code, result.error_message) == (REQUEST, f"Unknown election type {election_type}")


@pytest.mark.parametrize("timeout_ms", [0, -1])
def test_an_election_without_time(wire: WireClient, topic: str, timeout_ms: int) -> None:
    asked = [{"topic": topic, "partitions": [0, 7]}]
    answer = wire.ask("ElectLeaders", 2, topic_partitions=asked, timeout_ms=timeout_ms)
    assert answer.error_code == TIMED_OUT
    (topic_result,) = answer.replica_election_results
    assert [result.error_code for result in topic_result.partition_result] == [TIMED_OUT, TIMED_OUT]
    everything = wire.ask("ElectLeaders", 2, topic_partitions=None, timeout_ms=timeout_ms)
    assert (everything.error_code, everything.replica_election_results) == (TIMED_OUT, ())


def test_partitions_may_be_named_twice(wire: WireClient, topic: str, node_id: int) -> None:
    asked = [{"topic": topic, "partitions": [0, 0]}, {"topic": topic, "partitions": [0]}]
    answer = wire.ask("ElectLeaders", 2, topic_partitions=asked, timeout_ms=MINUTE_MS)
    codes = [[result.error_code for result in each.partition_result] for each in answer.replica_election_results]
    assert codes == [[ErrorCode.election_not_needed] * 2, [ErrorCode.election_not_needed]]
    partition = {"partition_index": 0, "replicas": [node_id]}
    topics = [{"name": topic, "partitions": [partition, partition]}, {"name": topic, "partitions": [partition]}]
    answer = wire.ask("AlterPartitionReassignments", 1, topics=topics, timeout_ms=MINUTE_MS)
    assert [[each.error_code for each in result.partitions] for result in answer.responses] == [[NONE, NONE], [NONE]]


@pytest.mark.parametrize("timeout_ms", [0, -1])
def test_a_reassignment_without_time(wire: WireClient, topic: str, node_id: int, timeout_ms: int) -> None:
    topics = [{"name": topic, "partitions": [{"partition_index": 0, "replicas": [node_id]}]}]
    answer = wire.ask("AlterPartitionReassignments", 1, topics=topics, timeout_ms=timeout_ms)
    assert answer.error_code == TIMED_OUT
    assert answer.responses[0].partitions[0].error_code == TIMED_OUT


# --- DescribeTopicPartitions ---------------------------------------------------------------------------------------


def page(wire: WireClient, *names: str, limit: int = 2_000, cursor: tuple[str, int] | None = None) -> Any:
    return wire.ask(
        "DescribeTopicPartitions",
        0,
        topics=[{"name": name} for name in names],
        response_partition_limit=limit,
        cursor=cursor and {"topic_name": cursor[0], "partition_index": cursor[1]},
    )


def test_topics_that_cannot_be_described_do_not_hinder_the_rest(wire: WireClient, topic: str) -> None:
    answer = page(wire, "not a name", topic, NOWHERE, topic)
    codes = {each.name: each.error_code for each in answer.topics}
    assert codes == {"not a name": ErrorCode.invalid_topic_exception, topic: NONE, NOWHERE: UNKNOWN}
    assert [each.name for each in answer.topics] == sorted(codes)


@pytest.mark.parametrize("limit", [0, -1, -INT_MAX - 1])
def test_a_page_has_at_least_one_partition(wire: WireClient, make_topic: Callable[..., str], limit: int) -> None:
    name = make_topic(partitions=2)
    answer = page(wire, name, limit=limit)
    assert [partition.partition_index for partition in answer.topics[0].partitions] == [0]
    assert (answer.next_cursor.topic_name, answer.next_cursor.partition_index) == (name, 1)


def test_cursors_that_point_nowhere(wire: WireClient, topic: str) -> None:
    for cursor in ((NOWHERE, 0), (topic, -1), ("", 0)):
        assert [each.error_code for each in page(wire, topic, cursor=cursor).topics] == [REQUEST]
    assert page(wire, cursor=(topic, -1)).topics == ()
    (beyond,) = page(wire, topic, cursor=(topic, 99)).topics
    assert (beyond.error_code, beyond.partitions) == (NONE, ())
