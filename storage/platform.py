"""The calls that only Linux has, each beside a portable equivalent.

Everything else in the product is plain POSIX. `detect()` chooses at start; a test forces `PortablePlatform`, so that
what other systems would run is exercised here too.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys
from typing import Protocol

_PORTABLE_SENDFILE_BYTES_MAX = 256 * 1024
# struct flock of 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid.
_FLOCK = struct.Struct("@hhqqi4x")
# FS_IOC_GETFLAGS and FS_IOC_SETFLAGS of <linux/fs.h>, whose size says long and which carry 32 bits; and the flag that
# `chattr +T` sets.
_GET_FLAGS = 2 << 30 | struct.calcsize("@l") << 16 | ord("f") << 8 | 1
_SET_FLAGS = 1 << 30 | struct.calcsize("@l") << 16 | ord("f") << 8 | 2
_FLAGS = struct.Struct("@I4x")
_TOP_DIRECTORY = 0x0002_0000


class Platform(Protocol):
    """What differs between systems; `Filesystem` and the sockets ask it."""

    msg_more: int
    """Flag for `send` that says more bytes follow at once; 0 where there is none."""

    def sendfile(self, out_fd: int, in_fd: int, position: int, count: int) -> int:
        """Copies up to `count` bytes at `position` of a file to a socket and returns how many; 0 at end of file.

        Raises BlockingIOError when a non-blocking socket is full.
        """
        ...

    def fdatasync(self, fd: int) -> None:
        """Makes the data of a file durable, and what of its metadata is needed to read it."""
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

    def sendfile(self, out_fd: int, in_fd: int, position: int, count: int) -> int:
        return os.sendfile(out_fd, in_fd, position, count)

    def fdatasync(self, fd: int) -> None:
        os.fdatasync(fd)

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

    def fdatasync(self, fd: int) -> None:
        os.fsync(fd)

    def lock(self, fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def mkdir_apart(self, path: str) -> None:
        os.mkdir(path)


def detect() -> Platform:
    """The best platform for this system."""
    return LinuxPlatform() if sys.platform == "linux" else PortablePlatform()
