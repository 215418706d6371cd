"""What only Linux has, and the portable code that other systems would run, held to the same behaviour."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from storage.filesystem import Filesystem
from storage.platform import LinuxPlatform, Platform, PortablePlatform, detect

PLATFORMS = [PortablePlatform(), *([LinuxPlatform()] if sys.platform == "linux" else [])]


@pytest.fixture(params=PLATFORMS, ids=lambda platform: type(platform).__name__)
def platform(request: pytest.FixtureRequest) -> Platform:
    value: Platform = request.param
    return value


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    left.setblocking(False)
    with left, right:
        yield left, right


def test_detects_this_system() -> None:
    assert isinstance(detect(), LinuxPlatform if sys.platform == "linux" else PortablePlatform)


def test_sendfile(platform: Platform, sockets: tuple[socket.socket, socket.socket], tmp_path: Path) -> None:
    filesystem = Filesystem(platform)
    fd = filesystem.create(str(tmp_path / "file"))
    filesystem.write_fully(fd, b"0123456789", 0)
    left, right = sockets
    assert filesystem.sendfile(left.fileno(), fd, 2, 5) == 5
    assert right.recv(100) == b"23456"
    assert filesystem.sendfile(left.fileno(), fd, 8, 5) == 2
    assert right.recv(100) == b"89"
    assert filesystem.sendfile(left.fileno(), fd, 10, 5) == 0
    filesystem.close(fd)


def test_sendfile_to_a_full_socket(
    platform: Platform, sockets: tuple[socket.socket, socket.socket], tmp_path: Path
) -> None:
    filesystem = Filesystem(platform)
    fd = filesystem.create(str(tmp_path / "file"))
    filesystem.truncate(fd, 8 << 20)
    left, right = sockets
    sent = 0
    with pytest.raises(BlockingIOError):
        while sent < 8 << 20:
            sent += filesystem.sendfile(left.fileno(), fd, sent, 8 << 20)
    assert sent > 0
    received = 0
    while received < sent:
        received += len(right.recv(1 << 20))
    assert received == sent
    filesystem.close(fd)


def test_fdatasync(platform: Platform, tmp_path: Path) -> None:
    filesystem = Filesystem(platform)
    fd = filesystem.create(str(tmp_path / "file"))
    filesystem.fdatasync(fd)
    filesystem.close(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        filesystem.fdatasync(fd)


def test_lock_excludes_others_in_this_process(platform: Platform, tmp_path: Path) -> None:
    filesystem = Filesystem(platform)
    path = str(tmp_path / ".lock")
    fd = filesystem.lock(path)
    with pytest.raises(BlockingIOError):
        filesystem.lock(path)
    filesystem.close(fd)
    filesystem.close(filesystem.lock(path))


def test_lock_excludes_other_processes(platform: Platform, tmp_path: Path) -> None:
    path = str(tmp_path / ".lock")
    fd = Filesystem(platform).lock(path)
    script = (
        "import sys; from storage.filesystem import Filesystem; from storage.platform import *\n"
        f"Filesystem({type(platform).__name__}()).lock({path!r})"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "BlockingIOError" in result.stderr
    os.close(fd)
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="open-file-description locks are Linux's")
def test_lock_excludes_a_java_broker(tmp_path: Path) -> None:
    # Java's FileChannel.tryLock takes a POSIX lock, as lockf does.
    path = str(tmp_path / ".lock")
    fd = Filesystem(LinuxPlatform()).lock(path)
    script = f"import fcntl; fcntl.lockf(open({path!r}, 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "BlockingIOError" in result.stderr
    os.close(fd)


def test_msg_more_is_a_flag_for_send(platform: Platform, sockets: tuple[socket.socket, socket.socket]) -> None:
    left, right = sockets
    assert left.send(b"head", platform.msg_more) == 4
    assert left.send(b"body") == 4
    assert right.recv(4, socket.MSG_WAITALL) == b"head"


def flags_of(path: Path) -> int | None:
    """What `lsattr` shows of a directory; None where its file system has no such flags."""
    fd = os.open(path, os.O_RDONLY)
    try:
        request = 2 << 30 | struct.calcsize("@l") << 16 | ord("f") << 8 | 1
        return int(struct.unpack("@I4x", fcntl.ioctl(fd, request, bytes(8)))[0])
    except OSError:
        return None
    finally:
        os.close(fd)


def test_a_directory_apart_is_a_directory_like_any(platform: Platform, tmp_path: Path) -> None:
    filesystem = Filesystem(platform)
    before = flags_of(tmp_path)
    filesystem.mkdir(str(tmp_path / "a"), apart=True)
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]
    with pytest.raises(FileExistsError):
        filesystem.mkdir(str(tmp_path / "a"), apart=True)
    with pytest.raises(FileNotFoundError):
        filesystem.mkdir(str(tmp_path / "b/c"), apart=True)
    assert flags_of(tmp_path) == before
    assert flags_of(tmp_path / "a") == before


def test_reading_what_is_in_memory(platform: Platform, tmp_path: Path) -> None:
    filesystem = Filesystem(platform)
    fd = filesystem.create(str(tmp_path / "file"))
    filesystem.write_fully(fd, b"0123456789", 0)
    assert filesystem.pread_cached(fd, 4, 3) == b"3456"
    assert filesystem.pread_cached(fd, 100, 8) == b"89"
    assert filesystem.pread_cached(fd, 100, 10) == b""
    assert filesystem.pread_cached(fd, 100, 20) == b""
    assert filesystem.is_cached(fd, 0, 10, thorough=False)
    assert filesystem.is_cached(fd, 8, 100, thorough=False), "what is beyond the end is not on the disk either"
    assert filesystem.is_cached(fd, 0, 10, thorough=True)
    filesystem.write_fully(fd, bytes(200_000), 10)
    assert filesystem.is_cached(fd, 5, 200_005, thorough=True)
    for position, count in ((0, 10), (8, 300_000), (300_000, 1)):
        filesystem.read_in(fd, position, count)
    filesystem.close(fd)


def test_reading_in_takes_no_descriptor(platform: Platform, tmp_path: Path) -> None:
    filesystem = Filesystem(platform)
    fd = filesystem.create(str(tmp_path / "file"))
    filesystem.write_fully(fd, bytes(200_000), 0)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        filesystem.read_in(fd, 0, 200_000)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    filesystem.close(fd)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone can tell")
def test_what_is_not_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first page of the file is there and nothing else, as the system call would say."""
    filesystem = Filesystem(LinuxPlatform())
    fd = filesystem.create(str(tmp_path / "file"))
    filesystem.write_fully(fd, bytes(range(256)) * 64, 0)

    def first_page_only(fd: int, buffers: Sequence[bytearray], position: int, flags: int) -> int:
        assert flags == os.RWF_NOWAIT
        if position >= 4096:
            raise BlockingIOError
        data = os.pread(fd, min(sum(map(len, buffers)), 4096 - position), position)
        buffers[0][: len(data)] = data[: len(buffers[0])]
        return len(data)

    monkeypatch.setattr(os, "preadv", first_page_only)
    assert filesystem.pread_cached(fd, 100, 10) == bytes(range(10, 110))
    assert filesystem.pread_cached(fd, 100, 4000) is None
    assert filesystem.pread_cached(fd, 100, 5000) is None
    assert filesystem.is_cached(fd, 0, 4096, thorough=False)
    assert not filesystem.is_cached(fd, 0, 4097, thorough=False)
    assert filesystem.is_cached(fd, 0, 4096, thorough=True)
    assert not filesystem.is_cached(fd, 0, 4097, thorough=True)
    assert not filesystem.is_cached(fd, 5000, 1, thorough=True)
    assert not filesystem.is_cached(fd, 5000, 1, thorough=False)
    filesystem.close(fd)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone can tell")
@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EIO])
def test_a_file_system_that_cannot_tell_or_fails(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filesystem = Filesystem(LinuxPlatform())
    fd = filesystem.create(str(tmp_path / "file"))
    filesystem.write_fully(fd, b"0123456789", 0)

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "preadv", fail)
    if number == errno.EOPNOTSUPP:
        assert filesystem.pread_cached(fd, 4, 3) == b"3456"
        assert filesystem.is_cached(fd, 0, 10, thorough=False)
    else:
        with pytest.raises(OSError, match="error"):
            filesystem.pread_cached(fd, 4, 3)
        with pytest.raises(OSError, match="error"):
            filesystem.is_cached(fd, 0, 10, thorough=False)
    filesystem.close(fd)
