"""A run of bytes of a file on its way to a client: sent by the kernel, never in the broker's memory."""

from __future__ import annotations

from .cold_read import ColdRead
from .descriptors import CachedFile


class FileSpan:
    """`len(span)` bytes of a file, which stays readable until `release()`, deleted or not.

    Truncating the file underneath makes a span come up short: `send` returns 0 before the end.
    """

    __slots__ = ("_file", "_size", "position", "released")

    def __init__(self, file: CachedFile, position: int, size_bytes: int) -> None:
        self._file = file
        self._size = size_bytes
        self.position = position
        """Where in its file the span starts."""
        self.released = False
        file.pins += 1

    def __len__(self) -> int:
        return self._size

    def send(self, socket_fd: int, position: int, count: int) -> int:
        """Sends up to `count` bytes from `position` of the span and returns how many; 0 where the file is cut short.

        Raises BlockingIOError when the socket is full, OSError for a broken connection or disk.
        """
        file = self._file
        return file.filesystem.sendfile(
            socket_fd, file.descriptor(), self.position + position, min(count, self._size - position)
        )

    def is_cached(self, position: int, count: int, *, thorough: bool) -> bool:
        """Whether `count` bytes from `position` of the span can be sent without waiting for the disk.

        See `Platform.is_cached`.
        """
        file = self._file
        return file.filesystem.is_cached(file.descriptor(), self.position + position, count, thorough=thorough)

    def read_cached(self) -> bytes | None:
        """Reads all of it; None where that means to wait for the disk."""
        file = self._file
        return file.filesystem.pread_cached(file.descriptor(), self._size, self.position)

    def cold_read(self, position: int, count: int) -> ColdRead:
        """What to read in before `count` bytes from `position` of the span are sent."""
        return ColdRead(self._file, self.position + position, count)

    def open(self) -> None:
        """Opens the file, so that `read` may then be called in a thread; raises OSError."""
        self._file.descriptor()

    def read(self, position: int = 0, count: int | None = None) -> bytes:
        """Reads `count` bytes from `position` of the span, all by default; fewer where the file is cut short."""
        left = self._size - position
        file = self._file
        return file.filesystem.pread(
            file.descriptor(), left if count is None else min(count, left), self.position + position
        )

    def release(self) -> None:
        """Lets go of the file; the span is dead. A second call has no effect."""
        if not self.released:
            self.released = True
            self._file.unpin()
