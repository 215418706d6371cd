"""Bytes of a file that are wanted and not in memory: the disk, which may be slow, is for a thread to wait for.

Whoever reads on the loop asks for what is in the page cache only, where a miss raises; the bytes are then read in by a
thread, which leaves them in the page cache, and asked for again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .descriptors import CachedFile

ATTEMPTS_MAX = 64
"""After so many misses of one question it waits for the disk: a file system may know no better answer."""


class ColdRead(Exception):
    """`count` bytes at `position` of a file have to come from the disk."""

    def __init__(self, file: CachedFile, position: int, count: int) -> None:
        super().__init__(f"{count} bytes at {position} of {file.path} are not in memory")
        self.count = count
        self._file = file
        self._position = position
        self._fd = -1

    @property
    def log_directory(self) -> str:
        """The log directory that the file's log is in: one disk, as a rule."""
        return self._file.path.rsplit("/", 2)[0]

    def pin(self) -> None:
        """Keeps the file open for `read_in` until `unpin`, deleted or not; raises OSError where it cannot be opened."""
        self._fd = self._file.descriptor()
        self._file.pin()

    def read_in(self) -> None:
        """Reads the bytes, as far as there are any, so that they are in memory; in a thread. Raises OSError."""
        self._file.filesystem.read_in(self._fd, self._position, self.count)

    def unpin(self) -> None:
        """Lets go of the file."""
        self._file.unpin()
