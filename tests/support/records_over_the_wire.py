"""Produce and fetch with the raw client, for tests that need records or want to see what is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .record_batches import Batch, Record, decode_batches, encode_batch
from .wire import WireClient

FETCH_BYTES = 64 * 1024 * 1024


def produce_batch(wire: WireClient, topic: str, batch: bytes, *, partition: int = 0, acks: int = -1) -> Any:
    """Produce one encoded batch and return the partition's answer, whatever it is."""
    answer = wire.ask(
        "Produce",
        9,
        acks=acks,
        timeout_ms=30_000,
        topic_data=[{"name": topic, "partition_data": [{"index": partition, "records": batch}]}],
    )
    (topic_answer,) = answer.responses
    (partition_answer,) = topic_answer.partition_responses
    return partition_answer


def produce(wire: WireClient, topic: str, *records: Record | bytes, partition: int = 0) -> int:
    """Produce the records as one batch and return their first offset."""
    answer = produce_batch(wire, topic, encode_batch(records), partition=partition)
    assert answer.error_code == 0, answer
    return int(answer.base_offset)


def fetch(
    wire: WireClient,
    topic: str,
    offset: int = 0,
    *,
    partition: int = 0,
    max_wait_ms: int = 0,
    min_bytes: int = 0,
    max_bytes: int = FETCH_BYTES,
) -> Any:
    """Fetch once, without a session, and return the partition's answer, whatever it is."""
    answer = wire.ask(
        "Fetch",
        12,
        max_wait_ms=max_wait_ms,
        min_bytes=min_bytes,
        max_bytes=max_bytes,
        topics=[
            {
                "topic": topic,
                "partitions": [{"partition": partition, "fetch_offset": offset, "partition_max_bytes": max_bytes}],
            }
        ],
    )
    assert answer.error_code == 0, answer
    (topic_answer,) = answer.responses
    (partition_answer,) = topic_answer.partitions
    return partition_answer


def read_all(wire: WireClient, topic: str, *, partition: int = 0) -> list[Batch]:
    """All batches of a partition, from its log start offset to the high watermark."""
    (offset, end) = (list_offset(wire, topic, timestamp, partition=partition).offset for timestamp in (-2, -1))
    batches: list[Batch] = []
    while offset < end:
        answer = fetch(wire, topic, offset, partition=partition)
        assert answer.error_code == 0, answer
        more = decode_batches(answer.records)
        assert more, f"nothing at offset {offset} of {topic}-{partition}, which ends at {end}"
        batches += more
        offset = batches[-1].last_offset + 1
    return batches


def list_offset(wire: WireClient, topic: str, timestamp: int, *, partition: int = 0, version: int = 7) -> Any:
    """Ask for the offset of a timestamp, or of one of the special ones, and return the partition's answer."""
    answer = wire.ask(
        "ListOffsets",
        version,
        replica_id=-1,
        topics=[{"name": topic, "partitions": [{"partition_index": partition, "timestamp": timestamp}]}],
    )
    (topic_answer,) = answer.topics
    (partition_answer,) = topic_answer.partitions
    return partition_answer


def describe(wire: WireClient, *topics: str) -> Any:
    """Ask for the metadata of topics, none of which is created by that."""
    return wire.ask("Metadata", 12, topics=[{"name": topic} for topic in topics], allow_auto_topic_creation=False)


def values_of(batches: Sequence[Batch]) -> list[bytes | None]:
    """The values of all records, in order."""
    return [record.value for batch in batches for record in batch.records]
