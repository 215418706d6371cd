"""A filesystem that writes down what is done to it, so that a crash can be played at every point of the story.

`Story.files_after` builds in memory what the disk holds after the first operations of a story, as a killed process
leaves it (every write that was made is there) or as a power loss may (what was not synced is zeros, or missing).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from storage.filesystem import Filesystem


class Operation(NamedTuple):
    """One change of the disk: `kind` is create, write, truncate, sync, rename or unlink."""

    kind: str
    path: str
    position: int = 0
    data: bytes = b""
    target: str = ""


class Loss(Enum):
    """What becomes of bytes that were written and not synced."""

    NOTHING = "kept"
    ZEROS = "zeros"
    MISSING = "missing"


class RecordingFilesystem(Filesystem):
    """The real thing, which also keeps the story of all changes."""

    def __init__(self) -> None:
        super().__init__()
        self.story: list[Operation] = []
        self._paths: dict[int, str] = {}

    def open(self, path: str) -> int:
        fd = super().open(path)
        self._paths[fd] = path
        return fd

    def create(self, path: str, *, empty: bool = False) -> int:
        fd = super().create(path, empty=empty)
        self._paths[fd] = path
        self.story.append(Operation("create", path))
        if empty:
            self.story.append(Operation("truncate", path, 0))
        return fd

    def close(self, fd: int) -> None:
        self._paths.pop(fd, None)
        super().close(fd)

    def pwrite(self, fd: int, data: bytes | bytearray | memoryview, position: int) -> int:
        written = super().pwrite(fd, data, position)
        self.story.append(Operation("write", self._paths[fd], position, bytes(data[:written])))
        return written

    def truncate(self, fd: int, size_bytes: int) -> None:
        super().truncate(fd, size_bytes)
        self.story.append(Operation("truncate", self._paths[fd], size_bytes))

    def fsync(self, fd: int) -> None:
        super().fsync(fd)
        if fd in self._paths:  # not a directory: names are never lost here
            self.story.append(Operation("sync", self._paths[fd]))

    def fdatasync(self, fd: int) -> None:
        super().fdatasync(fd)
        self.story.append(Operation("sync", self._paths[fd]))

    def rename(self, source: str, target: str) -> None:
        super().rename(source, target)
        self._paths = {fd: target if path == source else path for fd, path in self._paths.items()}
        self.story.append(Operation("rename", source, target=target))

    def unlink(self, path: str) -> None:
        super().unlink(path)
        self.story.append(Operation("unlink", path))


def files_after(
    story: list[Operation], count: int, *, torn_bytes: int | None = None, loss: Loss = Loss.NOTHING
) -> dict[str, bytes]:
    """Content by path after `count` operations; of the last write only `torn_bytes`, if that is given."""
    contents: dict[str, bytearray] = {}
    synced: dict[str, int] = {}
    for index, operation in enumerate(story[:count]):
        kind, path, position, data, target = operation
        if kind == "create":
            contents.setdefault(path, bytearray())
            synced.setdefault(path, 0)
        elif kind == "write":
            if torn_bytes is not None and index == count - 1:
                data = data[:torn_bytes]
            content = contents[path]
            content.extend(bytes(max(0, position + len(data) - len(content))))
            content[position : position + len(data)] = data
            synced[path] = min(synced[path], position)
        elif kind == "truncate":
            del contents[path][position:]
            synced[path] = min(synced[path], position)
        elif kind == "sync":
            synced[path] = len(contents[path])
        elif kind == "rename":
            if path in contents:
                contents[target] = contents.pop(path)
                synced[target] = synced.pop(path)
        elif kind == "unlink":
            contents.pop(path, None)
            synced.pop(path, None)
    if loss is Loss.MISSING:
        return {path: bytes(content[: synced[path]]) for path, content in contents.items()}
    if loss is Loss.ZEROS:
        return {
            path: bytes(content[: synced[path]]) + bytes(len(content) - synced[path])
            for path, content in contents.items()
        }
    return {path: bytes(content) for path, content in contents.items()}


def write_files(files: dict[str, bytes], source: Path, target: Path) -> None:
    """Puts files of the directory `source` into the empty directory `target`."""
    target.mkdir(parents=True)
    for path, content in files.items():
        file = target / Path(path).relative_to(source)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)


def torn_sizes(size_bytes: int) -> Iterator[int]:
    """Where to tear a write: within the length, the header, the CRC, the body, before its last byte."""
    return iter(
        sorted({size for size in (1, 11, 12, 20, 60, 61, size_bytes // 2, size_bytes - 1) if size < size_bytes})
    )
