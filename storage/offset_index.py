"""The `.index` file of a segment: where in the file an offset is, sparse, in Kafka's format.

Entries are int32 offset relative to the segment's base, int32 position, big-endian, one about every
`index.interval.bytes`. An entry names the last offset of the batch that starts at its position.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from .descriptors import CachedFile
from .index_file import IndexFile

SUFFIX = ".index"
ENTRY = struct.Struct(">ii")


class OffsetPosition(NamedTuple):
    """The last offset of a batch, and where in the segment's file that batch starts."""

    offset: int
    position: int


class OffsetIndex:
    """Offsets to positions of one segment."""

    __slots__ = ("_base_offset", "_last_relative", "entries")

    def __init__(self, file: CachedFile, base_offset: int, size_bytes: int | None = None) -> None:
        """`size_bytes` is what the file has at present, None where there is none."""
        self.entries = IndexFile(file, ENTRY, size_bytes)
        self._base_offset = base_offset
        self._last_relative: int | None = None

    def append(self, offset: int, position: int) -> None:
        """Adds a batch by its last offset; no effect unless that is above the last entry's."""
        relative = offset - self._base_offset
        last = self._last_relative
        if last is None:
            last = self.entries[len(self.entries) - 1][0] if len(self.entries) else -1
        if relative > last:
            self.entries.append(relative, position)
            last = relative
        self._last_relative = last

    def lookup(self, offset: int) -> OffsetPosition:
        """The last entry at or before an offset, the segment's start where there is none."""
        return self._entry_before(self.entries.search(offset - self._base_offset))

    def lookup_position(self, position: int) -> OffsetPosition:
        """The last entry at or before a position, the segment's start where there is none."""
        return self._entry_before(self.entries.search(position, field=1))

    def last(self) -> OffsetPosition:
        """The last entry, the segment's start where there is none."""
        return self._entry_before(len(self.entries))

    def truncate_to(self, offset: int) -> None:
        """Forgets the entries at or above an offset."""
        self.entries.truncate(self.entries.search(offset - self._base_offset - 1))
        self._last_relative = None

    def clear(self) -> None:
        """Forgets all entries, and whatever else the file holds."""
        self.entries.clear()
        self._last_relative = None

    def _entry_before(self, index: int) -> OffsetPosition:
        if not index:
            return OffsetPosition(self._base_offset, 0)
        relative, position = self.entries[index - 1]
        return OffsetPosition(self._base_offset + relative, position)
