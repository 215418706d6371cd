"""A filesystem that writes down what is done to it, directories and their names included, to play crashes with.

As `crash_support`, but for whole log directories: what a power loss may also take is the renaming of a directory whose
parent was not synced since.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from storage.filesystem import Filesystem

from .crash_support import Loss


class Change(NamedTuple):
    """One change of the disk: `kind` is create, write, truncate, sync, rename, unlink, mkdir or sync_names."""

    kind: str
    path: str
    position: int = 0
    data: bytes = b""
    target: str = ""


class QuickFilesystem(Filesystem):
    """One whose disk loses nothing, so that nobody has to wait for it."""

    def fsync(self, fd: int) -> None:
        pass

    def fdatasync(self, fd: int) -> None:
        pass

    def fsync_directory(self, path: str) -> None:
        pass


class DiskStory(QuickFilesystem):
    """One that keeps the story of all changes."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[Change] = []
        self._paths: dict[int, str] = {}

    def open(self, path: str) -> int:
        fd = super().open(path)
        self._paths[fd] = path
        return fd

    def create(self, path: str, *, empty: bool = False) -> int:
        fd = super().create(path, empty=empty)
        self._paths[fd] = path
        self.changes.append(Change("create", path))
        if empty:
            self.changes.append(Change("truncate", path))
        return fd

    def close(self, fd: int) -> None:
        self._paths.pop(fd, None)
        super().close(fd)

    def pwrite(self, fd: int, data: bytes | bytearray | memoryview, position: int) -> int:
        written = super().pwrite(fd, data, position)
        self.changes.append(Change("write", self._paths[fd], position, bytes(data[:written])))
        return written

    def truncate(self, fd: int, size_bytes: int) -> None:
        super().truncate(fd, size_bytes)
        self.changes.append(Change("truncate", self._paths[fd], size_bytes))

    def fsync(self, fd: int) -> None:
        if fd in self._paths:
            self.changes.append(Change("sync", self._paths[fd]))

    def fdatasync(self, fd: int) -> None:
        self.changes.append(Change("sync", self._paths[fd]))

    def mkdir(self, path: str, *, apart: bool = False) -> None:
        super().mkdir(path, apart=apart)
        self.changes.append(Change("mkdir", path))

    def rename(self, source: str, target: str) -> None:
        super().rename(source, target)
        self._paths = {fd: _renamed(path, source, target) for fd, path in self._paths.items()}
        self.changes.append(Change("rename", source, target=target))

    def unlink(self, path: str) -> None:
        super().unlink(path)
        self.changes.append(Change("unlink", path))

    def fsync_directory(self, path: str) -> None:
        self.changes.append(Change("sync_names", path))


def _renamed(path: str, source: str, target: str) -> str:
    return target + path[len(source) :] if path == source or path.startswith(f"{source}/") else path


class Disk:
    """What the disk holds in the end of a story."""

    def __init__(self, changes: list[Change]) -> None:
        self._contents: dict[str, bytearray] = {}
        self._synced: dict[str, int] = {}
        self._directories: set[str] = set()
        self._unsynced_renames: list[tuple[str, str]] = []
        for change in changes:
            self._apply(change)

    def _apply(self, change: Change) -> None:
        kind, path, position, data, target = change
        if kind == "create":
            self._contents.setdefault(path, bytearray())
            self._synced.setdefault(path, 0)
        elif kind == "write":
            content = self._contents[path]
            content.extend(bytes(max(0, position + len(data) - len(content))))
            content[position : position + len(data)] = data
            self._synced[path] = min(self._synced[path], position)
        elif kind == "truncate":
            del self._contents[path][position:]
            self._synced[path] = min(self._synced[path], position)
        elif kind == "sync":
            self._synced[path] = len(self._contents[path])
        elif kind == "mkdir":
            self._directories.add(path)
        elif kind == "unlink":
            self._contents.pop(path, None)
            self._synced.pop(path, None)
        elif kind == "sync_names":
            self._unsynced_renames = [each for each in self._unsynced_renames if each[0].rpartition("/")[0] != path]
        elif kind == "rename":
            if path in self._directories:
                self._unsynced_renames.append((path, target))
            self._rename(path, target)

    def _rename(self, source: str, target: str) -> None:
        self._contents = {_renamed(path, source, target): content for path, content in self._contents.items()}
        self._synced = {_renamed(path, source, target): size for path, size in self._synced.items()}
        self._directories = {_renamed(path, source, target) for path in self._directories}

    @property
    def has_unsynced_names(self) -> bool:
        return bool(self._unsynced_renames)

    def lose_names(self, parent: Path) -> None:
        """Undo the renaming of directories below `parent` that was not synced."""
        for source, target in reversed(self._unsynced_renames):
            if Path(source).parent == parent:
                self._rename(target, source)

    def write(self, loss: Loss, source: Path, target: Path) -> None:
        """Put what is below `source` into the new directory `target`, without what was not synced."""
        for path in self._directories:
            (target / Path(path).relative_to(source)).mkdir(parents=True, exist_ok=True)
        for path, content in self._contents.items():
            synced = self._synced[path]
            kept = content if loss is Loss.NOTHING else content[:synced]
            if loss is Loss.ZEROS:
                kept = kept + bytes(len(content) - synced)
            place = target / Path(path).relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(kept)
