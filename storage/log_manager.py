"""All logs of a broker, in one or several log directories: opened at start, made, deleted, checkpointed, closed.

Offsets are checkpointed, deleted files removed and all logs closed in threads, while logs are made and deleted: tables
are therefore iterated over as copies. The logs themselves are used by the loop's thread alone.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .checkpoints import TopicPartition
from .descriptors import DESCRIPTORS_MAX, DescriptorCache
from .directory_names import DELETE_SUFFIX, parse_directory_name
from .filesystem import Filesystem
from .log import Log
from .log_config import LogConfig
from .log_directory import LogDirectory
from .log_directory_error import LogDirectoryError
from .log_loading import load_log
from .recovery import Cut

_PRODUCER_ID_EXPIRATION_MS = 24 * 3600 * 1000
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

    Raises OSError from what touches the disk; whoever meets one on a log's own methods says so to `fail`, unless the
    disk is only full.
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
        producer_id_expiration_ms: int = _PRODUCER_ID_EXPIRATION_MS,
        on_offline: Callable[[Sequence[TopicPartition]], None] | None = None,
        descriptors_max: int = DESCRIPTORS_MAX,
    ) -> None:
        """`now_ms` is the wall clock; `broker_epoch` goes into the marks of a clean stop.

        `on_offline` is told the partitions of a directory that has failed, in the thread that called `fail`.
        """
        self._paths = tuple(directories)
        self._filesystem = filesystem
        self._descriptors = DescriptorCache(filesystem, descriptors_max)
        self._cluster_id = cluster_id
        self._node_id = node_id
        self._now_ms = now_ms
        self._broker_epoch = broker_epoch
        self._producer_id_expiration_ms = producer_id_expiration_ms
        self._on_offline = on_offline
        self._directories: list[LogDirectory] = []
        self._logs: dict[TopicPartition, Log] = {}
        self._topic_ids: dict[TopicPartition, bytes] = {}
        # Held while the tables of all logs and of one directory change together.
        self._lock = threading.Lock()
        self._deleted: list[str] = []
        self.offline_directories: dict[str, OSError] = {}
        """Paths of the directories that cannot be used until the next start, and why."""
        self.offline_partitions: set[TopicPartition] = set()
        """Partitions whose log is, or may be, in one of those."""

    # Start

    def load(self, expected: Mapping[TopicPartition, bytes], config_for: Callable[[str], LogConfig]) -> LoadReport:
        """Locks all directories and opens the logs of `expected`, topic ids by partition.

        A log that is not expected, or of another topic id, is renamed `-stray`; what was being deleted is left to
        `remove_deleted`. Raises LogDirectoryError where a directory is in use or owned by others, where a log is in
        two of them, or where none can be used.
        """
        report = LoadReport()
        try:
            for path in self._paths:
                self._open_directory(path)
            if not self._directories:
                raise LogDirectoryError(self._no_directory())
            for path, error in self.offline_directories.items():
                logger.error("log directory %s is offline: %s", path, error)
            for directory in list(self._directories):
                try:
                    self._load_directory(directory, expected, config_for, report)
                except OSError as error:
                    self._take_offline(directory, error)
            if not self.online_directories:
                raise LogDirectoryError(self._no_directory())
        except BaseException:
            # Closing must not mark clean what was not checked.
            self._unlock()
            self._directories.clear()
            raise
        if self.offline_directories:
            # Which of the missing logs are in the failed directories is not known: none is made anew elsewhere.
            self.offline_partitions.update(expected.keys() - self._logs.keys())
        return report

    def _open_directory(self, path: str) -> None:
        try:
            directory = LogDirectory.open(path, self._filesystem, cluster_id=self._cluster_id, node_id=self._node_id)
        except OSError as error:
            self.offline_directories[path] = error
        else:
            self._directories.append(directory)

    def _load_directory(
        self,
        directory: LogDirectory,
        expected: Mapping[TopicPartition, bytes],
        config_for: Callable[[str], LogConfig],
        report: LoadReport,
    ) -> None:
        directory.begin_writing()
        configs: dict[str, LogConfig] = {}
        # Time stands still while loading: one reading for 10,000 logs.
        now_ms = self._now_ms()
        if expected and not directory.was_clean:
            logger.info("log directory %s was not closed cleanly, checking its logs", directory.path)
        for name in self._filesystem.list_directories(directory.path):
            path = f"{directory.path}/{name}"
            key = parse_directory_name(name)
            if key is None or key == _KAFKA_METADATA_LOG:
                if name.endswith(DELETE_SUFFIX):
                    self._deleted.append(path)
                continue
            topic = key[0]
            if expected.get(key, b"") != directory.topic_id_of(name):
                report.strays.append(directory.set_aside(name))
                continue
            if key in self._logs:
                raise LogDirectoryError(
                    f"partition {name} is in two log directories: {self._logs[key].directory}, {path}"
                )
            config = configs.get(topic)
            if config is None:
                config = configs[topic] = config_for(topic)
            loaded = load_log(directory, path, key, config, self._descriptors, now_ms, self._producer_id_expiration_ms)
            directory.logs[key] = self._logs[key] = loaded.log
            self._topic_ids[key] = expected[key]
            if loaded.bytes_scanned or not directory.was_clean:
                report.recovered += 1
                report.bytes_scanned += loaded.bytes_scanned
            if loaded.cut is not None:
                report.cuts[key] = loaded.cut
            if key in directory.high_watermarks:
                report.high_watermarks[key] = min(directory.high_watermarks[key], loaded.log.log_end_offset)

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
        return [directory.path for directory in self._directories if directory.failure is None]

    def directory_of(self, log: Log) -> LogDirectory:
        """The log directory that a log is in."""
        key = (log.topic, log.partition)
        return next(directory for directory in self._directories if directory.logs.get(key) is log)

    def create(self, topic: str, partition: int, topic_id: bytes, config: LogConfig) -> Log:
        """Makes the log of a new partition, in the directory that has the fewest; may be called from a thread.

        Raises OSError, after which nothing is left of it; also where the partition's directory is, or may be, offline.
        """
        key = (topic, partition)
        assert key not in self._logs, key
        online = [directory for directory in self._directories if directory.failure is None]
        if not online or key in self.offline_partitions:
            raise OSError(errno.EIO, f"The log directory of {topic}-{partition} is offline")
        directory = min(online, key=lambda directory: len(directory.logs))
        try:
            log = directory.make_log(key, topic_id, config, self._descriptors, self._now_ms())
        except OSError as error:
            if not is_disk_full(error):
                self._take_offline(directory, error)
            raise
        with self._lock:
            if directory.failure is not None:
                raise OSError(errno.EIO, f"The log directory of {topic}-{partition} has gone offline")
            directory.logs[key] = self._logs[key] = log
            self._topic_ids[key] = topic_id
        return log

    def delete(self, topic: str, partition: int, topic_id: bytes) -> None:
        """Deletes a partition's log: renamed at once, its files gone with the next `remove_deleted`. Raises OSError.

        No effect where the log is another topic's of the same name. One in an offline directory is found to be a stray
        at the next start.
        """
        key = (topic, partition)
        with self._lock:
            if self._topic_ids.get(key, topic_id) != topic_id:
                return
            self._topic_ids.pop(key, None)
            self.offline_partitions.discard(key)
            log = self._logs.get(key)
            if log is None:
                return
            directory = self.directory_of(log)
            del self._logs[key], directory.logs[key]
        try:
            self._deleted.append(log.detach())
        except OSError as error:
            if not is_disk_full(error):
                self._take_offline(directory, error)
            raise

    def remove_deleted(self) -> None:
        """Removes the files of deleted logs; called from a thread. What fails is left to the next start."""
        while self._deleted:
            path = self._deleted.pop()
            try:
                self._filesystem.remove_tree(path)
            except OSError as error:
                logger.warning("cannot remove %s: %s", path, error)

    def expire_producers(self) -> int:
        """Forgets producers that have sent nothing for `producer.id.expiration.ms`; returns how many."""
        now_ms = self._now_ms()
        return sum(log.producers.expire(now_ms, self._producer_id_expiration_ms) for log in self.logs)

    # Durability

    def rolled_logs(self) -> list[Log]:
        """Logs with a finished segment that is not known to be on disk.

        The broker flushes them soon (`Log.begin_flush(rolled_only=True)`): what lies below the recovery point is not
        read after a crash.
        """
        return [log for log in self.logs if log.has_unsynced_rolled]

    def checkpoint(self) -> None:
        """Writes down how far each log is on disk, begins and is committed; may be called from a thread."""
        for directory in self._directories:
            if directory.failure is None:
                try:
                    directory.checkpoint()
                except OSError as error:
                    if is_disk_full(error):
                        logger.warning("log directory %s is full, its checkpoints stay as they were", directory.path)
                    else:
                        self._take_offline(directory, error)

    def close(self, clean: bool = True) -> None:
        """Closes all logs, each directory marked clean once everything in it is on disk, and unlocks.

        Not `clean` leaves the files as they are, as a crash of the process would.
        """
        for directory in self._directories:
            if directory.failure is None and clean:
                try:
                    directory.close(self._broker_epoch)
                except OSError as error:
                    logger.error("log directory %s is not closed cleanly: %s", directory.path, error)
        self._descriptors.close_all()
        self._unlock()

    def fail(self, log: Log, error: OSError) -> None:
        """Takes the directory of a log offline: one of its files could not be read, written or synced."""
        key = (log.topic, log.partition)
        with self._lock:
            directory = self.directory_of(log) if self._logs.get(key) is log else None
        if directory is not None:
            self._take_offline(directory, error)

    def _take_offline(self, directory: LogDirectory, error: OSError) -> None:
        with self._lock:
            if directory.failure is not None:
                return
            directory.failure = error
            self.offline_directories[directory.path] = error
            lost = list(directory.logs)
            directory.logs.clear()
            self.offline_partitions.update(lost)
            for key in lost:
                # Its descriptors stay, to be closed when others need the room: this may be any thread.
                del self._logs[key]
        logger.error("log directory %s is offline: %s", directory.path, error)
        if self._on_offline is not None:
            self._on_offline(lost)

    def _no_directory(self) -> str:
        reasons = "; ".join(f"{path}: {error.strerror or error}" for path, error in self.offline_directories.items())
        return f"no log directory can be used ({reasons})"

    def _unlock(self) -> None:
        for directory in self._directories:
            directory.unlock()


def is_disk_full(error: OSError) -> bool:
    """Whether an error goes away once there is room again, so that the directory can stay in use."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)
