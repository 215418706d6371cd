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
        "_directory",
        "_files",
        "_filesystem",
        "_indexes",
        "_leader_epochs",
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
        directory: str | None,
        truncations: int,
    ) -> None:
        """`segments` are those with something unsynced, `directory` is one that has new names in it.

        Raises OSError, after which nothing is pinned.
        """
        self._filesystem = filesystem
        self._leader_epochs = leader_epochs
        self._directory = directory
        self._files: list[tuple[CachedFile, int]] = []
        self._indexes: list[IndexFile] = []
        self.active = active
        self.end_offset = end_offset
        self.truncations = truncations
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
            if index.unsynced and not index.buffered:
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
        if self._directory is not None:
            partition_metadata.sync(self._directory, self._filesystem)
            self._filesystem.fsync_directory(self._directory)

    def synced(self) -> None:
        """Notes that the indexes of the finished segments need no further sync."""
        for index in self._indexes:
            index.synced()

    def release(self) -> None:
        """Lets go of the files."""
        for file, _ in self._files:
            file.unpin()
        self._files = []
