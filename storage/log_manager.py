"""All logs of a broker, in one or several log directories: opened at start, made, deleted, checkpointed, closed.

Offsets are checkpointed, deleted files removed and all logs closed in threads, while logs are made and deleted: tables
are therefore iterated over as copies. The logs themselves are used by the loop's thread alone.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .checkpoints import TopicPartition
from .deferred_removal import DeferredRemoval
from .descriptors import DESCRIPTORS_MAX, DescriptorCache
from .directory_names import DELETE_SUFFIX, FUTURE_SUFFIX, parse_directory_name, parse_future_name
from .filesystem import Filesystem
from .log import Log
from .log_config import LogConfig
from .log_directory import LogDirectory
from .log_directory_error import LogDirectoryError
from .log_loading import load_log
from .log_moves import LogMoves
from .recovery import Cut
from .segment import Segment
from .shortages import is_disk_full, is_shortage

_PRODUCER_ID_EXPIRATION_MS = 24 * 3600 * 1000
_FILE_DELETE_DELAY_MS = 60_000
_KAFKA_METADATA_LOG = ("__cluster_metadata", 0)

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class LoadReport:
    """What was found and done at start."""

    cuts: dict[TopicPartition, Cut] = field(default_factory=dict)
    """Logs whose end was lost in a crash."""
    high_watermarks: dict[TopicPartition, int] = field(default_factory=dict)
    strays: list[str] = field(default_factory=list)
    """Paths of the directories that were set aside."""
    recovered: int = 0
    """How many logs had to be recovered, of which this many bytes were read:"""
    bytes_scanned: int = 0


class LogManager:
    """The logs by topic and partition.

    Raises OSError from what touches the disk; whoever meets one on a log's own methods says so to `fail`.
    """

    def __init__(
        self,
        directories: Sequence[str],
        filesystem: Filesystem,
        *,
        cluster_id: str,
        node_id: int,
        now_ms: Callable[[], int],
        broker_epoch: int = -1,
        producer_id_expiration_ms: Callable[[], int] = lambda: _PRODUCER_ID_EXPIRATION_MS,
        file_delete_delay_ms: Callable[[], int] = lambda: _FILE_DELETE_DELAY_MS,
        on_offline: Callable[[Sequence[TopicPartition]], None] | None = None,
        on_removal_sooner: Callable[[], None] = lambda: None,
        descriptors_max: int = DESCRIPTORS_MAX,
    ) -> None:
        """`now_ms` is the wall clock; `broker_epoch` goes into the marks of a clean stop.

        `file_delete_delay_ms` is how long the files of deleted logs stay, whatever their topics say of their segments.
        `on_offline` is told the partitions of a directory that has failed, in the thread that called `fail`.
        `on_removal_sooner` is told, in any thread, when files are to be removed sooner than `remove_deleted` has said.
        """
        self.paths = tuple(directories)
        """Of all log directories, whether they can be used or not."""
        self.filesystem = filesystem
        self._descriptors = DescriptorCache(filesystem, descriptors_max)
        self._cluster_id = cluster_id
        self._node_id = node_id
        self._now_ms = now_ms
        self._broker_epoch = broker_epoch
        self._producer_id_expiration_ms = producer_id_expiration_ms
        self._file_delete_delay_ms = file_delete_delay_ms
        self._on_offline = on_offline
        self.directories: list[LogDirectory] = []
        """Those that could be opened, in the order of `log.dirs`."""
        self._logs: dict[TopicPartition, Log] = {}
        self._topic_ids: dict[TopicPartition, bytes] = {}
        self.lock = threading.Lock()
        """Held while the tables of all logs and of one directory change together."""
        self.moves = LogMoves(self)
        self._removals = DeferredRemoval(filesystem, now_ms, on_removal_sooner)
        self.offline_directories: dict[str, OSError] = {}
        """Paths of the directories that cannot be used until the next start, and why."""
        self.offline_partitions: set[TopicPartition] = set()
        """Partitions whose log is, or may be, in one of those."""

    # Start

    def load(self, expected: Mapping[TopicPartition, bytes], config_for: Callable[[str], LogConfig]) -> LoadReport:
        """Locks all directories and opens the logs of `expected`, topic ids by partition.

        A log that is not expected, or of another topic id, is renamed `-stray`; what was being deleted is removed
        later, by `remove_deleted`. Raises LogDirectoryError where a directory is in use or owned by others, where a
        log is in two of them, or where none can be used.
        """
        report = LoadReport()
        try:
            for path in self.paths:
                self._open_directory(path)
            if not self.directories:
                raise LogDirectoryError(self._no_directory())
            for path, error in self.offline_directories.items():
                _log_offline(path, error)
            if len(self.directories) > 1:
                self.moves.complete()
            leftovers: list[tuple[LogDirectory, str]] = []
            for directory in self.directories:
                if directory.failure is None:
                    try:
                        leftovers += self._load_directory(directory, expected, config_for, report)
                    except OSError as error:
                        self.take_offline(directory, error)
            self._sort_out(leftovers, expected)
            if not self.online_directories:
                raise LogDirectoryError(self._no_directory())
        except BaseException:
            # Closing must not mark clean what was not checked.
            self._unlock()
            self.directories.clear()
            raise
        if self.offline_directories:
            # Which of the missing logs are in the failed directories is not known: none is made anew elsewhere.
            self.offline_partitions.update(expected.keys() - self._logs.keys())
        return report

    def _open_directory(self, path: str) -> None:
        try:
            directory = LogDirectory.open(path, self.filesystem, cluster_id=self._cluster_id, node_id=self._node_id)
        except OSError as error:
            self.offline_directories[path] = error
        else:
            self.directories.append(directory)

    def _load_directory(
        self,
        directory: LogDirectory,
        expected: Mapping[TopicPartition, bytes],
        config_for: Callable[[str], LogConfig],
        report: LoadReport,
    ) -> list[tuple[LogDirectory, str]]:
        """Returns the directories of what is no log: it depends on the others what becomes of it."""
        leftovers: list[tuple[LogDirectory, str]] = []
        directory.begin_writing()
        configs: dict[str, LogConfig] = {}
        # Time stands still while loading: one reading for 10,000 logs.
        now_ms = self._now_ms()
        expiration_ms = self._producer_id_expiration_ms()
        if expected and not directory.was_clean:
            logger.info("[log-dirs] Log directory %s was not closed cleanly, checking its logs", directory.path)
        for name in self.filesystem.list_directories(directory.path):
            path = f"{directory.path}/{name}"
            key = parse_directory_name(name)
            if key is None or key == _KAFKA_METADATA_LOG:
                if name.endswith((DELETE_SUFFIX, FUTURE_SUFFIX)):
                    leftovers.append((directory, name))
                continue
            topic = key[0]
            if expected.get(key, b"") != directory.topic_id_of(name):
                if key not in expected or not directory.remove_half_made(name):
                    report.strays.append(directory.set_aside(name))
                continue
            if key in self._logs:
                raise LogDirectoryError(
                    f"partition {name} is in two log directories: {self._logs[key].directory}, {path}"
                )
            config = configs.get(topic)
            if config is None:
                config = configs[topic] = config_for(topic)
            loaded = load_log(directory, path, key, config, self._descriptors, now_ms, expiration_ms)
            directory.logs[key] = self._logs[key] = loaded.log
            self._topic_ids[key] = expected[key]
            if loaded.bytes_scanned or not directory.was_clean:
                report.recovered += 1
                report.bytes_scanned += loaded.bytes_scanned
            if loaded.cut is not None:
                report.cuts[key] = loaded.cut
            if key in directory.high_watermarks:
                report.high_watermarks[key] = min(directory.high_watermarks[key], loaded.log.log_end_offset)
        return leftovers

    def _sort_out(
        self, leftovers: Iterable[tuple[LogDirectory, str]], expected: Mapping[TopicPartition, bytes]
    ) -> None:
        """Has what was deleted removed, and finds out which moves go on."""
        for directory, name in leftovers:
            if directory.failure is not None:
                continue
            if parse_future_name(name) is not None:
                try:
                    self.moves.resume(directory, name, expected)
                except OSError as error:
                    self.take_offline(directory, error)
            elif name.endswith(DELETE_SUFFIX) and not self.offline_directories:
                # As long as a directory is missing, it may hold the copy that was to take this one's place.
                self.remove_later(f"{directory.path}/{name}")

    # Logs

    def get(self, topic: str, partition: int) -> Log | None:
        """The log of a partition; None where there is none, or its directory is offline."""
        return self._logs.get((topic, partition))

    @property
    def logs(self) -> list[Log]:
        """All logs that can be used."""
        return list(self._logs.values())

    @property
    def online_directories(self) -> list[str]:
        """Paths of the directories that can be used."""
        return [directory.path for directory in self.directories if directory.failure is None]

    def topic_id_of(self, key: TopicPartition) -> bytes | None:
        """The id of the topic that a partition's log belongs to; None where there is none."""
        return self._topic_ids.get(key)

    def directory_of(self, log: Log) -> LogDirectory:
        """The log directory that a log is in."""
        key = (log.topic, log.partition)
        return next(directory for directory in self.directories if directory.logs.get(key) is log)

    def create(self, topic: str, partition: int, topic_id: bytes, config: LogConfig) -> Log:
        """Makes the log of a new partition, where the moves say; may be called from a thread.

        Raises OSError, after which nothing is left of it; also where the partition's directory is, or may be, offline.
        """
        key = (topic, partition)
        assert key not in self._logs, key
        online = [directory for directory in self.directories if directory.failure is None]
        if not online or key in self.offline_partitions:
            raise OSError(errno.EIO, f"The log directory of {topic}-{partition} is offline")
        directory = self.moves.place_for(key, online)
        try:
            log = directory.make_log(key, topic_id, config, self._descriptors, self._now_ms())
        except OSError as error:
            self.fail_directory(directory, error)
            raise
        with self.lock:
            if directory.failure is not None:
                raise OSError(errno.EIO, f"The log directory of {topic}-{partition} has gone offline")
            directory.logs[key] = self._logs[key] = log
            self._topic_ids[key] = topic_id
        return log

    def delete(self, topic: str, partition: int, topic_id: bytes) -> None:
        """Deletes a partition's log: renamed at once, its files gone after `file_delete_delay_ms`. Raises OSError.

        No effect where the log is another topic's of the same name. One in an offline directory is found to be a stray
        at the next start.
        """
        key = (topic, partition)
        with self.lock:
            if self._topic_ids.get(key, topic_id) != topic_id:
                return
            self._topic_ids.pop(key, None)
            self.offline_partitions.discard(key)
            log = self._logs.get(key)
            if log is None:
                return
            directory = self.directory_of(log)
            del self._logs[key], directory.logs[key]
        self.moves.cancel(key)
        try:
            path = log.detach()
        except OSError as error:
            self.fail_directory(directory, error)
            raise
        self.remove_later(path)

    def remove_later(self, path: str) -> None:
        """Has a directory that is no log any more removed after `file_delete_delay_ms`; may be called from a thread."""
        self._removals.add([path], self._file_delete_delay_ms())

    def delete_segments(self, deletions: Mapping[Log, Sequence[Segment]]) -> set[Log]:
        """Has the segments removed that logs have let go, once it is on disk where the logs start now.

        Called from a thread. Returns the logs whose start survives a crash; on a full disk the files go without that,
        since they are what makes room.
        """
        saved: set[Log] = set()
        with self.lock:  # or one that is being moved would be in neither directory
            places = [
                (each, [log for log in deletions if each.logs.get((log.topic, log.partition)) is log])
                for each in self.directories
            ]
        for directory, here in places:
            if here and self._attempt(directory, directory.save_log_starts):
                saved.update(here)
        for log, segments in deletions.items():
            try:
                for segment in segments:
                    self._removals.add(self._mark_deleted(log, segment), log.config.file_delete_delay_ms)
            except OSError as error:
                self.fail(log, error)
        return saved

    def _mark_deleted(self, log: Log, segment: Segment) -> list[str]:
        with self.lock:
            if self._logs.get((log.topic, log.partition)) is not log:
                # Its files went with it, and a log that was made again under its name may have some of the same names.
                return []
            return _deleted_files(segment)

    def remove_deleted(self) -> int | None:
        """Removes files whose time has come, some of them where they are many; called from a thread.

        Returns in how many ms to call again, None where nothing is left. What fails is left to the next start.
        """
        return self._removals.remove_due()

    def expire_producers(self) -> int:
        """Forgets producers that have sent nothing for `producer.id.expiration.ms`; returns how many."""
        now_ms = self._now_ms()
        expiration_ms = self._producer_id_expiration_ms()
        return sum(log.producers.expire(now_ms, expiration_ms) for log in self.logs)

    # Durability

    def rolled_logs(self) -> list[Log]:
        """Logs with a finished segment that is not known to be on disk.

        The broker flushes them soon (`Log.begin_flush(rolled_only=True)`): what lies below the recovery point is not
        read after a crash.
        """
        return [log for log in self.logs if log.has_unsynced_rolled]

    def checkpoint(self) -> None:
        """Writes down how far each log is on disk, begins and is committed; may be called from a thread."""
        for directory in self.directories:
            if directory.failure is None:
                self._attempt(directory, directory.checkpoint)

    def _attempt(self, directory: LogDirectory, write_checkpoints: Callable[[], None]) -> bool:
        """Whether it has worked; if not, and it is no mere shortage, the directory is offline."""
        try:
            write_checkpoints()
        except OSError as error:
            if is_shortage(error):
                reason = error.strerror
                logger.warning("[log-dirs] The checkpoints of %s stay as they were: %s", directory.path, reason)
            else:
                self.take_offline(directory, error)
            return False
        return True

    def close(self, clean: bool = True) -> None:
        """Closes all logs, each directory marked clean once everything in it is on disk, and unlocks.

        Not `clean` leaves the files as they are, as a crash of the process would.
        """
        for directory in self.directories:
            if directory.failure is None and clean:
                try:
                    directory.close(self._broker_epoch)
                except OSError as error:
                    logger.error("[log-dirs] Log directory %s is not closed cleanly: %s", directory.path, error)
        self._descriptors.close_all()
        self._unlock()

    def fail(self, log: Log, error: OSError) -> None:
        """Takes the directory of a log offline, whose files could not be read, written or synced; see below."""
        key = (log.topic, log.partition)
        with self.lock:
            directory = self.directory_of(log) if self._logs.get(key) is log else None
        if directory is not None:
            self.fail_directory(directory, error)

    def fail_directory(self, directory: LogDirectory, error: OSError) -> None:
        """Takes a directory offline, unless its disk is only full or the process out of descriptors."""
        if not is_shortage(error):
            self.take_offline(directory, error)

    def take_offline(self, directory: LogDirectory, error: OSError) -> None:
        """Takes a directory offline until the next start; no effect where it is. May be called from a thread."""
        with self.lock:
            if directory.failure is not None:
                return
            directory.failure = error
            self.offline_directories[directory.path] = error
            self.moves.drop(directory)
            lost = list(directory.logs)
            directory.logs.clear()
            self.offline_partitions.update(lost)
            for key in lost:
                # Its descriptors stay, to be closed when others need the room: this may be any thread.
                del self._logs[key]
        _log_offline(directory.path, error)
        if self._on_offline is not None:
            self._on_offline(lost)

    def _no_directory(self) -> str:
        reasons = "; ".join(f"{path}: {error.strerror or error}" for path, error in self.offline_directories.items())
        return f"no log directory can be used ({reasons})"

    def _unlock(self) -> None:
        for directory in self.directories:
            directory.unlock()


def _deleted_files(segment: Segment) -> list[str]:
    """Paths of a segment's files under the names that say that they are deleted. Raises OSError."""
    try:
        return segment.mark_deleted()
    except OSError as error:
        if not is_disk_full(error):
            raise
        # No room for longer names: then room has to be made at once.
        segment.unlink()
        return []


def _log_offline(path: str, error: OSError) -> None:
    file = f" ({error.filename})" if error.filename and error.filename != path else ""
    logger.error(
        "[log-dirs] Log directory %s is offline: %s%s; its partitions are not served until it can be used again and "
        "the broker has been restarted.",
        path,
        error.strerror or error,
        file,
    )
