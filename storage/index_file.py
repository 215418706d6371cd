"""Entries of fixed size and rising key in a file, the newest in memory: what a segment's indexes are made of.

Kafka maps its indexes into memory; here appended entries collect in a small buffer and go to the file 128 at a time.
An append so costs no system call, the memory is a bounded 2 KB per index however large the log is, and a lookup among
the newest entries, where consumers read, touches no file. A lookup further back is a binary search by pread: up to ten
of them, some 20 µs, for readers of old data. What a crash takes from the buffer is rebuilt by
recovery, as it would be from Kafka's unsynced map.

The file is made when something is to be written to it: a new partition, of which there may be thousands at a time, has
none.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from typing import Any

from .descriptors import CachedFile
from .shortages import is_shortage

ENTRIES_BUFFERED_MAX = 128
_BLOCK_ENTRIES = 512


class IndexFile:
    """A sorted array of entries; positions in it are counted in entries."""

    __slots__ = ("_buffer", "_entry", "_on_file", "_unsynced", "count", "file", "is_made")

    def __init__(self, file: CachedFile, entry: struct.Struct, size_bytes: int | None) -> None:
        """`size_bytes` is what the file has at present, None where there is none."""
        self.file = file
        self.is_made = size_bytes is not None
        """Whether the file exists."""
        self.count = (size_bytes or 0) // entry.size
        """How many entries there are; each append to a log asks."""
        self._entry = entry
        self._on_file = self.count
        self._buffer = bytearray()
        self._unsynced = False

    def __len__(self) -> int:
        return self.count

    @property
    def size_bytes(self) -> int:
        """How much of the file is made of entries, which stay there as they are until the log is cut."""
        return self._on_file * self._entry.size

    @property
    def buffered(self) -> bool:
        """Whether there are entries that the file lacks."""
        return bool(self._buffer)

    @property
    def unsynced(self) -> bool:
        """Whether the file lacks entries or has some that a power loss may take."""
        return self._unsynced

    def append(self, *fields: int) -> None:
        """Adds an entry; where the disk is full, or no file can be opened, it waits in memory."""
        buffer = self._buffer
        buffer += self._entry.pack(*fields)
        self.count += 1
        self._unsynced = True
        if len(buffer) >= ENTRIES_BUFFERED_MAX * self._entry.size:
            self.write_out_if_room()

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        size = self._entry.size
        if index >= self._on_file:
            return self._entry.unpack_from(self._buffer, (index - self._on_file) * size)
        return self._entry.unpack(self.file.pread(size, index * size))

    def search(self, key: int, field: int = 0) -> int:
        """How many entries have a `field` at or below `key`; that field must not fall from entry to entry."""
        entry = self._entry
        if self._buffer and self[self._on_file][field] <= key:
            first = self._on_file
            block: bytes | bytearray = self._buffer
        else:
            # One entry per step picks the block, which is then read whole: a page costs no more than an entry.
            blocks = range(_BLOCK_ENTRIES, self._on_file, _BLOCK_ENTRIES)
            first = bisect_right(blocks, key, key=lambda index: self[index][field]) * _BLOCK_ENTRIES
            count = min(_BLOCK_ENTRIES, self._on_file - first)
            block = self.file.pread(count * entry.size, first * entry.size) if count else b""
        starts = range(0, len(block), entry.size)
        return first + bisect_right(starts, key, key=lambda start: entry.unpack_from(block, start)[field])

    def truncate(self, count: int) -> None:
        """Keeps the first `count` entries, of which there are as many. Raises OSError."""
        self.count = count
        if count < self._on_file:
            file = self.file
            self._buffer.clear()
            self._on_file = count
            self._unsynced = True
            file.filesystem.truncate(file.descriptor(), count * self._entry.size)
        else:
            del self._buffer[(count - self._on_file) * self._entry.size :]

    def clear(self) -> None:
        """Forgets all entries; a file that there is becomes empty, whatever it was. Raises OSError."""
        self._buffer.clear()
        self._on_file = self.count = 0
        self._unsynced = True
        if self.is_made:
            self.file.filesystem.truncate(self.file.descriptor(), 0)

    def write_out(self) -> None:
        """Moves what is buffered to the file, which exists then. Raises OSError, after which it is still buffered."""
        file = self.file
        if not self.is_made:
            file.create()
            self.is_made = True
        if self._buffer:
            size = self._entry.size
            # A copy, since whoever keeps the error of a failed write would keep a view, and the buffer from growing.
            file.filesystem.write_fully(file.descriptor(), bytes(self._buffer), self._on_file * size)
            self._on_file += len(self._buffer) // size
            self._buffer.clear()

    def write_out_if_room(self) -> None:
        """`write_out` that lets a shortage pass: the batches are in the log, their entries wait in memory."""
        try:
            self.write_out()
        except OSError as error:
            if not is_shortage(error):
                raise

    def sync(self) -> None:
        """Makes what the file has durable, here and now. Raises OSError."""
        if self.is_made:
            self.file.filesystem.fdatasync(self.file.descriptor())
        self.synced()

    def replaced(self) -> None:
        """Notes that the file is another one with the same entries, which need not be durable."""
        self._unsynced = True

    def synced(self) -> None:
        """Notes that the file is durable."""
        self._unsynced = bool(self._buffer)
