"""The APIs that carry and find records, in any of their versions."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from kio.schema.errors import ErrorCode

from tests.support.record_batches import Record, decode_batches, encode_batch
from tests.support.records_over_the_wire import describe, produce, read_all, values_of
from tests.support.wire import WireClient, milliseconds

MINUTE_MS = 60_000
FIRST_MS = 1_700_000_000_000


def produce_case(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    def ask(acks: int, partition: int, records: bytes) -> Any:
        answer = wire.ask(
            "Produce",
            version,
            acks=acks,
            timeout_ms=MINUTE_MS,
            topic_data=[
                {
                    "name": topic.name,
                    "topic_id": topic.id,
                    "partition_data": [{"index": partition, "records": records}],
                }
            ],
        )
        assert milliseconds(answer.throttle_time) == 0
        (topic_answer,) = answer.responses
        if version >= 13:
            assert topic_answer.topic_id == topic.id
        else:
            assert topic_answer.name == topic.name
        (partition_answer,) = topic_answer.partition_responses
        assert partition_answer.index == partition
        return partition_answer

    for acks, base_offset in ((1, 0), (-1, 2)):
        answer = ask(acks, 1, encode_batch([b"a", b"b"]))
        assert (answer.error_code, answer.base_offset) == (ErrorCode.none, base_offset)
        assert answer.log_append_time is None
        if version >= 5:
            assert answer.log_start_offset == 0
    assert values_of(read_all(wire, topic.name, partition=1)) == [b"a", b"b"] * 2
    unknown = ask(1, 7, encode_batch([b"a"]))
    assert (unknown.error_code, unknown.base_offset) == (ErrorCode.unknown_topic_or_partition, -1)
    zstd = ask(1, 1, encode_batch([b"z"], codec="zstd"))
    assert zstd.error_code == (ErrorCode.none if version >= 7 else ErrorCode.unsupported_compression_type)


def fetch_case(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    for value in (b"zero", b"one", b"two"):
        produce(wire, topic.name, value)

    def ask(offset: int, **session: int) -> Any:
        return wire.ask(
            "Fetch",
            version,
            max_wait_ms=MINUTE_MS,
            min_bytes=1,
            max_bytes=1 << 20,
            topics=[
                {
                    "topic": topic.name,
                    "topic_id": topic.id,
                    "partitions": [{"partition": 0, "fetch_offset": offset, "partition_max_bytes": 1 << 20}],
                }
            ],
            **session,
        )

    answer = ask(1)
    assert milliseconds(answer.throttle_time) == 0
    (topic_answer,) = answer.responses
    if version >= 13:
        assert topic_answer.topic_id == topic.id
    else:
        assert topic_answer.topic == topic.name
    (partition,) = topic_answer.partitions
    assert (partition.partition_index, partition.error_code) == (0, ErrorCode.none)
    assert (partition.high_watermark, partition.last_stable_offset) == (3, 3)
    assert not partition.aborted_transactions
    batches = decode_batches(partition.records)
    assert [(batch.base_offset, values_of([batch])) for batch in batches] == [(1, [b"one"]), (2, [b"two"])]
    assert all(batch.leader_epoch >= 0 for batch in batches)
    if version >= 5:
        assert partition.log_start_offset == 0
    if version >= 11:
        assert partition.preferred_read_replica == -1
    (out_of_range,) = ask(9).responses[0].partitions
    assert out_of_range.error_code == ErrorCode.offset_out_of_range
    if version >= 7:
        assert (answer.error_code, answer.session_id) == (ErrorCode.none, 0)
        session_id = ask(2, session_id=0, session_epoch=0).session_id
        assert session_id > 0
        produce(wire, topic.name, b"three")
        # The session remembers the partition, and the offset that it was last asked for.
        incremental = wire.ask(
            "Fetch",
            version,
            max_wait_ms=MINUTE_MS,
            min_bytes=1,
            max_bytes=1 << 20,
            session_id=session_id,
            session_epoch=1,
        )
        assert incremental.session_id == session_id
        (again,) = incremental.responses[0].partitions
        assert values_of(decode_batches(again.records)) == [b"two", b"three"]
        lost = wire.ask("Fetch", version, max_wait_ms=0, min_bytes=0, session_id=session_id ^ 1, session_epoch=1)
        assert (lost.error_code, lost.responses) == (ErrorCode.fetch_session_id_not_found, ())


def list_offsets(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    produce(wire, topic.name, *(Record(b"x", timestamp=FIRST_MS + 1000 * i) for i in (0, 3, 1)))

    def ask(timestamp: int, partition: int = 0) -> Any:
        answer = wire.ask(
            "ListOffsets",
            version,
            replica_id=-1,
            isolation_level=1,
            topics=[{"name": topic.name, "partitions": [{"partition_index": partition, "timestamp": timestamp}]}],
        )
        if version >= 2:
            assert milliseconds(answer.throttle_time) == 0
        (topic_answer,) = answer.topics
        assert topic_answer.name == topic.name
        (partition_answer,) = topic_answer.partitions
        assert partition_answer.partition_index == partition
        if version >= 4 and partition_answer.offset >= 0:
            assert partition_answer.leader_epoch >= 0
        return partition_answer

    def found(timestamp: int) -> tuple[int, int]:
        answer = ask(timestamp)
        assert answer.error_code == ErrorCode.none
        return answer.offset, answer.timestamp

    latest, earliest, max_timestamp, earliest_local = -1, -2, -3, -4
    assert found(latest) == (3, -1)
    assert found(earliest) == (0, -1)
    assert found(FIRST_MS + 1) == (1, FIRST_MS + 3000)
    assert found(FIRST_MS + 3001) == (-1, -1)
    if version >= 7:
        assert found(max_timestamp) == (1, FIRST_MS + 3000)
    if version >= 8:
        assert found(earliest_local) == (0, -1)
    for timestamp, since_version in ((-5, 9), (-6, 11)):
        if version >= since_version:
            assert found(timestamp)[0] == -1
    assert ask(latest, partition=7).error_code == ErrorCode.unknown_topic_or_partition


def init_producer_id(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    answers = [
        wire.ask("InitProducerId", version, transactional_id=None, transaction_timeout_ms=MINUTE_MS) for _ in range(2)
    ]
    for answer in answers:
        assert milliseconds(answer.throttle_time) == 0
        assert (answer.error_code, answer.producer_epoch) == (ErrorCode.none, 0)
    assert 0 <= answers[0].producer_id < answers[1].producer_id


def offset_for_leader_epoch(wire: WireClient, version: int, topic: SimpleNamespace) -> None:
    produce(wire, topic.name, b"a", b"b")
    (described,) = describe(wire, topic.name).topics
    epoch = next(each.leader_epoch for each in described.partitions if each.partition_index == 0)

    def ask(leader_epoch: int, **partition: int) -> Any:
        answer = wire.ask(
            "OffsetForLeaderEpoch",
            version,
            replica_id=-1,
            topics=[{"topic": topic.name, "partitions": [{"partition": 0, "leader_epoch": leader_epoch, **partition}]}],
        )
        assert milliseconds(answer.throttle_time) == 0
        (topic_answer,) = answer.topics
        assert topic_answer.topic == topic.name
        (partition_answer,) = topic_answer.partitions
        return partition_answer

    found = ask(epoch)
    assert (found.error_code, found.partition, found.leader_epoch, found.end_offset) == (ErrorCode.none, 0, epoch, 2)
    later = ask(epoch + 5)
    assert (later.error_code, later.leader_epoch, later.end_offset) == (ErrorCode.none, -1, -1)
    assert ask(epoch, current_leader_epoch=epoch).error_code == ErrorCode.none
    assert ask(epoch, current_leader_epoch=epoch + 1).error_code == ErrorCode.unknown_leader_epoch
    assert ask(epoch, partition=7).error_code == ErrorCode.unknown_topic_or_partition
