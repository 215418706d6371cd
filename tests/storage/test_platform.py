"""What only Linux has, and the portable code that other systems would run, held to the same behaviour."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
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
