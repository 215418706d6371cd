"""Has the kernel begin to write appended data to the disk before so much has gathered that it makes writers wait.

A kernel lets written data lie in memory until that is a tenth of it, or half a minute old. Whoever writes on when it is
twice as much is held up, 200 ms at a time, and this is the thread that serves everybody. So once more than a part of
that tenth waits, the oldest of it is handed to the disk, in a thread, since a busy disk holds up that, too. Where there
is memory enough nothing of this happens, and data that is deleted soon is never written.
"""

from __future__ import annotations

import contextlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from .filesystem import Filesystem

if TYPE_CHECKING:
    from .descriptors import CachedFile

CHUNK_BYTES = 1024 * 1024
"""How much a segment takes in before it says so."""

_SHARE = 4
"""The part of what the kernel lets lie that may lie here."""

_TAILS_MAX = 1024
"""How many segments that are smaller than a chunk may wait, beside one for each chunk."""

_CHUNKS_MAX = 16
"""How many chunks, with an open descriptor each, the thread is given at once."""


class WriteBack:
    """What was appended to the files of one cache and may not have been written; used by the thread that appends."""

    __slots__ = ("_allowed_bytes", "_filesystem", "_is_busy", "_is_known", "_thread", "_waiting", "_waiting_bytes")

    def __init__(self, filesystem: Filesystem) -> None:
        self._filesystem = filesystem
        self._is_known = False
        self._allowed_bytes: int | None = None
        self._waiting: deque[tuple[CachedFile, int, int]] = deque()
        self._waiting_bytes = 0
        self._thread: ThreadPoolExecutor | None = None
        self._is_busy = False

    def add(self, file: CachedFile, position: int, count: int) -> None:
        """Takes note of bytes that were appended to a file."""
        if not self._is_known:
            self._is_known = True
            dirty_bytes = self._filesystem.dirty_bytes()
            self._allowed_bytes = None if dirty_bytes is None else dirty_bytes // _SHARE
        if self._allowed_bytes is None:
            return
        if len(self._waiting) > 2 * self._allowed_bytes // CHUNK_BYTES + _TAILS_MAX:
            # Segments are tiny, or the disk hangs: the kernel writes the oldest in its own time.
            self._waiting_bytes -= self._waiting.popleft()[2]
        self._waiting.append((file, position, count))
        self._waiting_bytes += count
        if self._waiting_bytes > self._allowed_bytes and not self._is_busy:
            self._begin(self._allowed_bytes)

    def _begin(self, allowed_bytes: int) -> None:
        """Gives the oldest chunks to the thread, with descriptors of their own: their files may be closed meanwhile."""
        chunks: list[tuple[int, int, int]] = []
        # Down to half, since to wake a thread costs more than to write a chunk.
        while self._waiting_bytes > allowed_bytes // 2 and len(chunks) < _CHUNKS_MAX:
            file, position, count = self._waiting.popleft()
            self._waiting_bytes -= count
            if not file.removed:
                # If it cannot be opened, the next one to write or sync it is told.
                with contextlib.suppress(OSError):
                    chunks.append((self._filesystem.duplicate(file.descriptor()), position, count))
        if chunks:
            self._is_busy = True
            self._thread = self._thread or ThreadPoolExecutor(1, thread_name_prefix="write-back")
            self._thread.submit(self._write, chunks)

    def _write(self, chunks: list[tuple[int, int, int]]) -> None:
        try:
            for fd, position, count in chunks:
                # An error of the disk is for the next sync, which reports it as well.
                with contextlib.suppress(OSError):
                    self._filesystem.begin_write_back(fd, position, count)
        finally:
            for fd, _, _ in chunks:
                self._filesystem.close(fd)
            self._is_busy = False

    def close(self) -> None:
        """Waits for the thread."""
        self._waiting.clear()
        self._waiting_bytes = 0
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
