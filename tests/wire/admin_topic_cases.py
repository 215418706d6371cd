"""The APIs that grow topics, describe them page by page, and say who leads and holds partitions, in any version."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from kio.schema.errors import ErrorCode

from tests.support.records_over_the_wire import describe, produce, read_all, values_of
from tests.support.under_test import settled
from tests.support.wire import WireClient, milliseconds

from .topic_cases import MINUTE_MS, NOWHERE, TOPIC_OPERATIONS


def create_partitions(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    def ask(*counts: tuple[str, int], assignments: Any = None, validate_only: bool = False) -> dict[str, Any]:
        answer = wire.ask(
            "CreatePartitions",
            version,
            topics=[{"name": name, "count": count, "assignments": assignments} for name, count in counts],
            timeout_ms=MINUTE_MS,
            validate_only=validate_only,
        )
        assert milliseconds(answer.throttle_time) == 0
        return {result.name: (result.error_code, result.error_message) for result in answer.results}

    ok = (ErrorCode.none, None)
    assert ask((topic.name, 4), validate_only=True) == {topic.name: ok}
    produce(wire, topic.name, b"old", partition=1)
    assert partition_count(wire, topic.name) == 2
    answers = ask((topic.name, 4), (NOWHERE, 4))
    assert answers[topic.name] == ok
    assert answers[NOWHERE][0] == ErrorCode.unknown_topic_or_partition
    assert settled(lambda: partition_count(wire, topic.name) == 4, "the topic has grown")
    assert settled(lambda: describe(wire, topic.name).topics[0].topic_id == topic.id, "it is the same topic")
    for partition in range(2, 4):
        assert settled(lambda partition=partition: leads(wire, topic.name, partition), "it is led")
        assert produce(wire, topic.name, b"new", partition=partition) == 0
    assert values_of(read_all(wire, topic.name, partition=1)) == [b"old"]
    assert ask((topic.name, 4)) == {
        topic.name: (ErrorCode.invalid_partitions, "Topic already has 4 partition(s)."),
    }
    assert ask((topic.name, 3)) == {
        topic.name: (
            ErrorCode.invalid_partitions,
            f"The topic {topic.name} currently has 4 partition(s); 3 would not be an increase.",
        ),
    }
    node_id = describe(wire).brokers[0].node_id
    assert ask((topic.name, 5), assignments=[{"broker_ids": [node_id + 99]}]) == {
        topic.name: (
            ErrorCode.invalid_replica_assignment,
            f"The manual partition assignment includes broker {node_id + 99}, but no such broker is registered.",
        ),
    }
    assert ask((topic.name, 5), assignments=[{"broker_ids": [node_id]}]) == {topic.name: ok}
    assert settled(lambda: partition_count(wire, topic.name) == 5, "the topic has grown")


def partition_count(wire: WireClient, name: str) -> int:
    return len(describe(wire, name).topics[0].partitions)


def leads(wire: WireClient, name: str, index: int) -> bool:
    """Whether a partition has a leader, of which a real Kafka tells soon after it tells of the partition."""
    return any(
        partition.partition_index == index and partition.error_code == ErrorCode.none
        for partition in describe(wire, name).topics[0].partitions
    )


def elect_leaders(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    def ask(topics: Any, **fields: Any) -> Any:
        answer = wire.ask("ElectLeaders", version, topic_partitions=topics, timeout_ms=MINUTE_MS, **fields)
        assert milliseconds(answer.throttle_time) == 0
        return answer

    def results(answer: Any) -> dict[str, list[tuple[int, Any, str | None]]]:
        return {
            each.topic: [(r.partition_id, r.error_code, r.error_message) for r in each.partition_result]
            for each in answer.replica_election_results
        }

    not_needed = (ErrorCode.election_not_needed, "Leader election not needed for topic partition.")
    unknown = ErrorCode.unknown_topic_or_partition
    for election_type in (0, 1) if version >= 1 else (0,):
        answer = ask(
            [{"topic": topic.name, "partitions": [0, 1, 2]}, {"topic": NOWHERE, "partitions": [0]}],
            election_type=election_type,
        )
        assert results(answer) == {
            topic.name: [(0, *not_needed), (1, *not_needed), (2, unknown, f"No such partition as {topic.name}-2")],
            NOWHERE: [(0, unknown, f"No such topic as {NOWHERE}")],
        }
        everything = results(ask(None, election_type=election_type))
        assert everything[topic.name] == []
    if version >= 1:
        assert answer.error_code == ErrorCode.none
        assert ask([{"topic": topic.name, "partitions": [0]}], election_type=2).error_code == ErrorCode.invalid_request


def alter_partition_reassignments(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    node_id = describe(wire).brokers[0].node_id

    def ask(*targets: list[int] | None, **fields: Any) -> list[tuple[Any, str | None]]:
        partitions = [{"partition_index": index, "replicas": target} for index, target in enumerate(targets)]
        answer = wire.ask(
            "AlterPartitionReassignments",
            version,
            topics=[{"name": topic.name, "partitions": partitions}],
            timeout_ms=MINUTE_MS,
            **fields,
        )
        assert milliseconds(answer.throttle_time) == 0
        assert (answer.error_code, answer.error_message) == (ErrorCode.none, None)
        (result,) = answer.responses
        assert [each.partition_index for each in result.partitions] == list(range(len(targets)))
        return [(each.error_code, each.error_message) for each in result.partitions]

    def bad(message: str) -> tuple[Any, str]:
        return ErrorCode.invalid_replica_assignment, f"The manual partition assignment includes {message}"

    ok = (ErrorCode.none, None)
    for allowed in (True, False):
        assert ask([node_id], [node_id], allow_replication_factor_change=allowed) == [ok, ok]
    unknown = f"broker {node_id + 99}, but no such broker is registered."
    assert ask([node_id, node_id + 99], []) == [bad(unknown), bad("an empty replica list.")]
    assert ask([node_id, node_id], [node_id], [node_id]) == [
        bad(f"the broker {node_id} more than once."),
        ok,
        (ErrorCode.unknown_topic_or_partition, f"Unable to find partition {topic.name}:2."),
    ]
    assert [code for code, _ in ask(None)] == [ErrorCode.no_reassignment_in_progress]


def list_partition_reassignments(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    for topics in (
        None,
        [],
        [{"name": topic.name, "partition_indexes": [0, 7]}, {"name": NOWHERE, "partition_indexes": [0]}],
    ):
        answer = wire.ask("ListPartitionReassignments", version, topics=topics, timeout_ms=MINUTE_MS)
        assert milliseconds(answer.throttle_time) == 0
        assert (answer.error_code, answer.error_message, answer.topics) == (ErrorCode.none, None, ())


def describe_topic_partitions(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    node_id = describe(wire).brokers[0].node_id

    def ask(*names: str, limit: int = 2000, cursor: Any = None) -> Any:
        return wire.ask(
            "DescribeTopicPartitions",
            version,
            topics=[{"name": name} for name in names],
            response_partition_limit=limit,
            cursor=cursor,
        )

    answer = ask(topic.name, NOWHERE)
    assert milliseconds(answer.throttle_time) == 0
    assert answer.next_cursor is None
    unknown, described = answer.topics
    assert (unknown.name, unknown.error_code) == (NOWHERE, ErrorCode.unknown_topic_or_partition)
    assert (described.name, described.error_code, described.topic_id) == (topic.name, ErrorCode.none, topic.id)
    assert described.is_internal is False
    assert described.topic_authorized_operations == TOPIC_OPERATIONS
    assert [partition.partition_index for partition in described.partitions] == [0, 1]
    for partition in described.partitions:
        assert partition.error_code == ErrorCode.none
        assert partition.leader_id == node_id
        assert partition.leader_epoch >= 0
        assert partition.replica_nodes == partition.isr_nodes == (node_id,)
        assert partition.eligible_leader_replicas == partition.last_known_elr == partition.offline_replicas == ()
    page = ask(topic.name, limit=1)
    assert [partition.partition_index for partition in page.topics[0].partitions] == [0]
    assert (page.next_cursor.topic_name, page.next_cursor.partition_index) == (topic.name, 1)
    page = ask(topic.name, limit=1, cursor={"topic_name": topic.name, "partition_index": 1})
    assert [partition.partition_index for partition in page.topics[0].partitions] == [1]
    assert page.next_cursor is None
    refused = ask(topic.name, cursor={"topic_name": NOWHERE, "partition_index": 0})
    assert [each.error_code for each in refused.topics] == [ErrorCode.invalid_request]
