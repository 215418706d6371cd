"""One segment of a log: `<20-digit base offset>.log` and its two indexes.

Batches are appended by one write at the position that is tracked here, and found again by index and a short walk over
batch headers. Nothing here looks into a batch beyond its header.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from protocol.errors import KafkaError
from protocol.record_batch import BatchHeader

from . import offset_index, time_index
from .batch_walk import header_at, walk_headers, walk_placements
from .descriptors import CachedFile, DescriptorCache
from .file_span import FileSpan
from .index_file import IndexFile
from .log_config import LogConfig
from .offset_index import OffsetIndex
from .time_index import NO_TIMESTAMP, TimeIndex, TimestampOffset
from .write_back import CHUNK_BYTES

LOG_SUFFIX = ".log"
TRANSACTION_INDEX_SUFFIX = ".txnindex"
INDEX_SUFFIXES = (offset_index.SUFFIX, time_index.SUFFIX)

DELETED_SUFFIX = ".deleted"
"""What the names of a deleted segment's files end with until they are removed, by the next start at the latest."""

RELATIVE_OFFSET_MAX = (1 << 31) - 1
"""How far a segment's last offset may lie above its base: indexes keep int32 offsets."""

_POSITIONS_KNOWN_MAX = 64


def file_prefix(base_offset: int) -> str:
    """Name of a segment's files without their suffix."""
    return f"{base_offset:020d}"


class Segment:
    """A run of batches from `base_offset` on, at most one of which at a time is being appended to.

    Every method may raise OSError. One that walks batches raises KafkaError (CORRUPT_MESSAGE) where it meets bytes
    that are no batch header.
    """

    __slots__ = (
        "_bytes_since_index_entry",
        "_created_ms",
        "_first_timestamp",
        "_handed_over",
        "_index_interval_bytes",
        "_largest",
        "_offset_entries_max",
        "_positions",
        "_roll_jitter_ms",
        "_time_entries_max",
        "base_offset",
        "file",
        "filesystem",
        "offset_index",
        "size_bytes",
        "time_index",
    )

    def __init__(
        self,
        descriptors: DescriptorCache,
        directory: str,
        base_offset: int,
        config: LogConfig,
        now_ms: int,
        file_sizes: Mapping[str, int] | None = None,
    ) -> None:
        """`file_sizes` are the bytes of the files in the directory by name; without it the segment is new."""
        prefix = file_prefix(base_offset)
        sizes = file_sizes or {}
        path = f"{directory}/{prefix}"
        self.base_offset = base_offset
        self.filesystem = descriptors.filesystem
        self.file = CachedFile(descriptors, path + LOG_SUFFIX)
        self.size_bytes = sizes.get(prefix + LOG_SUFFIX, 0)
        """Where the next batch goes."""
        self.offset_index = OffsetIndex(
            CachedFile(descriptors, path + offset_index.SUFFIX), base_offset, sizes.get(prefix + offset_index.SUFFIX)
        )
        self.time_index = TimeIndex(
            CachedFile(descriptors, path + time_index.SUFFIX), base_offset, sizes.get(prefix + time_index.SUFFIX)
        )
        self._index_interval_bytes = config.index_interval_bytes
        self._offset_entries_max = config.segment_index_bytes // offset_index.ENTRY.size
        # One entry is kept free for the one that closing the segment adds.
        self._time_entries_max = config.segment_index_bytes // time_index.ENTRY.size - 1
        self._roll_jitter_ms = config.random_jitter_ms()
        self._handed_over = self.size_bytes
        """Up to where the file is in the care of `WriteBack`."""
        self._bytes_since_index_entry = 0
        self._created_ms = now_ms
        self._first_timestamp: int | None = None
        self._largest: TimestampOffset | None = None
        # Where reads have ended and batches start: consumers come back for exactly the offset after their last read.
        self._positions: dict[int, int] = {}

    @classmethod
    def create(
        cls, descriptors: DescriptorCache, directory: str, base_offset: int, config: LogConfig, now_ms: int
    ) -> Segment:
        """Makes a segment and its file, empty whatever was there before; its indexes follow with their first entries.

        Leaves the descriptors alone until the first use, so that a thread may make logs by the thousand.
        """
        segment = cls(descriptors, directory, base_offset, config, now_ms)
        filesystem = segment.filesystem
        try:
            filesystem.close(filesystem.create(segment.file.path, empty=True))
        except OSError:
            # An empty segment that stays would hide what the one before it goes on to hold.
            segment.remove()
            raise
        return segment

    @property
    def files(self) -> tuple[CachedFile, CachedFile, CachedFile]:
        """The log file, the offset index, the time index."""
        return self.file, self.offset_index.entries.file, self.time_index.entries.file

    @property
    def indexes(self) -> tuple[IndexFile, IndexFile]:
        """The entries of the offset index and of the time index."""
        return self.offset_index.entries, self.time_index.entries

    @property
    def has_unsynced_indexes(self) -> bool:
        """Whether a power loss may take something from the index files."""
        return any(index.unsynced for index in self.indexes)

    # Appending

    def append(self, batch: memoryview, last_offset: int, max_timestamp: int) -> None:
        """Writes one batch at the end. Where that fails the file ends where it did before."""
        position = self.size_bytes
        file = self.file
        fd = file.fd
        if fd < 0:
            fd = file.descriptor()
        file.used = True
        try:
            written = self.filesystem.pwrite(fd, batch, position)
            if written < len(batch):
                written += self.filesystem.write_fully(fd, batch[written:], position + written)
        except OSError:
            # A cut that fails as well raises its own error, which is not ENOSPC and takes the directory offline.
            self.filesystem.truncate(fd, position)
            raise
        self.size_bytes = position + written
        try:
            self.note_batch(position, written, last_offset, max_timestamp)
        except OSError:
            # After a start the ends of the indexes are read, for which no descriptor may be left.
            self.truncate_at(position)
            raise
        if self.size_bytes - self._handed_over >= CHUNK_BYTES:
            self._hand_over()

    def _hand_over(self) -> None:
        start, self._handed_over = self._handed_over, self.size_bytes
        self.file.cache.write_back.add(self.file, start, self.size_bytes - start)

    def note_batch(self, position: int, size_bytes: int, last_offset: int, max_timestamp: int) -> None:
        """Takes a batch that is in the file into the indexes, in order; also how recovery rebuilds them."""
        largest = self._largest
        if largest is None:
            largest = self.largest_timestamp
        if max_timestamp > largest.timestamp:
            largest = TimestampOffset(max_timestamp, last_offset)
        since = self._bytes_since_index_entry
        if since > self._index_interval_bytes:
            since = 0
            self.offset_index.append(last_offset, position)
            self.time_index.append(largest.timestamp, largest.offset)
        # Only now: the indexes may refuse the batch.
        self._largest = largest
        if not position:
            self._first_timestamp = max_timestamp
        self._bytes_since_index_entry = since + size_bytes

    def must_roll(self, config: LogConfig, batch_bytes: int, last_offset: int, max_timestamp: int, now_ms: int) -> bool:
        """Whether a batch belongs into a new segment: by size, age, full indexes or offsets too far from the base."""
        size_bytes = self.size_bytes
        if not size_bytes:
            return False
        first_timestamp = self._first_timestamp
        if first_timestamp is None:
            first_timestamp = self.first_timestamp
        # As Kafka: age in the batches' own time, so that old data loaded at once fills segments as it did when new.
        age_ms = max_timestamp - first_timestamp if first_timestamp >= 0 else now_ms - self._created_ms
        return (
            size_bytes + batch_bytes > config.segment_bytes
            or age_ms > config.segment_ms - self._roll_jitter_ms
            or last_offset - self.base_offset > RELATIVE_OFFSET_MAX
            or self.offset_index.entries.count >= self._offset_entries_max
            or self.time_index.entries.count >= self._time_entries_max
        )

    @property
    def first_timestamp(self) -> int:
        """Largest timestamp of the first batch, in ms; -1 while there is none."""
        if self._first_timestamp is None:
            if not self.size_bytes:
                return NO_TIMESTAMP
            self._first_timestamp = self.header_at(0).max_timestamp
        return self._first_timestamp

    @property
    def largest_timestamp(self) -> TimestampOffset:
        """The largest timestamp and the last offset of the first batch that has it; -1 while there is none."""
        if self._largest is None:
            self._largest = self.time_index.last()
        return self._largest

    @property
    def newest_ms(self) -> int:
        """Time in ms of the newest record, or of the file's last change where no record has one."""
        timestamp = self.largest_timestamp.timestamp
        return timestamp if timestamp >= 0 else self.filesystem.modified_ms(self.file.path)

    # Finding

    def read_bytes(self, position: int, count: int) -> bytes:
        """Reads `count` bytes of the file; fewer where it ends."""
        return self.file.pread(count, position)

    def header_at(self, position: int) -> BatchHeader:
        """Reads the batch header at a position."""
        return header_at(self.file, position, self.size_bytes)

    def headers(self, position: int = 0) -> Iterator[tuple[int, BatchHeader]]:
        """Walks over the batches from one that starts at `position` on, as (position, header)."""
        return walk_headers(self.file, position, self.size_bytes)

    def position_of(self, offset: int) -> int:
        """Where the first batch starts that ends at or after an offset; the end of the segment where there is none."""
        if offset <= self.base_offset:
            return 0
        position = self._positions.get(offset)
        if position is not None:
            return position
        known = self.offset_index.lookup(offset).position
        for start, _, _, last_offset in walk_placements(self.file, known, self.size_bytes):
            if last_offset >= offset:
                return start
        return self.size_bytes

    def end_offset_at(self, position: int) -> int:
        """The offset after the last batch that ends at or before a position."""
        end_offset = self.base_offset
        known = self.offset_index.lookup_position(position).position
        for _, end, base_offset, last_offset in walk_placements(self.file, known, self.size_bytes):
            if end > position:
                return base_offset
            end_offset = last_offset + 1
        return end_offset

    def read(self, offset: int, max_bytes: int, end_offset: int, min_one_message: bool) -> FileSpan | None:
        """Whole batches from the one that holds `offset` on, at most `max_bytes`, or one batch if that is allowed.

        Batches that end above `end_offset` (exclusive) are left out. Returns None where nothing fits.
        """
        start = self.position_of(offset)
        end = self.position_of(end_offset)
        if end - start > max_bytes:
            end = self._cut(start, max_bytes, min_one_message)
        else:
            self.remember(end_offset, end)
        if end <= start:
            return None
        return FileSpan(self.file, start, end - start)

    def _cut(self, start: int, max_bytes: int, min_one_message: bool) -> int:
        """The last end of a batch at most `max_bytes` after `start`, or of the first batch where that is larger."""
        limit = start + max_bytes
        known = max(start, self.offset_index.lookup_position(limit).position)
        for position, end, base_offset, last_offset in walk_placements(self.file, known, self.size_bytes):
            if end > limit:
                if position == start and min_one_message:
                    self.remember(last_offset + 1, end)
                    return end
                self.remember(base_offset, position)
                return position
        raise AssertionError("a cut lies within the segment")

    def remember(self, offset: int, position: int) -> None:
        """Keeps where an offset is, for the reader that will ask for it next."""
        positions = self._positions
        if offset not in positions:
            if len(positions) >= _POSITIONS_KNOWN_MAX:
                del positions[next(iter(positions))]
            positions[offset] = position

    def next_offset(self) -> int:
        """The offset after the last batch, found by a walk from the last index entry."""
        next_offset = self.base_offset
        for _, header in self.headers(self.offset_index.last().position):
            next_offset = header.next_offset
        return next_offset

    # Changing

    def truncate_to(self, offset: int) -> int:
        """Cuts off every batch that ends at or above an offset, and returns the offset after what is left.

        That is `offset`, or the base of the batch that held it.
        """
        position = self.position_of(offset)
        end_offset = min(offset, self.header_at(position).base_offset) if position < self.size_bytes else offset
        self.truncate_at(position)
        self.offset_index.truncate_to(end_offset)
        self.time_index.truncate_to(end_offset)
        self._load_largest_timestamp()
        return max(end_offset, self.base_offset)

    def truncate_at(self, position: int) -> None:
        """Cuts the file at the start of a batch and leaves the indexes as they are."""
        self.filesystem.truncate(self.file.descriptor(), position)
        self.size_bytes = position
        self._handed_over = min(self._handed_over, position)
        self._bytes_since_index_entry = 0
        self._positions.clear()
        if not position:
            self._first_timestamp = None

    def clear_indexes(self) -> None:
        """Empties both indexes, to be rebuilt by `note_batch` for every batch from the first on."""
        self.offset_index.clear()
        self.time_index.clear()
        self._largest = TimestampOffset(NO_TIMESTAMP, self.base_offset)
        self._bytes_since_index_entry = 0
        self._positions.clear()

    def rebuild_indexes(self) -> None:
        """Makes both indexes anew from the batch headers, up to the first damaged one, durable like the segment."""
        self.clear_indexes()
        # Whoever reads on into the damage is told; what lies before it stays readable.
        with contextlib.suppress(KafkaError):
            for position, header in self.headers():
                self.note_batch(position, header.size_bytes, header.last_offset, header.max_timestamp)
        self.finish()
        for index in self.indexes:
            index.sync()

    def _load_largest_timestamp(self) -> None:
        """Finds the largest timestamp again after a cut: that of the last entry, or of a batch behind it."""
        largest = self.time_index.last()
        for _, header in self.headers(self.offset_index.lookup(largest.offset).position):
            if header.max_timestamp > largest.timestamp:
                largest = TimestampOffset(header.max_timestamp, header.last_offset)
        self._largest = largest

    def finish(self) -> None:
        """Completes the indexes of a segment that is closed: its largest timestamp is the time index's last entry."""
        if self.size_bytes > self._handed_over:
            self._hand_over()
        largest = self.largest_timestamp
        if largest.timestamp >= 0:
            self.time_index.append(largest.timestamp, largest.offset)
        if self.size_bytes:
            for index in self.indexes:
                index.write_out_if_room()

    def write_out_indexes(self) -> None:
        """Writes what the indexes hold in memory to their files, not yet synced; an empty segment needs none."""
        if self.size_bytes:
            for index in self.indexes:
                index.write_out()

    def close(self) -> None:
        """Closes the descriptors that are not pinned."""
        for file in self.files:
            file.close()

    def remove(self) -> None:
        """Deletes the files; a span that is being sent stays readable."""
        self.detach()
        self.unlink()

    def detach(self) -> None:
        """Gets ready for the deletion of the files: closed but for what is pinned, which can be read to the end."""
        for file in self.files:
            file.detach()

    def mark_deleted(self) -> list[str]:
        """Renames the files of a detached segment to what the next start removes; returns their new paths.

        One that is gone is left out: the log's directory may have been renamed since. May be called from a thread.
        """
        deleted = []
        for path in self._paths():
            with contextlib.suppress(FileNotFoundError):
                self.filesystem.rename(path, path + DELETED_SUFFIX)
                deleted.append(path + DELETED_SUFFIX)
        return deleted

    def unlink(self) -> None:
        """Removes the files of a detached segment; may be called from a thread."""
        for path in self._paths():
            self.filesystem.unlink(path)

    def _paths(self) -> list[str]:
        stem = self.file.path.removesuffix(LOG_SUFFIX)
        return [stem + suffix for suffix in (LOG_SUFFIX, *INDEX_SUFFIXES, TRANSACTION_INDEX_SUFFIX)]

    def move(self, directory: str) -> None:
        """Follows the rename of the directory to one that is about to be removed."""
        self.follow(directory)
        self.detach()

    def follow(self, directory: str) -> None:
        """Follows the rename of the directory."""
        for file in self.files:
            file.path = directory + file.path[file.path.rindex("/") :]

    def take_over(self, directory: str, retired: str) -> None:
        """Goes on with the files of another directory, which hold the same bytes; its own is now called `retired`.

        What has an old file pinned, and so open, reads it to the end.
        """
        paths = [directory + file.path[file.path.rindex("/") :] for file in self.files]
        old = self.files
        self.move(retired)
        self.file, self.offset_index.entries.file, self.time_index.entries.file = map(CachedFile.at, old, paths)
