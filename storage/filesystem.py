"""The only caller of os.*: every file operation of the broker passes through one Filesystem instance.

Tests hand in a subclass whose writes or fsyncs fail; nothing else in the product opens, writes or removes a file.
Paths are plain strings. Every method raises OSError as the system does.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable

from .platform import Platform, detect


class Filesystem:
    """File operations by path and by descriptor."""

    def __init__(self, platform: Platform | None = None) -> None:
        self.platform = platform or detect()

    # Descriptors

    def open(self, path: str) -> int:
        """Opens an existing file for reading and writing."""
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def create(self, path: str, *, empty: bool = False) -> int:
        """Opens a file for reading and writing, made where it does not exist; one that does is emptied if asked to."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        return os.open(path, flags | os.O_TRUNC if empty else flags, 0o644)

    def close(self, fd: int) -> None:
        os.close(fd)

    def pread(self, fd: int, count: int, position: int) -> bytes:
        """Reads up to `count` bytes; fewer only at the end of the file."""
        data = os.pread(fd, count, position)
        if len(data) == count or not data:
            return data
        parts = [data]
        read = len(data)
        while read < count and (data := os.pread(fd, count - read, position + read)):
            parts.append(data)
            read += len(data)
        return b"".join(parts)

    def pwrite(self, fd: int, data: bytes | bytearray | memoryview, position: int) -> int:
        """Writes at a position and returns how many bytes were written, which may be fewer (a full disk)."""
        return os.pwrite(fd, data, position)

    def sendfile(self, out_fd: int, in_fd: int, position: int, count: int) -> int:
        """Copies bytes of a file to a socket; see `Platform.sendfile`."""
        return self.platform.sendfile(out_fd, in_fd, position, count)

    def pread_cached(self, fd: int, count: int, position: int) -> bytes | None:
        """Reads what is in memory; see `Platform.pread_cached`."""
        return self.platform.pread_cached(fd, count, position)

    def is_cached(self, fd: int, position: int, count: int, *, thorough: bool) -> bool:
        """Whether bytes of a file can be sent without waiting for the disk; see `Platform.is_cached`."""
        return self.platform.is_cached(fd, position, count, thorough=thorough)

    def read_in(self, fd: int, position: int, count: int) -> None:
        """Reads bytes of a file into the page cache; see `Platform.read_in`."""
        self.platform.read_in(fd, position, count)

    def begin_write_back(self, fd: int, position: int, count: int) -> None:
        """Has bytes of a file written to the disk soon; see `Platform.begin_write_back`."""
        self.platform.begin_write_back(fd, position, count)

    def dirty_bytes(self) -> int | None:
        """How much written data may lie in memory; see `Platform.dirty_bytes`."""
        return self.platform.dirty_bytes()

    def duplicate(self, fd: int) -> int:
        """Another descriptor of an open file, to be closed on its own."""
        return os.dup(fd)

    def truncate(self, fd: int, size_bytes: int) -> None:
        os.ftruncate(fd, size_bytes)

    def size(self, fd: int) -> int:
        """Size in bytes of an open file."""
        return os.fstat(fd).st_size

    def fsync(self, fd: int) -> None:
        os.fsync(fd)

    def fdatasync(self, fd: int) -> None:
        self.platform.fdatasync(fd)

    # Paths

    def modified_ms(self, path: str) -> int:
        """When the content of a file was last changed, in ms since 1970."""
        return os.stat(path).st_mtime_ns // 1_000_000

    def usage(self, path: str) -> tuple[int, int]:
        """Bytes of the volume that a directory is in, and how many of them may still be used."""
        volume = os.statvfs(path)
        return volume.f_blocks * volume.f_frsize, volume.f_bavail * volume.f_frsize

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def list_files(self, path: str) -> list[tuple[str, int]]:
        """Name and size in bytes of every regular file in a directory, sorted by name."""
        files: list[tuple[str, int]] = []
        with os.scandir(path) as entries:
            for entry in entries:
                status = entry.stat()
                if stat.S_ISREG(status.st_mode):
                    files.append((entry.name, status.st_size))
        files.sort()
        return files

    def list_directories(self, path: str) -> list[str]:
        """Names of the directories in a directory, sorted."""
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())

    def mkdir(self, path: str, *, apart: bool = False) -> None:
        """Makes one directory, as asked for away from others (`Platform.mkdir_apart`); FileExistsError where it is."""
        if apart:
            self.platform.mkdir_apart(path)
        else:
            os.mkdir(path)

    def make_directories(self, path: str) -> None:
        """Makes a directory and its parents where they do not exist."""
        os.makedirs(path, exist_ok=True)

    def rename(self, source: str, target: str) -> None:
        """Renames a file (replacing the target) or a directory."""
        os.replace(source, target)

    def unlink(self, path: str) -> None:
        """Removes a file; no error where it is gone already."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    def rmdir(self, path: str) -> None:
        """Removes an empty directory."""
        os.rmdir(path)

    def remove_tree(self, path: str) -> None:
        """Removes a directory and everything in it; no error where it is gone already."""
        try:
            with os.scandir(path) as entries:
                children = list(entries)
        except FileNotFoundError:
            return
        for child in children:
            if child.is_dir(follow_symlinks=False):
                self.remove_tree(child.path)
            else:
                self.unlink(child.path)
        self.rmdir(path)

    def fsync_file(self, path: str) -> None:
        """Makes the content of a small file durable that was written and closed."""
        fd = self.open(path)
        try:
            self.fsync(fd)
        finally:
            self.close(fd)

    def fsync_directory(self, path: str) -> None:
        """Makes the names in a directory durable: files created, renamed and removed there."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.fsync(fd)
        finally:
            self.close(fd)

    # Whole files

    def read_file(self, path: str) -> bytes:
        """The content of a small file; FileNotFoundError where there is none."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return self.pread(fd, self.size(fd), 0)
        finally:
            self.close(fd)

    def write_file(self, path: str, parts: Iterable[bytes | bytearray | memoryview], *, sync: bool = True) -> None:
        """Makes or replaces a file in place; after a crash it may hold anything. ENOSPC leaves it short."""
        fd = self.create(path, empty=True)
        try:
            position = 0
            for part in parts:
                position += self.write_fully(fd, part, position)
            if sync:
                self.fsync(fd)
        finally:
            self.close(fd)

    def write_fully(self, fd: int, data: bytes | bytearray | memoryview, position: int) -> int:
        """Writes all of `data` at a position and returns its length; OSError after which a part may be written."""
        written = self.pwrite(fd, data, position)
        if written < len(data):
            view = memoryview(data)
            while written < len(view):
                # A short write is followed by the error that explains it, as ENOSPC.
                more = self.pwrite(fd, view[written:], position + written)
                if not more:
                    raise OSError(errno.EIO, "pwrite wrote nothing")
                written += more
        return written

    def write_atomically(self, path: str, data: bytes, *, sync: bool = True) -> None:
        """Replaces a file so that a crash leaves the old or the new content, never a mix; as Kafka writes checkpoints.

        Without `sync` a power loss may still leave it empty: for what is rebuilt from elsewhere.
        """
        temporary = path + ".tmp"
        try:
            self.write_file(temporary, (data,), sync=sync)
            self.rename(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):
                self.unlink(temporary)
            raise
        if sync:
            self.fsync_directory(os.path.dirname(path) or ".")

    def lock(self, path: str) -> int:
        """Creates and locks a file for as long as the returned descriptor is open.

        BlockingIOError where another broker, of this process, another or Java, holds it.
        """
        fd = self.create(path)
        try:
            self.platform.lock(fd)
        except OSError:
            self.close(fd)
            raise
        return fd
