"""A disk that holds what is not in memory, and answers when a test says so."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from storage.filesystem import Filesystem
from tests.support.wait import DEADLINE_S

_PAGE_BYTES = 4096


class ColdDisk(Filesystem):
    """Everything is in memory but the files that `chill` has pushed out of it; reads in threads bring pages back.

    To be made on the thread of the loop: what would have held it is noted in `held`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.held: list[str] = []
        """The calls on the loop's thread that would have waited for the disk."""
        self.answers = threading.Event()
        """Whether the disk answers; reads from it wait until then."""
        self.answers.set()
        self.error: OSError | None = None
        """What it answers with in place of data."""
        self.waiting = 0
        """How many threads wait for it."""
        self.reads = 0
        """How often it was read from."""
        self._thread = threading.get_ident()
        self._cold: dict[int, set[int]] = {}

    def chill(self, directory: Path) -> None:
        """Push the segments and indexes of a log out of memory."""
        for path in directory.iterdir():
            if path.suffix in (".log", ".index", ".timeindex"):
                status = path.stat()
                self._cold[status.st_ino] = set(range(-(-status.st_size // _PAGE_BYTES)))

    def _missing(self, fd: int, position: int, count: int) -> set[int]:
        cold = self._cold.get(os.fstat(fd).st_ino)
        if not cold:
            return set()
        return cold.intersection(range(position // _PAGE_BYTES, -(-(position + count) // _PAGE_BYTES)))

    def is_cached(self, fd: int, position: int, count: int, *, thorough: bool) -> bool:
        return not self._missing(fd, position, count)

    def pread_cached(self, fd: int, count: int, position: int) -> bytes | None:
        return None if self._missing(fd, position, count) else super().pread_cached(fd, count, position)

    def pread(self, fd: int, count: int, position: int) -> bytes:
        missing = self._missing(fd, position, count)
        if missing:
            self.held.append(f"pread of {count} bytes at {position}")
            if self.error is not None:
                raise self.error
        return super().pread(fd, count, position)

    def read_in(self, fd: int, position: int, count: int) -> None:
        if missing := self._missing(fd, position, count):
            assert threading.get_ident() != self._thread
            self._read(os.fstat(fd).st_ino, missing)
            if self.error is not None:
                raise self.error
        super().read_in(fd, position, count)

    def sendfile(self, out_fd: int, in_fd: int, position: int, count: int) -> int:
        if self._missing(in_fd, position, count):
            self.held.append(f"sendfile of {count} bytes at {position}")
        return super().sendfile(out_fd, in_fd, position, count)

    def _read(self, inode: int, pages: set[int]) -> None:
        self.reads += 1
        self.waiting += 1
        try:
            assert self.answers.wait(DEADLINE_S), "a test has left its disk silent"
        finally:
            self.waiting -= 1
        if self.error is None:
            self._cold[inode] -= pages
