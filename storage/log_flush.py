"""Making a log durable in three steps, so that the slow one can run in a thread.

`Log.begin_flush` notes what is to be synced, `Flush.sync` does it, `Log.end_flush` moves the recovery point.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import partition_metadata
from .descriptors import CachedFile
from .filesystem import Filesystem
from .index_file import IndexFile
from .leader_epochs import LeaderEpochs
from .segment import Segment


class Flush:
    """The files of a log that have to be synced before everything below `end_offset` survives a power loss."""

    __slots__ = (
        "_directories",
        "_files",
        "_filesystem",
        "_indexes",
        "_leader_epochs",
        "_running",
        "active",
        "end_offset",
        "truncations",
    )

    def __init__(
        self,
        filesystem: Filesystem,
        leader_epochs: LeaderEpochs,
        segments: Sequence[Segment],
        active: Segment,
        end_offset: int,
        directories: Sequence[str],
        truncations: int,
        running: set[Flush],
    ) -> None:
        """`segments` are those with something unsynced, `directories` have new names in them.

        It is among the `running` ones until it is released. Raises OSError, after which nothing is pinned.
        """
        self._filesystem = filesystem
        self._leader_epochs = leader_epochs
        self._directories = directories
        self._files: list[tuple[CachedFile, int]] = []
        self._indexes: list[IndexFile] = []
        self.active = active
        self.end_offset = end_offset
        self.truncations = truncations
        self._running = running
        running.add(self)
        try:
            for segment in segments:
                self._add_segment(segment)
        except OSError:
            self.release()
            raise

    def _add_segment(self, segment: Segment) -> None:
        self._add(segment.file)
        if segment is not self.active:
            segment.write_out_indexes()
            self._indexes += segment.indexes
        for index in segment.indexes:
            # An index with entries in memory still grows, and is made anew after a crash.
            if index.is_made and index.unsynced and not index.buffered:
                self._add(index.file)

    def _add(self, file: CachedFile) -> None:
        # Open and pinned from here on, so that the thread that syncs asks nothing of the descriptor cache.
        fd = file.descriptor()
        file.pin()
        self._files.append((file, fd))

    def sync(self) -> None:
        """Syncs the files; OSError takes the log directory offline, a failed sync is never tried again."""
        self._leader_epochs.flush()
        for _, fd in self._files:
            self._filesystem.fdatasync(fd)
        for directory in self._directories:
            partition_metadata.sync(directory, self._filesystem)
            self._filesystem.fsync_directory(directory)

    def synced(self) -> None:
        """Notes that the indexes of the finished segments need no further sync."""
        for index in self._indexes:
            index.synced()

    def release(self) -> None:
        """Lets go of the files."""
        for file, _ in self._files:
            file.unpin()
        self._files = []
        self._running.discard(self)
