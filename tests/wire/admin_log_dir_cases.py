"""The APIs that tell of log directories and move logs between them, in any of their versions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from kio.schema.errors import ErrorCode

from tests.support.records_over_the_wire import produce
from tests.support.wire import WireClient

from .topic_cases import NOWHERE


def describe_log_dirs(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    produce(wire, topic.name, b"one record", partition=1)
    everything = wire.ask("DescribeLogDirs", version, topics=None)
    assert len({directory.log_dir for directory in everything.results}) == len(everything.results) > 0
    assert {directory.error_code for directory in everything.results} == {ErrorCode.none}
    if version >= 3:
        assert everything.error_code == ErrorCode.none
    if version >= 4:
        assert all(directory.total_bytes >= directory.usable_bytes > 0 for directory in everything.results)
    logs = {
        (described.name, log.partition_index): log
        for directory in everything.results
        for described in directory.topics
        for log in described.partitions
    }
    assert logs[topic.name, 0].partition_size == 0
    assert logs[topic.name, 1].partition_size > len(b"one record")
    assert {(log.offset_lag, log.is_future_key) for log in logs.values()} == {(0, False)}

    asked = [{"topic": topic.name, "partitions": [1, 7]}, {"topic": NOWHERE, "partitions": [0]}]
    some = wire.ask("DescribeLogDirs", version, topics=asked)
    assert [
        (described.name, [log.partition_index for log in described.partitions])
        for directory in some.results
        for described in directory.topics
    ] == [(topic.name, [1])]


def alter_replica_log_dirs(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    """To where the log is already; tests/clients and tests/faults move some."""
    before = _directories(wire, topic.name)
    wanted = [
        {"path": before[0], "topics": [{"name": topic.name, "partitions": [0]}]},
        {"path": "/no-such-directory", "topics": [{"name": topic.name, "partitions": [1]}]},
    ]
    answer = wire.ask("AlterReplicaLogDirs", version, dirs=wanted)
    assert {
        (described.topic_name, result.partition_index): result.error_code
        for described in answer.results
        for result in described.partitions
    } == {(topic.name, 0): ErrorCode.none, (topic.name, 1): ErrorCode.log_dir_not_found}
    assert _directories(wire, topic.name) == before


def _directories(wire: WireClient, topic: str) -> dict[int, Any]:
    answer = wire.ask("DescribeLogDirs", 4, topics=[{"topic": topic, "partitions": [0, 1]}])
    return {
        log.partition_index: directory.log_dir
        for directory in answer.results
        for described in directory.topics
        for log in described.partitions
    }
