"""Finding records by timestamp, as ListOffsets asks for them.

The time index narrows the search to a few batches, their headers to one; only that one is opened. Its records may be
anything a producer sent: where they cannot be read, are too many, or are not what the header says, the batch's base
offset is the answer, which is never too late. So no producer can make a search open batch after batch in vain.

A search may be long all the same (a kilobyte of Zstandard unfolds to many records, and equal timestamps leave the index
nothing to narrow), so it is a generator: it yields every millisecond or two, for others to have their turn, and returns
what it found.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple, TypeAlias, TypeVar

from protocol.errors import MalformedFrame
from protocol.record_batch import BatchHeader
from protocol.records import iterate

from .segment import Segment

UNKNOWN_OFFSET = -1

_HEADERS_PER_STEP = 256
_RECORDS_PER_STEP = 512

_T = TypeVar("_T")

_DECOMPRESSED_BYTES_MAX = 16 << 20
"""Most bytes of records that a search walks over; small ones take a third of a second per MB."""


class TimestampAndOffset(NamedTuple):
    """A record's timestamp in ms, its offset, and the leader epoch of its batch; -1 each where there is no record."""

    timestamp: int
    offset: int
    leader_epoch: int


NOT_FOUND = TimestampAndOffset(-1, UNKNOWN_OFFSET, -1)

Steps: TypeAlias = Generator[None, None, _T]
"""A search in steps; with each it may raise OSError, or KafkaError (CORRUPT_MESSAGE)."""


def at_once(steps: Steps[_T]) -> _T:
    """Takes all steps of a search and returns what it found."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: _T = end.value
            return found


def first_at_or_after(segment: Segment, timestamp_ms: int, start_offset: int) -> Steps[TimestampAndOffset | None]:
    """Finds the first record of a segment at or above `start_offset` whose timestamp is at least `timestamp_ms`."""
    known = segment.time_index.lookup(timestamp_ms)
    # No batch up to that entry's has a larger timestamp, but its own may be the one.
    start = segment.offset_index.lookup(max(known.offset, start_offset)).position
    return _first_record(segment, start, timestamp_ms, start_offset)


def first_with_largest(segment: Segment) -> Steps[TimestampAndOffset | None]:
    """Finds the first record of a segment that has the segment's largest timestamp; None for an empty one."""
    largest = segment.largest_timestamp
    start = segment.offset_index.lookup(largest.offset).position
    return _first_record(segment, start, largest.timestamp, start_offset=0)


def _first_record(
    segment: Segment, start: int, timestamp_ms: int, start_offset: int
) -> Steps[TimestampAndOffset | None]:
    file = segment.file
    file.pin()  # between two steps the segment may be deleted, or go on with another file
    try:
        for count, (position, header) in enumerate(segment.headers(start), 1):
            # One without records is what compaction leaves of a producer's last batch.
            if header.max_timestamp >= timestamp_ms and header.last_offset >= start_offset and header.records_count:
                batch = segment.read_bytes(position, header.size_bytes)
                found = yield from _first_in_batch(batch, header, timestamp_ms, start_offset)
                if found is not None:
                    return found
            if count % _HEADERS_PER_STEP == 0:
                yield
        return None
    finally:
        file.unpin()


def _first_in_batch(
    batch: bytes, header: BatchHeader, timestamp_ms: int, start_offset: int
) -> Steps[TimestampAndOffset | None]:
    """Finds the first record of a batch that is wanted; None where it may be among those below `start_offset`."""
    try:
        for count, record in enumerate(iterate(batch, _DECOMPRESSED_BYTES_MAX), 1):
            if record.timestamp >= timestamp_ms and record.offset >= start_offset:
                return TimestampAndOffset(record.timestamp, record.offset, header.partition_leader_epoch)
            if count % _RECORDS_PER_STEP == 0:
                yield
        if header.base_offset < start_offset:
            return None
    except MalformedFrame:
        pass
    return TimestampAndOffset(
        header.max_timestamp, max(header.base_offset, start_offset), header.partition_leader_epoch
    )
