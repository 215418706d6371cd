"""The seam to the disk: plain operations, and files that are replaced whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from storage.filesystem import Filesystem
from tests.storage.log_support import FailingFilesystem, broken, no_space


@pytest.fixture
def filesystem() -> Filesystem:
    return Filesystem()


def test_descriptors(filesystem: Filesystem, tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    with pytest.raises(FileNotFoundError):
        filesystem.open(path)
    fd = filesystem.create(path)
    assert filesystem.write_fully(fd, b"0123456789", 0) == 10
    assert filesystem.pread(fd, 4, 3) == b"3456"
    assert filesystem.pread(fd, 100, 8) == b"89"
    assert filesystem.pread(fd, 100, 10) == b""
    filesystem.truncate(fd, 4)
    assert filesystem.size(fd) == 4
    filesystem.fsync(fd)
    filesystem.close(fd)
    again = filesystem.create(path)
    assert filesystem.size(again) == 4, "create keeps what is there"
    assert os.get_inheritable(again) is False
    filesystem.close(again)
    filesystem.close(filesystem.open(path))


def test_short_writes_are_finished(tmp_path: Path) -> None:
    class Short(Filesystem):
        def pwrite(self, fd: int, data: bytes | bytearray | memoryview, position: int) -> int:
            return super().pwrite(fd, memoryview(data)[:3], position)

    filesystem = Short()
    fd = filesystem.create(str(tmp_path / "file"))
    assert filesystem.write_fully(fd, b"0123456789", 2) == 10
    assert filesystem.pread(fd, 100, 0) == b"\0\0" + b"0123456789"
    filesystem.close(fd)


def test_a_write_of_nothing_is_an_error(tmp_path: Path) -> None:
    class Nothing(Filesystem):
        def pwrite(self, fd: int, data: bytes | bytearray | memoryview, position: int) -> int:
            return 0

    filesystem = Nothing()
    fd = filesystem.create(str(tmp_path / "file"))
    with pytest.raises(OSError, match="wrote nothing"):
        filesystem.write_fully(fd, b"x", 0)
    filesystem.close(fd)


def test_short_reads_are_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filesystem = Filesystem()
    path = str(tmp_path / "file")
    filesystem.write_file(path, (b"01234", b"56789"))
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, count, position: real(fd, min(count, 3), position))
    assert filesystem.read_file(path) == b"0123456789"


def test_names(filesystem: Filesystem, tmp_path: Path) -> None:
    root = str(tmp_path / "a" / "b")
    filesystem.make_directories(root)
    filesystem.make_directories(root)
    filesystem.mkdir(f"{root}/sub")
    with pytest.raises(FileExistsError):
        filesystem.mkdir(f"{root}/sub")
    filesystem.write_file(f"{root}/y", (b"12",))
    filesystem.write_file(f"{root}/x", (b"123", memoryview(b"4")), sync=False)
    assert filesystem.list_files(root) == [("x", 4), ("y", 2)]
    assert filesystem.list_directories(root) == ["sub"]
    assert filesystem.exists(f"{root}/x")
    filesystem.rename(f"{root}/x", f"{root}/y")
    assert filesystem.list_files(root) == [("y", 4)]
    filesystem.unlink(f"{root}/y")
    filesystem.unlink(f"{root}/y")
    filesystem.fsync_directory(root)
    filesystem.write_file(f"{root}/sub/z", ())
    filesystem.remove_tree(root)
    filesystem.remove_tree(root)
    assert not filesystem.exists(root)


def test_usage(filesystem: Filesystem, tmp_path: Path) -> None:
    total_bytes, usable_bytes = filesystem.usage(str(tmp_path))
    volume = os.statvfs(tmp_path)
    assert total_bytes == volume.f_blocks * volume.f_frsize
    assert 0 < usable_bytes < total_bytes
    with pytest.raises(FileNotFoundError):
        filesystem.usage(str(tmp_path / "nowhere"))


def test_remove_tree_does_not_follow_links(filesystem: Filesystem, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "link").symlink_to(tmp_path / "kept")
    filesystem.remove_tree(str(tmp_path / "gone"))
    assert (tmp_path / "kept" / "file").exists()


def test_write_atomically(filesystem: Filesystem, tmp_path: Path) -> None:
    path = str(tmp_path / "checkpoint")
    filesystem.write_atomically(path, b"old and longer")
    filesystem.write_atomically(path, b"new")
    filesystem.write_atomically(path, b"newest", sync=False)
    assert filesystem.read_file(path) == b"newest"
    assert os.listdir(tmp_path) == ["checkpoint"]


def test_write_atomically_is_durable_before_it_is_visible(tmp_path: Path) -> None:
    filesystem = FailingFilesystem()
    filesystem.write_atomically(str(tmp_path / "checkpoint"), b"content")
    order = [call for call in filesystem.calls if call in ("pwrite", "fsync", "rename", "fsync_directory")]
    assert order[:4] == ["pwrite", "fsync", "rename", "fsync_directory"]


@pytest.mark.parametrize("call", ["create", "pwrite", "fsync", "rename"])
@pytest.mark.parametrize("error", [no_space, broken])
def test_write_atomically_keeps_the_old_file(tmp_path: Path, call: str, error: object) -> None:
    filesystem = FailingFilesystem()
    path = str(tmp_path / "checkpoint")
    filesystem.write_atomically(path, b"old")
    filesystem.fail[call] = error  # type: ignore[assignment]
    with pytest.raises(OSError) as raised:
        filesystem.write_atomically(path, b"new content")
    assert raised.value.errno in (errno.ENOSPC, errno.EIO)
    filesystem.fail.clear()
    assert os.listdir(tmp_path) == ["checkpoint"]
    assert filesystem.read_file(path) == b"old"


def test_a_failed_write_leaks_no_descriptor(tmp_path: Path) -> None:
    filesystem = FailingFilesystem()
    filesystem.fail["pwrite"] = broken
    before = len(os.listdir("/dev/fd"))
    for _ in range(5):
        with pytest.raises(OSError, match="Input/output"):
            filesystem.write_atomically(str(tmp_path / "checkpoint"), b"new")
    assert len(os.listdir("/dev/fd")) == before
