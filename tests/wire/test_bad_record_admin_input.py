"""DeleteRecords that must be refused, beside others of the same request that must not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kio.schema.errors import ErrorCode

from tests.support.record_batches import Record
from tests.support.records_over_the_wire import list_offset, produce
from tests.support.under_test import settled
from tests.support.wire import WireClient

Answers = dict[tuple[str, int], tuple[ErrorCode, int]]


def delete(wire: WireClient, *wanted: tuple[str, list[tuple[int, int]]], timeout_ms: int = 30_000) -> Answers:
    """Error code and low watermark by partition."""
    topics = [
        {"name": name, "partitions": [{"partition_index": index, "offset": offset} for index, offset in offsets]}
        for name, offsets in wanted
    ]
    answer = wire.ask("DeleteRecords", 2, topics=topics, timeout_ms=timeout_ms)
    return {
        (topic.name, partition.partition_index): (ErrorCode(partition.error_code), partition.low_watermark)
        for topic in answer.topics
        for partition in topic.partitions
    }


@pytest.fixture
def filled(wire: WireClient, make_topic: Callable[..., str]) -> Callable[..., str]:
    """Make topics with five records."""

    def make(**configs: str) -> str:
        name = make_topic(**configs)
        produce(wire, name, *(Record(b"value", key=b"key") for _ in range(5)))
        return name

    return make


def test_only_what_is_compacted_alone_is_refused(wire: WireClient, filled: Callable[..., str]) -> None:
    names = {policy: filled(cleanup_policy=policy) for policy in ("compact", "compact,delete", "delete", "")}
    answers = delete(wire, *((name, [(0, 2)]) for name in names.values()))
    refused = answers.pop((names["compact"], 0))
    assert refused == (ErrorCode.policy_violation, -1)
    assert set(answers.values()) == {(ErrorCode.none, 2)}
    assert list_offset(wire, names["compact"], -2).offset == 0


def test_one_bad_partition_does_not_hinder_the_others(wire: WireClient, filled: Callable[..., str]) -> None:
    names = [filled() for _ in range(3)]
    assert delete(
        wire,
        (names[0], [(0, 6), (1, 0), (-1, 0)]),
        (names[1], [(0, 5)]),
        ("", [(0, 1)]),
        (names[2], [(0, -2)]),
        (names[0] + "/", [(0, 0)]),
        ("x" * 300, []),
    ) == {
        (names[0], 0): (ErrorCode.offset_out_of_range, -1),
        (names[0], 1): (ErrorCode.unknown_topic_or_partition, -1),
        (names[0], -1): (ErrorCode.unknown_topic_or_partition, -1),
        (names[1], 0): (ErrorCode.none, 5),
        ("", 0): (ErrorCode.unknown_topic_or_partition, -1),
        (names[2], 0): (ErrorCode.offset_out_of_range, -1),
        (names[0] + "/", 0): (ErrorCode.unknown_topic_or_partition, -1),
    }
    for offset in (-(1 << 63), (1 << 63) - 1):
        assert delete(wire, (names[0], [(0, offset)])) == {(names[0], 0): (ErrorCode.offset_out_of_range, -1)}
    assert delete(wire, (names[0], [])) == {}


def test_a_partition_that_comes_twice_is_answered_once(wire: WireClient, filled: Callable[..., str]) -> None:
    name = filled()
    assert delete(wire, (name, [(0, 5), (0, -2), (0, 4)]), (name, [(0, 1)])) == {(name, 0): (ErrorCode.none, 1)}
    assert delete(wire, (name, [(0, 2), (0, 99)])) == {(name, 0): (ErrorCode.offset_out_of_range, -1)}
    assert list_offset(wire, name, -2).offset == 1


@pytest.mark.parametrize("timeout_ms", [0, -1, -(1 << 31)])
def test_there_is_nothing_to_wait_for(wire: WireClient, filled: Callable[..., str], timeout_ms: int) -> None:
    name = filled()
    assert delete(wire, (name, [(0, -1)]), timeout_ms=timeout_ms) == {(name, 0): (ErrorCode.none, 5)}


def test_internal_topics_keep_their_records(wire: WireClient, topic_name: Callable[[], str]) -> None:
    group = topic_name()

    def coordinator_is_there() -> bool:
        return bool(wire.ask("FindCoordinator", 2, key=group).error_code == ErrorCode.none)

    assert settled(coordinator_is_there, "the groups' topic is there")
    assert delete(wire, ("__consumer_offsets", [(0, -1), (9999, 0)])) == {
        ("__consumer_offsets", 0): (ErrorCode.invalid_topic_exception, -1),
        ("__consumer_offsets", 9999): (ErrorCode.unknown_topic_or_partition, -1),
    }
