"""Finding records by timestamp, as ListOffsets asks for them.

The time index narrows the search to a few batches, their headers to one; only that one is opened. Its records may be
anything a producer sent: where they cannot be read, the batch's base offset is the answer, which is never too late.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from protocol.errors import MalformedFrame
from protocol.record_batch import BatchHeader
from protocol.records import Record, iterate

from .segment import Segment

UNKNOWN_OFFSET = -1


class TimestampAndOffset(NamedTuple):
    """A record's timestamp in ms, its offset, and the leader epoch of its batch; -1 each where there is no record."""

    timestamp: int
    offset: int
    leader_epoch: int


NOT_FOUND = TimestampAndOffset(-1, UNKNOWN_OFFSET, -1)


def first_at_or_after(segment: Segment, timestamp_ms: int, start_offset: int) -> TimestampAndOffset | None:
    """The first record of a segment at or above `start_offset` whose timestamp is at least `timestamp_ms`."""
    known = segment.time_index.lookup(timestamp_ms)
    # No batch up to that entry's has a larger timestamp, but its own may be the one.
    start = segment.offset_index.lookup(max(known.offset, start_offset)).position
    for position, header in segment.headers(start):
        if header.max_timestamp >= timestamp_ms and header.last_offset >= start_offset:
            found = _first_record(
                segment,
                position,
                header,
                lambda record: record.timestamp >= timestamp_ms and record.offset >= start_offset,
            )
            if found is not None:
                return found
    return None


def first_with_largest(segment: Segment) -> TimestampAndOffset | None:
    """The first record of a segment that has the segment's largest timestamp; None for an empty one."""
    largest = segment.largest_timestamp
    start = segment.offset_index.lookup(largest.offset).position
    for position, header in segment.headers(start):
        if header.max_timestamp == largest.timestamp:
            return _first_record(segment, position, header, lambda record: record.timestamp == largest.timestamp)
    return None


def _first_record(
    segment: Segment, position: int, header: BatchHeader, wanted: Callable[[Record], bool]
) -> TimestampAndOffset | None:
    batch = segment.read_bytes(position, header.size_bytes)
    try:
        for record in iterate(batch):
            if wanted(record):
                return TimestampAndOffset(record.timestamp, record.offset, header.partition_leader_epoch)
    except MalformedFrame:
        return TimestampAndOffset(header.max_timestamp, header.base_offset, header.partition_leader_epoch)
    return None
