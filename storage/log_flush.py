"""Making a log durable in three steps, so that the slow one can run in a thread.

`Log.begin_flush` notes what is to be synced, `Flush.sync` does it, `Log.end_flush` moves the recovery point.
"""

from __future__ import annotations

from collections.abc import Sequence

from .descriptors import CachedFile
from .filesystem import Filesystem


class Flush:
    """The files of a log that have to be synced before everything below `end_offset` survives a power loss."""

    __slots__ = ("_directory", "_files", "_filesystem", "end_offset", "truncations")

    def __init__(
        self,
        filesystem: Filesystem,
        directory: str | None,
        files: Sequence[CachedFile],
        end_offset: int,
        truncations: int,
    ) -> None:
        """`directory` is one that has new names in it."""
        self._filesystem = filesystem
        self._directory = directory
        # Open and pinned from here on, so that the thread that syncs asks nothing of the descriptor cache.
        self._files: list[tuple[CachedFile, int]] = []
        for file in files:
            file.pin()
            self._files.append((file, file.descriptor()))
        self.end_offset = end_offset
        self.truncations = truncations

    def sync(self) -> None:
        """Syncs the files; OSError takes the log directory offline, a failed sync is never tried again."""
        for _, fd in self._files:
            self._filesystem.fdatasync(fd)
        if self._directory is not None:
            self._filesystem.fsync_directory(self._directory)

    def release(self) -> None:
        """Lets go of the files."""
        for file, _ in self._files:
            file.unpin()
        self._files = []
