"""The calls that only Linux has, each beside a portable equivalent.

Everything else in the product is plain POSIX. `detect()` chooses at start; a test forces `PortablePlatform`, so that
what other systems would run is exercised here too.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import socket
import struct
import sys
from typing import Protocol

_PORTABLE_SENDFILE_BYTES_MAX = 256 * 1024
_PORTABLE_READ_BYTES = 128 * 1024
_STEP_BYTES = 512 * 1024
_BUFFER_BYTES = 64 * 1024
# struct flock of 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid.
_FLOCK = struct.Struct("@hhqqi4x")
# FS_IOC_GETFLAGS and FS_IOC_SETFLAGS of <linux/fs.h>, whose size says long and which carry 32 bits; and the flag that
# `chattr +T` sets.
_GET_FLAGS = 2 << 30 | struct.calcsize("@l") << 16 | ord("f") << 8 | 1
_SET_FLAGS = 1 << 30 | struct.calcsize("@l") << 16 | ord("f") << 8 | 2
_FLAGS = struct.Struct("@I4x")
_TOP_DIRECTORY = 0x0002_0000
_SYNC_FILE_RANGE_WRITE = 2


class Platform(Protocol):
    """What differs between systems; `Filesystem` and the sockets ask it."""

    msg_more: int
    """Flag for `send` that says more bytes follow at once; 0 where there is none."""

    def sendfile(self, out_fd: int, in_fd: int, position: int, count: int) -> int:
        """Copies up to `count` bytes at `position` of a file to a socket and returns how many; 0 at end of file.

        Raises BlockingIOError when a non-blocking socket is full.
        """
        ...

    def pread_cached(self, fd: int, count: int, position: int) -> bytes | None:
        """Reads as `os.pread` does, but without waiting for the disk: None where it would have to.

        Where the system cannot tell, it waits.
        """
        ...

    def is_cached(self, fd: int, position: int, count: int, *, thorough: bool) -> bool:
        """Whether bytes of a file can be sent without waiting for the disk; True where the system cannot tell.

        It asks about a few of them, since what is read or written in sequence comes into the page cache, and leaves it,
        in long runs. Reads that are under way leave gaps: a `thorough` answer is about every byte, and costs more than
        to send them. False as well where the file ends before.
        """
        ...

    def read_in(self, fd: int, position: int, count: int) -> None:
        """Reads bytes of a file, as far as there are any, into the page cache, and waits until they can be sent."""
        ...

    def fdatasync(self, fd: int) -> None:
        """Makes the data of a file durable, and what of its metadata is needed to read it."""
        ...

    def begin_write_back(self, fd: int, position: int, count: int) -> None:
        """Has the system begin to write bytes of a file to the disk, if it can be asked; may wait for a busy disk."""
        ...

    def dirty_bytes(self) -> int | None:
        """How much written data the system lets lie in memory before it begins to write; None where it is not known."""
        ...

    def lock(self, fd: int) -> None:
        """Takes an exclusive lock that lives as long as the descriptor; BlockingIOError where another holds it."""
        ...

    def mkdir_apart(self, path: str) -> None:
        """Makes a directory away from those beside it on the disk, where that can be had; next ones go where it is."""
        ...


class LinuxPlatform:
    """The calls as Linux has them."""

    msg_more = getattr(socket, "MSG_MORE", 0)

    def __init__(self) -> None:
        self._nowhere_fd = _open_nowhere()

    def sendfile(self, out_fd: int, in_fd: int, position: int, count: int) -> int:
        return os.sendfile(out_fd, in_fd, position, count)

    def pread_cached(self, fd: int, count: int, position: int) -> bytes | None:
        buffer = bytearray(count)
        try:
            read = os.preadv(fd, (buffer,), position, os.RWF_NOWAIT)
            # Cut short by the end of the file, or by a page that is not there.
            if read == count or read == max(os.fstat(fd).st_size - position, 0):
                return bytes(memoryview(buffer)[:read])
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            return os.pread(fd, count, position)  # a file system in memory, or one that cannot tell
        return None

    def is_cached(self, fd: int, position: int, count: int, *, thorough: bool) -> bool:
        try:
            if thorough:
                return _read_cached(fd, position, count) == count
            end = position + count
            byte = (bytearray(1),)
            for probed in range(position, end, _STEP_BYTES):
                os.preadv(fd, byte, probed, os.RWF_NOWAIT)
            os.preadv(fd, byte, end - 1, os.RWF_NOWAIT)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
        return True

    def read_in(self, fd: int, position: int, count: int) -> None:
        # As far as the kernel is concerned it is sent, but nothing is copied.
        end = position + count
        while position < end and (sent := os.sendfile(self._nowhere_fd, fd, position, end - position)):
            position += sent

    def fdatasync(self, fd: int) -> None:
        os.fdatasync(fd)

    def begin_write_back(self, fd: int, position: int, count: int) -> None:
        # Only who has so much to write pays for the import.
        import ctypes

        sync_file_range = ctypes.CDLL(None, use_errno=True).sync_file_range
        sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
        if sync_file_range(fd, position, count, _SYNC_FILE_RANGE_WRITE):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def dirty_bytes(self) -> int | None:
        try:
            counters = dict(line.split() for line in _read("/proc/vmstat").splitlines())
            dirty_bytes = int(counters["nr_dirty_background_threshold"]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, KeyError, ValueError):
            return None
        # In a container less memory may be ours, of which the same part may be dirty.
        with contextlib.suppress(OSError, ValueError):
            memory_bytes = int(_read("/sys/fs/cgroup/memory.max"))
            percent = int(_read("/proc/sys/vm/dirty_background_ratio"))
            if percent:
                dirty_bytes = min(dirty_bytes, memory_bytes * percent // 100)
        return dirty_bytes

    def lock(self, fd: int) -> None:
        # An open-file-description lock excludes both another broker in this process, which a POSIX lock does not,
        # and a Java broker, whose FileChannel takes POSIX locks that flock() does not meet.
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        except PermissionError as error:  # POSIX allows EACCES as well as EAGAIN for "held by another".
            raise BlockingIOError(error.errno, error.strerror) from error

    def mkdir_apart(self, path: str) -> None:
        # ext4 puts what is in a directory into as few block groups as it can; directories in one that is marked as the
        # top of a hierarchy begin in the emptiest group there is. XFS does the like by itself.
        fd = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            is_marked = _mark_top(fd, True)
            try:
                os.mkdir(path)
            finally:
                if is_marked:
                    _mark_top(fd, False)
        finally:
            os.close(fd)


@functools.cache
def _open_nowhere() -> int:
    """What takes any bytes; one for the whole process, open for good: when it is needed no descriptor may be left."""
    return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


def _read_cached(fd: int, position: int, count: int) -> int:
    """Reads bytes that nobody wants, up to one that is not in memory or the end of the file; returns how many."""
    # The same few pages again and again: they stay in the processor's cache.
    buffer = memoryview(bytearray(min(_BUFFER_BYTES, count)))
    whole, rest = divmod(count, len(buffer))
    return os.preadv(fd, [buffer] * whole + [buffer[:rest]], position, os.RWF_NOWAIT)


def _read(path: str) -> str:
    """Reads one of the kernel's own files."""
    with open(path, encoding="ascii") as file:
        return file.read()


def _mark_top(fd: int, top: bool) -> bool:
    """Sets or clears the mark of an open directory; False where it is so already, or the file system knows none."""
    try:
        (flags,) = _FLAGS.unpack(fcntl.ioctl(fd, _GET_FLAGS, bytes(_FLAGS.size)))
        if bool(flags & _TOP_DIRECTORY) is top:
            return False
        fcntl.ioctl(fd, _SET_FLAGS, _FLAGS.pack(flags ^ _TOP_DIRECTORY))
    except OSError:
        return False
    return True


class PortablePlatform:
    """The same with nothing but POSIX; copies through user space where Linux does not."""

    msg_more = 0

    def sendfile(self, out_fd: int, in_fd: int, position: int, count: int) -> int:
        return os.write(out_fd, os.pread(in_fd, min(count, _PORTABLE_SENDFILE_BYTES_MAX), position))

    def pread_cached(self, fd: int, count: int, position: int) -> bytes | None:
        return os.pread(fd, count, position)

    def is_cached(self, fd: int, position: int, count: int, *, thorough: bool) -> bool:
        return True

    def read_in(self, fd: int, position: int, count: int) -> None:
        end = position + count
        while position < end and (data := os.pread(fd, min(_PORTABLE_READ_BYTES, end - position), position)):
            position += len(data)

    def fdatasync(self, fd: int) -> None:
        os.fsync(fd)

    def begin_write_back(self, fd: int, position: int, count: int) -> None:
        pass

    def dirty_bytes(self) -> int | None:
        return None

    def lock(self, fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def mkdir_apart(self, path: str) -> None:
        os.mkdir(path)


def detect() -> Platform:
    """The best platform for this system."""
    return LinuxPlatform() if sys.platform == "linux" else PortablePlatform()
