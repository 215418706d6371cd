"""Spans on their way to a client, and the descriptors they keep open."""

from __future__ import annotations

import os
import socket
from collections import OrderedDict
from pathlib import Path

import pytest

from storage.descriptors import CachedFile, DescriptorCache
from storage.file_span import FileSpan
from storage.filesystem import Filesystem
from storage.platform import LinuxPlatform, PortablePlatform


@pytest.fixture
def cache() -> DescriptorCache:
    return DescriptorCache(Filesystem(), 3)


def make_file(cache: DescriptorCache, tmp_path: Path, name: str = "file", data: bytes = b"0123456789") -> CachedFile:
    file = CachedFile(cache, str(tmp_path / name))
    cache.filesystem.write_fully(file.create(), data, 0)
    return file


@pytest.mark.parametrize("platform", [LinuxPlatform(), PortablePlatform()])
def test_sends_in_pieces(platform: LinuxPlatform | PortablePlatform, tmp_path: Path) -> None:
    cache = DescriptorCache(Filesystem(platform))
    span = FileSpan(make_file(cache, tmp_path), 2, 6)
    assert len(span) == 6
    left, right = socket.socketpair()
    with left, right:
        assert span.send(left.fileno(), 0, 4) == 4
        assert span.send(left.fileno(), 4, 100) == 2, "never beyond its end"
        assert right.recv(100) == b"234567"
    assert span.read() == b"234567"
    assert span.read(1, 3) == b"345"
    assert span.read(4, 100) == b"67"
    span.release()


def test_a_cut_file_makes_it_come_up_short(cache: DescriptorCache, tmp_path: Path) -> None:
    file = make_file(cache, tmp_path)
    span = FileSpan(file, 2, 6)
    cache.filesystem.truncate(file.descriptor(), 4)
    left, right = socket.socketpair()
    with left, right:
        assert span.send(left.fileno(), 0, 6) == 2
        assert span.send(left.fileno(), 2, 4) == 0
    assert span.read() == b"23"
    span.release()


def test_readable_after_the_file_is_removed(cache: DescriptorCache, tmp_path: Path) -> None:
    file = make_file(cache, tmp_path)
    file.close()
    first, second = FileSpan(file, 0, 10), FileSpan(file, 5, 5)
    file.detach()
    cache.filesystem.unlink(file.path)
    assert first.read() == b"0123456789"
    first.release()
    first.release()
    assert second.read() == b"56789"
    assert len(cache) == 1
    second.release()
    assert len(cache) == 0


def test_removed_without_readers_is_closed_at_once(cache: DescriptorCache, tmp_path: Path) -> None:
    file = make_file(cache, tmp_path)
    file.detach()
    assert (len(cache), file.fd) == (0, -1)


def test_at_most_so_many_descriptors(cache: DescriptorCache, tmp_path: Path) -> None:
    files = [make_file(cache, tmp_path, f"file-{index}", b"%d" % index) for index in range(10)]
    assert len(cache) == 3
    for _ in range(3):
        for index, file in enumerate(files):
            assert cache.filesystem.pread(file.descriptor(), 10, 0) == b"%d" % index
            assert len(cache) == 3
    open_files = {os.readlink(f"/dev/fd/{fd}") for fd in os.listdir("/dev/fd") if os.path.exists(f"/dev/fd/{fd}")}
    assert len([path for path in open_files if path.startswith(str(tmp_path))]) == 3
    cache.close_all()
    assert len(cache) == 0


def test_what_is_used_stays_open(cache: DescriptorCache, tmp_path: Path) -> None:
    hot = make_file(cache, tmp_path, "hot")
    for index in range(20):
        make_file(cache, tmp_path, f"cold-{index}").used = False
        hot.used = True
    assert hot.fd >= 0


def test_pinned_files_are_never_closed(cache: DescriptorCache, tmp_path: Path) -> None:
    spans = [FileSpan(make_file(cache, tmp_path, f"pinned-{index}"), 0, 10) for index in range(5)]
    for index in range(10):
        make_file(cache, tmp_path, f"other-{index}")
    assert all(span.read() == b"0123456789" for span in spans)
    # More than the limit where there is no other way, and back below it afterwards.
    assert len(cache) <= 6
    for span in spans:
        span.release()
    make_file(cache, tmp_path, "last")
    make_file(cache, tmp_path, "very last")
    assert len(cache) <= 6


def test_many_pinned_files_cost_the_next_one_little(cache: DescriptorCache, tmp_path: Path) -> None:
    class Counting(OrderedDict[CachedFile, None]):
        looked_at = 0

        def popitem(self, last: bool = True) -> tuple[CachedFile, None]:
            self.looked_at += 1
            return super().popitem(last)

    cache._open = opened = Counting()
    spans = [FileSpan(make_file(cache, tmp_path, f"pinned-{index}"), 0, 10) for index in range(300)]
    assert opened.looked_at < 100 * len(spans)
    others = [make_file(cache, tmp_path, f"other-{index}") for index in range(20)]
    assert any(file.fd < 0 for file in others), "those that are not pinned are found all the same"
    for span in spans:
        span.release()
    for index in range(3):
        make_file(cache, tmp_path, f"last-{index}")
    assert len(cache) == 3


def test_an_opened_span_is_read_without_the_cache(cache: DescriptorCache, tmp_path: Path) -> None:
    file = make_file(cache, tmp_path)
    file.close()
    span = FileSpan(file, 2, 6)
    span.open()
    opened = len(cache)
    for index in range(10):
        make_file(cache, tmp_path, f"other-{index}")
    fd = file.fd
    assert fd >= 0 and opened == 1
    assert span.read() == b"234567"
    assert file.fd == fd


def test_closing_a_pinned_file_waits(cache: DescriptorCache, tmp_path: Path) -> None:
    file = make_file(cache, tmp_path)
    span = FileSpan(file, 0, 10)
    file.close()
    assert file.fd >= 0
    span.release()
    file.close()
    assert file.fd == -1
