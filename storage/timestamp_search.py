"""Finding records by timestamp, as ListOffsets asks for them.

The time index narrows the search to a few batches, their headers to one; only that one is opened. Its records may be
anything a producer sent: where they cannot be read, are too many, or are not what the header says, the batch's base
offset is the answer, which is never too late. So no producer can make a search open batch after batch in vain.
"""

from __future__ import annotations

from typing import NamedTuple

from protocol.errors import MalformedFrame
from protocol.record_batch import BatchHeader
from protocol.records import iterate

from .segment import Segment

UNKNOWN_OFFSET = -1

_DECOMPRESSED_BYTES_MAX = 16 << 20
"""Most bytes of records that a search walks over; small ones take a third of a second per MB."""


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
        # One without records is what compaction leaves of a producer's last batch.
        if header.max_timestamp >= timestamp_ms and header.last_offset >= start_offset and header.records_count:
            found = _first_record(segment, position, header, timestamp_ms, start_offset)
            if found is not None:
                return found
    return None


def first_with_largest(segment: Segment) -> TimestampAndOffset | None:
    """The first record of a segment that has the segment's largest timestamp; None for an empty one."""
    largest = segment.largest_timestamp
    start = segment.offset_index.lookup(largest.offset).position
    for position, header in segment.headers(start):
        if header.max_timestamp == largest.timestamp:
            return _first_record(segment, position, header, largest.timestamp, header.base_offset)
    return None


def _first_record(
    segment: Segment, position: int, header: BatchHeader, timestamp_ms: int, start_offset: int
) -> TimestampAndOffset | None:
    """The first record of a batch that is wanted; None where it may be among those below `start_offset`."""
    batch = segment.read_bytes(position, header.size_bytes)
    try:
        for record in iterate(batch, _DECOMPRESSED_BYTES_MAX):
            if record.timestamp >= timestamp_ms and record.offset >= start_offset:
                return TimestampAndOffset(record.timestamp, record.offset, header.partition_leader_epoch)
        if header.base_offset < start_offset:
            return None
    except MalformedFrame:
        pass
    return TimestampAndOffset(
        header.max_timestamp, max(header.base_offset, start_offset), header.partition_leader_epoch
    )
