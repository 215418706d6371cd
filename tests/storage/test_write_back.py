"""Appended data is handed to the disk once much of it waits, oldest first, whatever becomes of its file meanwhile."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from protocol.records import Record
from storage.descriptors import CachedFile, DescriptorCache
from storage.filesystem import Filesystem
from storage.log import Log
from storage.log_config import LogConfig
from storage.platform import LinuxPlatform, PortablePlatform
from storage.write_back import CHUNK_BYTES
from tests.support.built_batches import build_batch
from tests.support.wait import DEADLINE_S, wait_until

MEGABYTE = 1 << 20


class Disk(Filesystem):
    """Remembers what it was asked to write, and by whom."""

    def __init__(self, dirty_bytes: int | None) -> None:
        super().__init__()
        self.answers = threading.Event()
        self.answers.set()
        self.error: OSError | None = None
        self.begun: list[tuple[int, int, int]] = []
        """(inode, position, count)"""
        self._dirty_bytes = dirty_bytes

    def dirty_bytes(self) -> int | None:
        return self._dirty_bytes

    def begin_write_back(self, fd: int, position: int, count: int) -> None:
        assert threading.current_thread() is not threading.main_thread()
        assert self.answers.wait(DEADLINE_S)
        self.begun.append((os.fstat(fd).st_ino, position, count))
        if self.error is not None:
            raise self.error


def make_file(cache: DescriptorCache, path: Path) -> tuple[CachedFile, int]:
    file = CachedFile(cache, str(path))
    file.create()
    return file, path.stat().st_ino


def test_a_quarter_of_what_the_system_lets_lie_may_lie(tmp_path: Path) -> None:
    disk = Disk(40 * MEGABYTE)
    cache = DescriptorCache(disk)
    one, one_inode = make_file(cache, tmp_path / "one")
    other, _ = make_file(cache, tmp_path / "other")
    cache.write_back.add(one, 0, 6 * MEGABYTE)
    cache.write_back.add(other, 0, 4 * MEGABYTE)
    assert not disk.begun
    cache.write_back.add(other, 4 * MEGABYTE, 1)
    cache.close_all()
    assert disk.begun == [(one_inode, 0, 6 * MEGABYTE)], "the oldest, until half of it waits"


@pytest.mark.parametrize("ending", ["closed", "removed", "failing"])
def test_what_becomes_of_files_meanwhile(ending: str, tmp_path: Path) -> None:
    disk = Disk(0)
    cache = DescriptorCache(disk)
    file, inode = make_file(cache, tmp_path / "file")
    if ending == "failing":
        disk.error = OSError(errno.EIO, "broken")
    disk.answers.clear()
    cache.write_back.add(file, 0, 10)
    if ending == "closed":
        file.close()
    elif ending == "removed":
        file.detach()
    # While the disk is busy with the first chunk the others wait.
    cache.write_back.add(file, 10, 10)
    disk.answers.set()
    wait_until(lambda: disk.begun, "the first chunk is written")
    wait_until(lambda: not cache.write_back._is_busy, "the thread has nothing to do")
    cache.write_back.add(file, 20, 10)
    cache.close_all()
    if ending == "removed":
        assert disk.begun == [(inode, 0, 10)], "what is gone need not be written"
    else:
        assert disk.begun == [(inode, 0, 10), (inode, 10, 10), (inode, 20, 10)]


def test_a_log_hands_over_all_that_is_appended(tmp_path: Path) -> None:
    disk = Disk(0)
    cache = DescriptorCache(disk)
    config = LogConfig(segment_bytes=5 * MEGABYTE, max_message_bytes=MEGABYTE)
    log = Log.create(str(tmp_path), "t", 0, config, disk, now_ms=0, descriptors=cache)
    batch = bytes(build_batch([Record(0, 0, None, bytes(300_000))]))
    for _ in range(30):
        log.append(batch, 0, 0)
    wait_until(lambda: not cache.write_back._is_busy, "the thread has nothing to do")
    for segment in log.segments:
        segment.finish()
    wait_until(lambda: not cache.write_back._is_busy, "the thread has nothing to do")
    cache.write_back.add(log.segments[-1].file, 0, 0)
    cache.close_all()
    for segment in log.segments:
        inode = os.stat(segment.file.path).st_ino
        ranges = [(position, count) for each, position, count in disk.begun if each == inode and count]
        ends = [position + count for position, count in ranges]
        assert [position for position, _ in ranges] == [0, *ends[:-1]]
        assert ends[-1] == segment.size_bytes
        assert all(count >= CHUNK_BYTES for _, count in ranges[:-1])


def test_a_system_without_the_call_costs_no_descriptors(tmp_path: Path) -> None:
    class Without(Disk):
        def begin_write_back(self, fd: int, position: int, count: int) -> None:
            raise ImportError("no ctypes")

    disk = Without(2 * MEGABYTE)
    cache = DescriptorCache(disk)
    file, _ = make_file(cache, tmp_path / "file")
    before = os.listdir("/proc/self/fd")
    for index in range(3):
        cache.write_back.add(file, index * MEGABYTE, MEGABYTE)
        wait_until(lambda: not cache.write_back._is_busy, "the thread has nothing to do")
    assert os.listdir("/proc/self/fd") == before
    cache.close_all()


def test_of_many_tiny_segments_the_oldest_are_left_to_the_kernel(tmp_path: Path) -> None:
    disk = Disk(40 * MEGABYTE)
    cache = DescriptorCache(disk)
    file, inode = make_file(cache, tmp_path / "file")
    for index in range(5_000):
        cache.write_back.add(file, index, 1)
    assert len(cache.write_back._waiting) < 2_000
    assert cache.write_back._waiting_bytes == len(cache.write_back._waiting)
    oldest = cache.write_back._waiting[0]
    assert oldest[1] == 5_000 - len(cache.write_back._waiting)
    cache.write_back.add(file, 5_000, 10 * MEGABYTE)
    cache.close_all()
    assert disk.begun[0] == (inode, oldest[1] + 1, 1)


def test_nothing_waits_where_the_system_does_not_tell(tmp_path: Path) -> None:
    disk = Disk(None)
    cache = DescriptorCache(disk)
    file, _ = make_file(cache, tmp_path / "file")
    cache.write_back.add(file, 0, 1 << 40)
    cache.close_all()
    assert not disk.begun


@pytest.mark.parametrize("platform", [LinuxPlatform(), PortablePlatform()])
def test_the_system_calls(platform: LinuxPlatform | PortablePlatform, tmp_path: Path) -> None:
    filesystem = Filesystem(platform)
    dirty_bytes = filesystem.dirty_bytes()
    assert dirty_bytes is None or dirty_bytes > 0
    fd = filesystem.create(str(tmp_path / "file"))
    filesystem.write_fully(fd, bytes(100_000), 0)
    filesystem.begin_write_back(fd, 0, 100_000)
    other = filesystem.duplicate(fd)
    filesystem.close(fd)
    assert filesystem.pread(other, 10, 0) == bytes(10)
    filesystem.close(other)
    if isinstance(platform, LinuxPlatform):
        with pytest.raises(OSError, match="Bad file descriptor"):
            filesystem.begin_write_back(other, 0, 1)
