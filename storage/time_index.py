"""The `.timeindex` file of a segment: from which offset on a timestamp may be found, sparse, in Kafka's format.

Entries are int64 timestamp in ms, int32 offset relative to the segment's base, big-endian, timestamps rising: no batch
up to that offset has a larger timestamp. The last entry of a closed segment holds its largest timestamp.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from .descriptors import CachedFile
from .index_file import IndexFile

SUFFIX = ".timeindex"
ENTRY = struct.Struct(">qi")
NO_TIMESTAMP = -1


class TimestampOffset(NamedTuple):
    """A timestamp in ms and the last offset of the batch that has it."""

    timestamp: int
    offset: int


class TimeIndex:
    """Timestamps to offsets of one segment."""

    __slots__ = ("_base_offset", "_last_timestamp", "entries")

    def __init__(self, file: CachedFile, base_offset: int, size_bytes: int | None = None) -> None:
        """`size_bytes` is what the file has at present, None where there is none."""
        self.entries = IndexFile(file, ENTRY, size_bytes)
        self._base_offset = base_offset
        self._last_timestamp: int | None = None

    def append(self, timestamp: int, offset: int) -> None:
        """Adds the largest timestamp so far and its offset; no effect unless it is above the last entry's."""
        last = self._last_timestamp
        if last is None:
            last = self.last().timestamp
        if timestamp > last:
            self.entries.append(timestamp, offset - self._base_offset)
            last = timestamp
        self._last_timestamp = last

    def lookup(self, timestamp: int) -> TimestampOffset:
        """The last entry at or before a timestamp; timestamp -1 at the segment's base where there is none."""
        return self._entry_before(self.entries.search(timestamp))

    def last(self) -> TimestampOffset:
        """The last entry; timestamp -1 at the segment's base where there is none."""
        return self._entry_before(len(self.entries))

    def truncate_to(self, offset: int) -> None:
        """Forgets the entries at or above an offset."""
        self.entries.truncate(self.entries.search(offset - self._base_offset - 1, field=1))
        self._last_timestamp = None

    def clear(self) -> None:
        """Forgets all entries, and whatever else the file holds."""
        self.entries.clear()
        self._last_timestamp = None

    def _entry_before(self, index: int) -> TimestampOffset:
        if not index:
            return TimestampOffset(NO_TIMESTAMP, self._base_offset)
        timestamp, relative = self.entries[index - 1]
        return TimestampOffset(timestamp, self._base_offset + relative)
