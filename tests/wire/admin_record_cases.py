"""The APIs that delete records and tell of producers, in any of their versions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from kio.schema.errors import ErrorCode

from tests.support.record_batches import encode_batch
from tests.support.records_over_the_wire import list_offset, produce, produce_batch, read_all, values_of
from tests.support.wire import WireClient, milliseconds

NOWHERE = "no-such-topic"


def delete_records(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    for value in (b"zero", b"one", b"two", b"three"):
        produce(wire, topic.name, value)

    def ask(*wanted: tuple[str, int, int]) -> dict[tuple[str, int], tuple[ErrorCode, int]]:
        topics = [
            {"name": name, "partitions": [{"partition_index": index, "offset": offset}]}
            for name, index, offset in wanted
        ]
        answer = wire.ask("DeleteRecords", version, topics=topics, timeout_ms=30_000)
        assert milliseconds(answer.throttle_time) == 0
        return {
            (answered.name, partition.partition_index): (ErrorCode(partition.error_code), partition.low_watermark)
            for answered in answer.topics
            for partition in answered.partitions
        }

    there = (topic.name, 0)
    assert ask((*there, 2)) == {there: (ErrorCode.none, 2)}
    assert values_of(read_all(wire, topic.name)) == [b"two", b"three"]
    assert list_offset(wire, topic.name, -2).offset == 2
    assert ask((*there, 1)) == {there: (ErrorCode.none, 2)}
    assert ask((*there, 99), (*there, 3)) == {there: (ErrorCode.none, 3)}, "the last one counts"
    for offset in (5, -2):
        assert ask((*there, offset)) == {there: (ErrorCode.offset_out_of_range, -1)}
    assert ask((*there, -1), (topic.name, 1, -1), (topic.name, 9, 0), (NOWHERE, 0, 0), ("", 0, 0)) == {
        there: (ErrorCode.none, 4),
        (topic.name, 1): (ErrorCode.none, 0),
        (topic.name, 9): (ErrorCode.unknown_topic_or_partition, -1),
        (NOWHERE, 0): (ErrorCode.unknown_topic_or_partition, -1),
        ("", 0): (ErrorCode.unknown_topic_or_partition, -1),
    }
    produce(wire, topic.name, b"four")
    assert values_of(read_all(wire, topic.name)) == [b"four"]
    assert ask() == {}


def describe_producers(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    known = wire.ask("InitProducerId", 4, transactional_id=None, transaction_timeout_ms=60_000)
    for sequence in (0, 2):
        batch = encode_batch(
            [b"a", b"b"],
            producer_id=known.producer_id,
            producer_epoch=known.producer_epoch,
            base_sequence=sequence,
        )
        assert produce_batch(wire, topic.name, batch, partition=1).error_code == ErrorCode.none

    def ask(*topics: tuple[str, list[int]]) -> dict[tuple[str, int], Any]:
        answer = wire.ask(
            "DescribeProducers", version, topics=[{"name": name, "partition_indexes": each} for name, each in topics]
        )
        assert milliseconds(answer.throttle_time) == 0
        return {
            (answered.name, partition.partition_index): partition
            for answered in answer.topics
            for partition in answered.partitions
        }

    found = ask((topic.name, [1, 0, 9]), (NOWHERE, [0]), ("not a name", [0]))
    (producer,) = found[topic.name, 1].active_producers
    assert (producer.producer_id, producer.producer_epoch) == (known.producer_id, known.producer_epoch)
    assert (producer.last_sequence, producer.coordinator_epoch, producer.current_txn_start_offset) == (3, -1, -1)
    assert producer.last_timestamp > 0
    assert found[topic.name, 0].active_producers == ()
    codes = {key: (ErrorCode(partition.error_code), partition.error_message) for key, partition in found.items()}
    assert codes == {
        (topic.name, 1): (ErrorCode.none, None),
        (topic.name, 0): (ErrorCode.none, None),
        (topic.name, 9): (ErrorCode.unknown_topic_or_partition, None),
        (NOWHERE, 0): (ErrorCode.unknown_topic_or_partition, "This server does not host this topic-partition."),
        ("not a name", 0): (
            ErrorCode.invalid_topic_exception,
            "Topic name is invalid: 'not a name' contains one or more characters other than ASCII alphanumerics, "
            "'.', '_' and '-'",
        ),
    }
    assert ask() == {}
