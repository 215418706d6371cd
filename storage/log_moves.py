"""The moves of a broker's logs between its log directories: begun, cancelled, committed, and sorted out at start."""

from __future__ import annotations

import contextlib
import errno
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from protocol.errors import ErrorCode, KafkaError

from . import partition_metadata
from .checkpoints import TopicPartition
from .directory_names import (
    DELETE_SUFFIX,
    STRAY_SUFFIX,
    FutureName,
    deleted_id,
    directory_name,
    parse_future_name,
    renamed,
)
from .log import Log
from .log_directory import LogDirectory
from .log_move import LogMove, SmallFiles, TargetError

if TYPE_CHECKING:
    from .log_manager import LogManager

_PREFERENCES_MAX = 10_000

logger = logging.getLogger(__name__)


class Committed(NamedTuple):
    """A log that has gone on with its copy, whose directory has yet to get the log's name."""

    move: LogMove
    source: LogDirectory
    target: LogDirectory
    retired: str
    """Path of the directory that the log was in, under the name that decides at start."""


class LogMoves:
    """The moves that are under way, by partition; the manager's lock is held while its tables and these change."""

    def __init__(self, manager: LogManager) -> None:
        self._manager = manager
        self._moves: dict[TopicPartition, LogMove] = {}
        self._preferred: dict[TopicPartition, str] = {}
        """Where to make logs that are not there yet; in memory alone, as in Kafka."""

    def get(self, key: TopicPartition) -> LogMove | None:
        """The move of a partition's log."""
        return self._moves.get(key)

    @property
    def moves(self) -> list[LogMove]:
        """All moves that are under way."""
        return list(self._moves.values())

    # Where to

    def directory(self, path: str) -> LogDirectory:
        """The log directory of that very path.

        Raises KafkaError: LOG_DIR_NOT_FOUND, KAFKA_STORAGE_ERROR where it is offline.
        """
        for directory in self._manager.directories:
            if directory.path == path and directory.failure is None:
                return directory
        if path in self._manager.offline_directories:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"Log directory {path} is offline")
        raise KafkaError(ErrorCode.LOG_DIR_NOT_FOUND, f"Log directory {path} is not one of this broker's")

    def prefer(self, key: TopicPartition, path: str) -> None:
        """Has the log of a partition that is not here yet made in that directory."""
        self._preferred.pop(key, None)
        self._preferred[key] = path
        if len(self._preferred) > _PREFERENCES_MAX:
            self._preferred.pop(next(iter(self._preferred)), None)

    def place_for(self, key: TopicPartition, directories: Iterable[LogDirectory]) -> LogDirectory:
        """The directory for a new log: the preferred one, or that with the fewest logs; called from a thread."""
        path = self._preferred.pop(key, None)
        return min(
            directories, key=lambda directory: (directory.path != path, len(directory.logs) + len(directory.copies))
        )

    # Under way

    def begin(self, log: Log, target: LogDirectory) -> LogMove:
        """Makes the directory of a copy in another log directory; may be called from a thread.

        Raises OSError, after which nothing is left of it; also where one of the directories has failed or the log is
        not there any longer.
        """
        import uuid  # Slow to import, and seldom needed.

        manager = self._manager
        filesystem = log.filesystem
        key = (log.topic, log.partition)
        name = FutureName(key, uuid.uuid4().hex)
        path = f"{target.path}/{name}"
        topic_id = manager.topic_id_of(key)
        if topic_id is None:
            raise _impossible(key, target)
        try:
            target.forget(key)
            filesystem.mkdir(path)
            metadata = partition_metadata.encode(topic_id)
            filesystem.write_file(f"{path}/{partition_metadata.FILE_NAME}", [metadata], sync=False)
        except OSError as error:
            with contextlib.suppress(OSError):
                filesystem.remove_tree(path)
            manager.fail_directory(target, error)
            raise
        move = LogMove(log, name, target.path)
        with manager.lock:
            if target.failure is None and manager.get(*key) is log and key not in self._moves:
                self._moves[key] = target.copies[key] = move
                return move
        filesystem.remove_tree(path)
        raise _impossible(key, target)

    def cancel(self, key: TopicPartition) -> None:
        """Ends a move, if there is one, and has its copy removed."""
        manager = self._manager
        with manager.lock:
            move = self._forget(key)
        if move is None:
            return
        target = self._directory_of(move)
        path = f"{target.path}/{renamed(*key, move.unique_id, DELETE_SUFFIX)}"
        try:
            move.log.filesystem.rename(move.directory, path)
        except OSError as error:
            manager.fail_directory(target, error)
        else:
            manager.remove_later(path)

    def drop(self, directory: LogDirectory) -> None:
        """Ends the moves from and to a directory that has failed; the lock is held. The next start finds the copies."""
        for key in {*directory.logs, *directory.copies} & self._moves.keys():
            self._forget(key)

    def fail(self, move: LogMove, error: OSError | TargetError) -> None:
        """Ends a move because a disk has failed, or for a shortage: that of the copy is full."""
        if move.is_cancelled:
            return
        logger.error("[%s-%d] The move to %s has failed: %s", *move.key, move.log_directory, error)
        if isinstance(error, TargetError):
            self._manager.fail_directory(self._directory_of(move), error.error)
        else:
            self._manager.fail(move.log, error)
        self.cancel(move.key)

    def _forget(self, key: TopicPartition) -> LogMove | None:
        move = self._moves.pop(key, None)
        if move is not None:
            move.is_cancelled = True
            self._directory_of(move).copies.pop(key, None)
        return move

    def _directory_of(self, move: LogMove) -> LogDirectory:
        """The log directory that the copy is in."""
        return next(each for each in self._manager.directories if each.path == move.log_directory)

    # Taking the log's place

    def prepare(self, move: LogMove, small_files: SmallFiles) -> None:
        """Has all but the batches ready for the log to go on with its copy; called from a thread.

        Raises OSError where the log's own directory fails, TargetError.
        """
        small_files.copy()
        try:
            self._directory_of(move).checkpoint()
        except OSError as error:
            raise TargetError(error) from error

    def commit(self, move: LogMove) -> Committed | None:
        """Has the log go on with its copy, if that is ready; in the thread that writes the log.

        Raises OSError where the log's own directory fails, TargetError; the log is where it was then.
        """
        manager = self._manager
        with manager.lock:
            if not move.is_ready():
                return None
            key = move.key
            source = manager.directory_of(move.log)
            target = self._directory_of(move)
            retired = f"{source.path}/{renamed(*key, move.unique_id, DELETE_SUFFIX)}"
            move.take_place(retired)
            del self._moves[key], target.copies[key], source.logs[key]
            target.logs[key] = move.log
            return Committed(move, source, target, retired)

    def confirm(self, committed: Committed) -> None:
        """Makes sure that the rename which decides survives a power loss; called from a thread.

        Only then may the copy get the log's name, or both would have it.
        """
        self._sync(committed.source, committed)

    def rename(self, committed: Committed) -> bool:
        """Gives the copy the log's name; False where a flush is under way. In the thread that writes the log."""
        move = committed.move
        log = move.log
        if self._is_gone(committed):
            return True
        if log.is_flushing:
            return False
        try:
            log.rename(f"{committed.target.path}/{directory_name(*move.key)}")
        except OSError as error:
            # It serves under any name, and the next start tries again.
            logger.error("[%s-%d] %s cannot be renamed: %s", *move.key, move.directory, error)
            self._manager.fail_directory(committed.target, error)
        return True

    def finish(self, committed: Committed) -> None:
        """Has the old directory removed once the new name survives a power loss; called from a thread."""
        if committed.move.log.directory != committed.move.directory and self._sync(committed.target, committed):
            self._manager.remove_later(committed.retired)

    def _is_gone(self, committed: Committed) -> bool:
        """Whether the log was deleted, or lost with its new directory, since it was moved there."""
        return committed.target.logs.get(committed.move.key) is not committed.move.log

    def _sync(self, directory: LogDirectory, committed: Committed) -> bool:
        try:
            committed.move.log.filesystem.fsync_directory(directory.path)
        except OSError as error:
            self._manager.fail_directory(directory, error)
            return False
        return True

    # Start

    def complete(self) -> None:
        """Gives the log's name to copies that had taken its place when the broker ended, before logs are loaded."""
        manager = self._manager
        names: dict[LogDirectory, list[str]] = {}
        for directory in list(manager.directories):
            try:
                names[directory] = manager.filesystem.list_directories(directory.path)
            except OSError as error:
                manager.take_offline(directory, error)
        retired = {deleted_id(name) for each in names.values() for name in each}
        for directory, each in names.items():
            futures = [future for name in each if (future := parse_future_name(name)) and future.unique_id in retired]
            try:
                for future in futures:
                    self._complete(directory, future)
                if futures:
                    manager.filesystem.fsync_directory(directory.path)
            except OSError as error:
                manager.take_offline(directory, error)

    def _complete(self, directory: LogDirectory, future: FutureName) -> None:
        name = directory_name(*future.key)
        if self._manager.filesystem.exists(f"{directory.path}/{name}"):
            directory.set_aside(name)
        logger.info("[%s] its move to %s is completed", name, directory.path)
        self._manager.filesystem.rename(f"{directory.path}/{future}", f"{directory.path}/{name}")

    def resume(self, directory: LogDirectory, name: str, expected: Mapping[TopicPartition, bytes]) -> None:
        """Decides on the copy in the directory `name` once all logs are loaded. Raises OSError.

        It is gone on with where its log is there, in another directory. Without any log it is kept where that may be
        in a directory that is offline, or set aside; any other copy is removed.
        """
        manager = self._manager
        future = parse_future_name(name)
        assert future is not None, name
        key = future.key
        log = manager.get(*key)
        is_expected = key in expected and directory.topic_id_of(name) == expected[key]
        path = f"{directory.path}/{name}"
        if is_expected and log is not None and key not in directory.logs and key not in self._moves:
            move = LogMove(log, future, directory.path)
            move.resume(directory.recovery_points.get(key, 0))
            logger.info("[%s] its move to %s goes on", directory_name(*key), directory.path)
            self._moves[key] = directory.copies[key] = move
        elif is_expected and log is None and manager.offline_directories:
            logger.warning("[%s] %s is kept: its log may be in a directory that is offline", directory_name(*key), path)
        elif is_expected and log is None:
            target = f"{directory.path}/{renamed(*key, future.unique_id, STRAY_SUFFIX)}"
            logger.warning("[%s] %s is the copy of a log that is gone, kept as %s", directory_name(*key), path, target)
            manager.filesystem.rename(path, target)
        else:
            target = f"{directory.path}/{renamed(*key, future.unique_id, DELETE_SUFFIX)}"
            manager.filesystem.rename(path, target)
            manager.remove_later(target)


def _impossible(key: TopicPartition, target: LogDirectory) -> OSError:
    return OSError(errno.EIO, f"The log of {directory_name(*key)} cannot be moved to {target.path} any longer")
