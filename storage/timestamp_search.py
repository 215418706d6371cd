"""Finding records by timestamp, as ListOffsets asks for them.

The time index narrows the search to a few batches, their headers to one; only that one is opened. Its records may be
anything a producer sent: where they cannot be read, are too many, or are not what the header says, the batch's base
offset is the answer, which is never too late. So no producer can make a search open batch after batch in vain.

A search may be long all the same (a kilobyte of Zstandard unfolds to many records, and equal timestamps leave the index
nothing to narrow), so it is a generator: it yields every millisecond or two, for others to have their turn, and returns
what it found. It also yields what has to come from the disk before it can go on; if nobody cares, it waits for that.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple, TypeAlias, TypeVar

from protocol.errors import MalformedFrame
from protocol.record_batch import BatchHeader
from protocol.records import iterate

from .batch_walk import walk_headers
from .cold_read import ATTEMPTS_MAX, ColdRead
from .descriptors import CachedFile, DescriptorCache
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

Steps: TypeAlias = Generator[ColdRead | None, None, _T]
"""A search in steps; with each it may raise OSError, or KafkaError (CORRUPT_MESSAGE).

A step that ends with a ColdRead wants it read in before the next one.
"""


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

    def start() -> int | None:
        if segment.largest_timestamp.timestamp < timestamp_ms:
            return None
        known = segment.time_index.lookup(timestamp_ms)
        # No batch up to that entry's has a larger timestamp, but its own may be the one.
        return segment.offset_index.lookup(max(known.offset, start_offset)).position

    position = yield from _unless_removed(segment, start)
    if position is None:
        return None
    return (yield from _first_record(segment, position, timestamp_ms, start_offset))


def first_with_largest(segments: Sequence[Segment]) -> Steps[TimestampAndOffset | None]:
    """Finds the first record that has the largest timestamp of these segments; None where they are empty."""
    found: tuple[Segment, int] | None = None
    largest = 0
    for segment in segments:

        def start(segment: Segment = segment) -> tuple[int, int]:
            timestamp, offset = segment.largest_timestamp
            return timestamp, segment.offset_index.lookup(offset).position

        there = yield from _unless_removed(segment, start)
        if there is not None and (found is None or there[0] > largest):
            largest, position = there
            found = segment, position
    if found is None or found[0].file.removed:
        return None
    return (yield from _first_record(*found, largest, start_offset=0))


def _unless_removed(segment: Segment, read: Callable[[], _T]) -> Steps[_T | None]:
    """`_from_memory` for what reads the indexes of a segment; None once the segment is no longer in its log."""
    steps = _from_memory(segment.file.cache, read)
    while not segment.file.removed:
        try:
            cold = next(steps)
        except StopIteration as end:
            found: _T = end.value
            return found
        yield cold
    return None


def _from_memory(files: DescriptorCache, read: Callable[[], _T]) -> Steps[_T]:
    """Calls `read` until all that it reads is in memory; yields what is not."""
    for _ in range(ATTEMPTS_MAX):
        files.cached_only = True
        try:
            return read()
        except ColdRead as cold:
            missing = cold
        finally:
            files.cached_only = False
        yield missing
    return read()


def _first_record(
    segment: Segment, position: int, timestamp_ms: int, start_offset: int
) -> Steps[TimestampAndOffset | None]:
    file = segment.file
    end = segment.size_bytes
    file.pin()  # between two steps the segment may be deleted, or go on with another file
    try:
        while position < end:
            look = partial(_next_with, file, position, end, timestamp_ms, start_offset)
            position, header = yield from _from_memory(file.cache, look)
            if header is None:
                yield None
                continue
            batch = yield from _from_memory(file.cache, partial(file.pread, header.size_bytes, position))
            found = yield from _first_in_batch(batch, header, timestamp_ms, start_offset)
            if found is not None:
                return found
            position += header.size_bytes
        return None
    finally:
        file.unpin()


def _next_with(
    file: CachedFile, position: int, end: int, timestamp_ms: int, start_offset: int
) -> tuple[int, BatchHeader | None]:
    """The next batch that may hold the record, as (position, header); None, and how far was looked, after a step."""
    for start, header in islice(walk_headers(file, position, end), _HEADERS_PER_STEP):
        # One without records is what compaction leaves of a producer's last batch.
        if header.max_timestamp >= timestamp_ms and header.last_offset >= start_offset and header.records_count:
            return start, header
        position = start + header.size_bytes
    return position, None


def _first_in_batch(
    batch: bytes, header: BatchHeader, timestamp_ms: int, start_offset: int
) -> Steps[TimestampAndOffset | None]:
    """Finds the first record of a batch that is wanted; None where it may be among those below `start_offset`."""
    try:
        for count, record in enumerate(iterate(batch, _DECOMPRESSED_BYTES_MAX), 1):
            if record.timestamp >= timestamp_ms and record.offset >= start_offset:
                return TimestampAndOffset(record.timestamp, record.offset, header.partition_leader_epoch)
            if count % _RECORDS_PER_STEP == 0:
                yield None
        if header.base_offset < start_offset:
            return None
    except MalformedFrame:
        pass
    return TimestampAndOffset(
        header.max_timestamp, max(header.base_offset, start_offset), header.partition_leader_epoch
    )
