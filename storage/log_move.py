"""The move of a log to another log directory of its broker, while it is written and read (KIP-113).

A copy of the log's files grows in a directory `<topic>-<partition>.<id>-future`, piece by piece, each copied by a
thread. What has been copied stays true, since batches and index entries are only appended, and a segment that is
deleted goes whole; a log that is cut is copied again from its beginning. Once little is missing, that is copied in the
thread that writes the log, and the log goes on with the copy: it is the same object, in another place.

One rename decides: that of the log's own directory to `<topic>-<partition>.<id>-delete`, with the copy's id. A start
that finds the copy beside it takes the copy for the log, and one that finds the copy alone takes it for unfinished. So
there is exactly one log at any moment, and before it is the copy, all that is durable of the log is durable in the
copy.

Compaction must leave a log alone that is being moved, as in Kafka.
"""

from __future__ import annotations

import contextlib
import errno
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from . import leader_epochs, producer_snapshot
from .checkpoints import TopicPartition
from .descriptors import CachedFile
from .directory_names import FutureName
from .filesystem import Filesystem
from .leader_epochs import EpochStart
from .log import Log
from .log_config import LONG_MAX
from .partition_metadata import FILE_NAME as PARTITION_METADATA
from .segment import TRANSACTION_INDEX_SUFFIX, Segment, file_prefix

REST_BYTES_MAX = 1 << 20
REST_FILES_MAX = 32
"""How much may be missing of a copy that takes the log's place: it takes a millisecond or two, and all wait for it."""

_IMPATIENCE_MAX = 4

_CHUNK_BYTES = 1 << 20
# What waits for the disk has to stay little, or the system holds up whoever writes more, be it the log itself.
_UNSYNCED_BYTES_MAX = 32 << 20
_FILES_PER_PIECE = 64


class TargetError(Exception):
    """The log directory that a log is moved to has failed, or is full: `error` says how."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


class _Part(NamedTuple):
    """Bytes of one file, open and pinned, and the path of the copy that they are missing in."""

    file: CachedFile
    fd: int
    target: str
    position: int
    size_bytes: int
    is_new: bool


class Piece:
    """What is to be copied next; it keeps its files open until it is released."""

    __slots__ = ("_filesystem", "_to_sync", "is_last", "is_short", "parts", "size_bytes", "truncations")

    def __init__(
        self, filesystem: Filesystem, parts: Sequence[_Part], truncations: int, *, is_last: bool, to_sync: Iterable[str]
    ) -> None:
        """`to_sync` are the copies to be synced after this piece, if any."""
        self.parts = parts
        self.size_bytes = sum(part.size_bytes for part in parts)
        self.truncations = truncations
        self.is_last = is_last
        """Whether nothing more was missing when it was begun."""
        self.is_short = False
        """Whether one of the log's files ended too soon."""
        self._filesystem = filesystem
        self._to_sync = tuple(to_sync)

    @property
    def is_synced(self) -> bool:
        """Whether all that has been copied is durable once this piece is."""
        return bool(self._to_sync)

    def copy(self) -> None:
        """Copies the parts; may be called from a thread.

        Raises OSError where the log cannot be read, TargetError where the copy cannot be written.
        """
        for part in self.parts:
            with _of_target():
                fd = self._filesystem.create(part.target, empty=part.is_new)
            try:
                self._copy_part(part, fd)
            finally:
                self._filesystem.close(fd)
        with _of_target():
            for path in self._to_sync:
                self._filesystem.fsync_file(path)

    def _copy_part(self, part: _Part, fd: int) -> None:
        filesystem = self._filesystem
        end = part.position + part.size_bytes
        for position in range(part.position, end, _CHUNK_BYTES):
            count = min(_CHUNK_BYTES, end - position)
            data = filesystem.pread(part.fd, count, position)
            if len(data) < count:
                self.is_short = True  # The log may have been cut: `end` tells.
                return
            with _of_target():
                filesystem.write_fully(fd, data, position)

    def release(self) -> None:
        """Lets go of the files."""
        for part in self.parts:
            part.file.unpin()
        self.parts = ()


class SmallFiles:
    """The small files of a log as they are to be in its copy, written in one go."""

    __slots__ = (
        "_filesystem",
        "_is_there",
        "_source",
        "_target",
        "epochs",
        "log_start_offset",
        "segments",
        "snapshots",
    )

    def __init__(self, log: Log, target: str, is_there: set[str]) -> None:
        """`is_there` are the names of those that the copy has, which do not change."""
        self._filesystem = log.filesystem
        self._source = log.directory
        self._target = target
        self._is_there = is_there
        self.segments = [segment.base_offset for segment in log.segments]
        self.snapshots = log.snapshots.offsets
        self.epochs: tuple[EpochStart, ...] = log.leader_epochs.entries
        self.log_start_offset = log.log_start_offset

    def copy(self) -> None:
        """Copies them durably, and removes what the log has no longer; may be called from a thread.

        Raises OSError, TargetError. One that the log deletes meanwhile is left out.
        """
        for offset in self.snapshots:
            self._copy_file(producer_snapshot.file_name(offset))
        for base_offset in self.segments:
            self._copy_file(file_prefix(base_offset) + TRANSACTION_INDEX_SUFFIX)
        with _of_target():
            filesystem = self._filesystem
            path = f"{self._target}/{leader_epochs.FILE_NAME}"
            filesystem.write_atomically(path, leader_epochs.encode(self.epochs))
            self._remove_others()
            filesystem.fsync_file(f"{self._target}/{PARTITION_METADATA}")
            filesystem.fsync_directory(self._target)

    def _copy_file(self, name: str) -> None:
        if name in self._is_there:
            return
        try:
            data = self._filesystem.read_file(f"{self._source}/{name}")
        except FileNotFoundError:
            return
        with _of_target():
            self._filesystem.write_file(f"{self._target}/{name}", [data])
        self._is_there.add(name)

    def _remove_others(self) -> None:
        stems = set(map(file_prefix, (*self.segments, *self.snapshots)))
        for name, _ in self._filesystem.list_files(self._target):
            stem = name.partition(".")[0]
            if stem.isdecimal() and stem not in stems:
                self._filesystem.unlink(f"{self._target}/{name}")
                self._is_there.discard(name)


class LogMove:
    """One move; but for what says otherwise its methods are called in the thread that writes the log."""

    def __init__(self, log: Log, name: FutureName, log_directory: str) -> None:
        """The copy grows in the directory `name`, which exists, of the log directory `log_directory`."""
        self.log = log
        self.unique_id = name.unique_id
        self.directory = f"{log_directory}/{name}"
        self.log_directory = log_directory
        self.is_cancelled = False
        """Whether it is of no use any more; set in any thread."""
        self.recovery_point = 0
        """Everything before this offset is durable in the copy, as soon as its small files are."""
        self._truncations = log.truncations
        self._copied: dict[str, int] = {}
        """By file name: how many bytes are copied."""
        self._complete_below = -1
        """Segments with a base offset below this one are copied whole."""
        self._unsynced: dict[str, None] = {}
        """Paths of copies that are not known to be on disk as they are, in the order in which they were written."""
        self._unsynced_bytes = 0
        self._small_files: SmallFiles | None = None
        self._small_there: set[str] = set()
        self._impatience = 1

    @property
    def key(self) -> TopicPartition:
        return self.log.topic, self.log.partition

    @property
    def log_start_offset(self) -> int:
        """Where the log will start once the copy has taken its place."""
        return self.log.log_start_offset

    @property
    def log_end_offset(self) -> int:
        """The offset up to which the copy has the log's batches. Raises OSError."""
        for segment in self._incomplete():
            copied = self._copied.get(_name(segment.file), 0)
            if copied < segment.size_bytes:
                return segment.end_offset_at(copied) if copied else segment.base_offset
        return self.log.log_end_offset

    @property
    def lag(self) -> int:
        """How many offsets there are in the log that the copy has not reached yet. Raises OSError."""
        return self.log.log_end_offset - self.log_end_offset

    @property
    def size_bytes(self) -> int:
        """Size of all segments of the copy, indexes left out."""
        return sum(self._copied.get(_name(segment.file), 0) for segment in self.log.segments)

    def resume(self, recovery_point: int) -> None:
        """Finds out which segments an earlier life of the broker has copied; before `recovery_point` they are durable.

        What is not durable of the log itself may be another's by now. Raises OSError.
        """
        sizes = dict(self.log.filesystem.list_files(self.directory))
        for segment, successor in pairwise(self.log.segments):
            sources = {_name(file): size_bytes for file, size_bytes in _sources(segment)}
            is_durable = successor.base_offset <= min(recovery_point, self.log.recovery_point)
            if not is_durable or any(sizes.get(name) != size_bytes for name, size_bytes in sources.items()):
                break
            self._copied.update(sources)
            self._complete_below = self.recovery_point = successor.base_offset

    # Copying

    def begin(self, max_bytes: int) -> Piece | None:
        """What is to be copied next, at most `max_bytes`, or only synced; None where nothing is missing.

        `end` must follow. Raises OSError.
        """
        if self._truncations != self.log.truncations:
            self._start_again()
        parts, is_last = self._next_parts(max_bytes)
        self._unsynced_bytes += sum(part.size_bytes for part in parts)
        if not self._unsynced:
            return None
        must_sync = is_last or self._unsynced_bytes >= _UNSYNCED_BYTES_MAX
        to_sync = self._unsynced if must_sync else ()
        return Piece(self.log.filesystem, parts, self._truncations, is_last=is_last, to_sync=to_sync)

    def begin_rest(self) -> Piece | None:
        """What has come since, not to be synced; None where nothing has. `end` must follow.

        Raises OSError.
        """
        parts, is_last = self._next_parts(LONG_MAX)
        return Piece(self.log.filesystem, parts, self._truncations, is_last=is_last, to_sync=()) if parts else None

    def _next_parts(self, max_bytes: int) -> tuple[list[_Part], bool]:
        """Parts that are missing, and whether these are all."""
        parts: list[_Part] = []
        left_bytes = max_bytes
        is_last = True
        try:
            for file, size_bytes in self._missing():
                if len(parts) == _FILES_PER_PIECE or left_bytes <= 0:
                    is_last = False
                    break
                part = self._part(file, size_bytes, left_bytes)
                parts.append(part)
                left_bytes -= part.size_bytes
                is_last = part.position + part.size_bytes == size_bytes
        except OSError:
            for part in parts:
                part.file.unpin()
            raise
        self._unsynced.update((part.target, None) for part in parts)
        return parts, is_last

    def _missing(self) -> Iterator[tuple[CachedFile, int]]:
        for segment in self._incomplete():
            for file, size_bytes in _sources(segment):
                if self._copied.get(_name(file), -1) < size_bytes:
                    yield file, size_bytes

    def _part(self, file: CachedFile, size_bytes: int, max_bytes: int) -> _Part:
        name = _name(file)
        fd = file.descriptor()
        file.pin()
        position = self._copied.get(name, 0)
        count = min(size_bytes - position, max_bytes)
        return _Part(file, fd, f"{self.directory}/{name}", position, count, name not in self._copied)

    def end(self, piece: Piece) -> None:
        """Takes note of a piece that has been copied, and releases it. Raises OSError."""
        parts = piece.parts
        piece.release()
        if piece.truncations != self.log.truncations:
            return
        if piece.is_short:
            raise OSError(errno.EIO, f"a file of the log in {self.log.directory} is shorter than it was")
        for part in parts:
            self._copied[_name(part.file)] = part.position + part.size_bytes
        if not piece.is_synced:
            return
        self._unsynced.clear()
        self._unsynced_bytes = 0
        for segment, successor in pairwise(self._incomplete()):
            if not self._is_complete(segment):
                break
            self._complete_below = successor.base_offset
        self.recovery_point = self.log_end_offset

    def _start_again(self) -> None:
        self._truncations = self.log.truncations
        self._copied.clear()
        self._complete_below = -1
        self._unsynced.clear()
        self._unsynced_bytes = 0
        self.recovery_point = 0

    def _incomplete(self) -> Iterator[Segment]:
        """Segments that may lack something in the copy, oldest first."""
        segments = self.log.segments
        return iter(segments[bisect_left(segments, self._complete_below, key=_base_offset) :])

    def _is_complete(self, segment: Segment) -> bool:
        return all(self._copied.get(_name(file), -1) >= size_bytes for file, size_bytes in _sources(segment))

    # Taking the log's place

    def small_files(self) -> SmallFiles:
        """The small files as they are now; the copy has them once they have been copied."""
        self._small_files = SmallFiles(self.log, self.directory, self._small_there)
        return self._small_files

    def is_ready(self) -> bool:
        """Whether so little is missing that the log may go on with the copy, and all is durable that was so before."""
        log = self.log
        small = self._small_files
        if (
            self.is_cancelled
            or log.is_flushing
            or small is None
            or self._truncations != log.truncations
            or self.recovery_point < log.recovery_point
            or (small.epochs, small.log_start_offset) != (log.leader_epochs.entries, log.log_start_offset)
        ):
            return False
        missing = [size_bytes - self._copied.get(_name(file), 0) for file, size_bytes in self._missing()]
        if len(missing) <= self._impatience * REST_FILES_MAX and sum(missing) <= self._impatience * REST_BYTES_MAX:
            return True
        # A thread may be too slow for a log that is written as fast as can be: better a longer wait than no end.
        self._impatience = min(self._impatience + 1, _IMPATIENCE_MAX)
        return False

    def take_place(self, retired: str) -> None:
        """Copies the rest, renames the log's directory to `retired`, and has the log go on with the copy.

        It must be ready. Raises OSError where the log's own directory fails, TargetError; nothing has changed then.
        """
        log = self.log
        while (piece := self.begin_rest()) is not None:
            try:
                piece.copy()
                self.end(piece)
            finally:
                piece.release()
        for segment in log.segments:
            for file in segment.files:
                if file.pins:
                    file.descriptor()  # or the old file could not be opened any more for who has it pinned
        log.filesystem.rename(log.directory, retired)
        snapshots = [each for each in log.snapshots.offsets if producer_snapshot.file_name(each) in self._small_there]
        log.take_over(self.directory, retired, self.recovery_point, snapshots)


def _base_offset(segment: Segment) -> int:
    return segment.base_offset


def _name(file: CachedFile) -> str:
    return file.path.rpartition("/")[2]


def _sources(segment: Segment) -> Iterator[tuple[CachedFile, int]]:
    """The files of a segment, and how many of their bytes stay as they are."""
    yield segment.file, segment.size_bytes
    for index in segment.indexes:
        if index.is_made:
            yield index.file, index.size_bytes


@contextlib.contextmanager
def _of_target() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TargetError(error) from error
