"""One log directory: locked, owned by this cluster and node, with the checkpoints of the logs in it."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from . import checkpoints, meta_properties, partition_metadata
from .checkpoints import TopicPartition
from .descriptors import DescriptorCache
from .directory_names import STRAY_SUFFIX, directory_name, parse_directory_name, renamed
from .filesystem import Filesystem
from .log import Log
from .log_config import LogConfig
from .log_directory_error import LogDirectoryError
from .log_flush import Flush
from .log_move import LogMove
from .text_checkpoint import CorruptCheckpoint

LOCK_FILE_NAME = ".lock"
_LOGS_TOGETHER = 16
_LOGS_AT_A_TIME = 64
_SYNCS_AT_A_TIME = 16

logger = logging.getLogger(__name__)


class LogDirectory:
    """A directory of `log.dirs` while this broker uses it.

    It goes offline at the first error of the disk, and stays so until the next start.
    """

    def __init__(self, path: str, filesystem: Filesystem, lock_fd: int, directory_id: str) -> None:
        self.path = path
        self.directory_id = directory_id
        """22 characters that name this directory in the cluster (KIP-858)."""
        self.logs: dict[TopicPartition, Log] = {}
        self.copies: dict[TopicPartition, LogMove] = {}
        """Of logs that are being moved to this directory."""
        self.failure: OSError | None = None
        """What took the directory offline."""
        self.was_clean = checkpoints.is_marked_clean(path, filesystem)
        self.recovery_points = checkpoints.read_offsets(path, checkpoints.RECOVERY_POINTS, filesystem)
        self.log_start_offsets = checkpoints.read_offsets(path, checkpoints.LOG_START_OFFSETS, filesystem)
        self.high_watermarks = checkpoints.read_offsets(path, checkpoints.HIGH_WATERMARKS, filesystem)
        """These four as the broker before left them, and the offsets from then on as they were written last."""
        self._filesystem = filesystem
        self._lock_fd = lock_fd
        self._made = 0
        """How many logs were made since the start."""
        # Held while the offsets are written: threads may want to, and the later one must have the newer ones.
        self._writing = threading.Lock()

    @classmethod
    def open(cls, path: str, filesystem: Filesystem, *, cluster_id: str, node_id: int) -> LogDirectory:
        """Makes a directory where there is none, locks it, and checks whose it is.

        Raises LogDirectoryError where another broker uses or owns it, OSError where the disk fails.
        """
        filesystem.make_directories(path)
        try:
            lock_fd = filesystem.lock(f"{path}/{LOCK_FILE_NAME}")
        except BlockingIOError as error:
            raise LogDirectoryError(f"log directory {path} is in use by another broker") from error
        try:
            directory_id = meta_properties.claim(path, cluster_id, node_id, filesystem)
            return cls(path, filesystem, lock_fd, directory_id)
        except BaseException:
            filesystem.close(lock_fd)
            raise

    def topic_id_of(self, name: str) -> bytes | None:
        """Id of the topic that the log directory `name` was made for; None where it does not say. Raises OSError."""
        path = f"{self.path}/{name}/{partition_metadata.FILE_NAME}"
        try:
            return partition_metadata.decode(self._filesystem.read_file(path), path)
        except FileNotFoundError:
            return None
        except CorruptCheckpoint as error:
            logger.warning("%s", error)
            return None

    def remove_half_made(self, name: str) -> bool:
        """Removes the directory of a log that a crash kept from being made; tells whether it was that. Raises OSError.

        Nothing was written yet to any of its files, the one with the topic id being the first.
        """
        path = f"{self.path}/{name}"
        if self._filesystem.list_directories(path) or any(size for _, size in self._filesystem.list_files(path)):
            return False
        self._filesystem.remove_tree(path)
        return True

    def set_aside(self, name: str) -> str:
        """Renames the directory of a log that is not ours so that it is kept and not used; returns its new path."""
        import uuid  # Slow to import, and seldom needed.

        key = parse_directory_name(name)
        assert key is not None, name
        target = f"{self.path}/{renamed(*key, uuid.uuid4().hex, STRAY_SUFFIX)}"
        logger.warning("[%s] %s/%s is no log of this cluster's topic, kept as %s", name, self.path, name, target)
        self._filesystem.rename(f"{self.path}/{name}", target)
        return target

    def make_log(
        self, key: TopicPartition, topic_id: bytes, config: LogConfig, descriptors: DescriptorCache, now_ms: int
    ) -> Log:
        """Makes a new partition's directory and files. Raises OSError, after which nothing is left of them."""
        self.forget(key)
        filesystem = self._filesystem
        name = directory_name(*key)
        path = f"{self.path}/{name}"
        # Crowded together, thousands of logs would grow through each other. And ext4 without a journal, as in many
        # sandboxes, needs half a millisecond for a file beside thousands that were deleted in the last minutes.
        apart = self._made % _LOGS_TOGETHER == 0
        self._made += 1
        try:
            filesystem.mkdir(path, apart=apart)
        except FileExistsError:
            self.set_aside(name)
            filesystem.mkdir(path, apart=apart)
        try:
            # Not synced, as the log itself: a partition costs no wait for the disk until something is flushed.
            metadata = partition_metadata.encode(topic_id)
            filesystem.write_file(f"{path}/{partition_metadata.FILE_NAME}", [metadata], sync=False)
            return Log.create(path, *key, config, filesystem, now_ms=now_ms, descriptors=descriptors)
        except OSError:
            with contextlib.suppress(OSError):
                filesystem.remove_tree(path)
            raise

    def checkpoint(self) -> None:
        """Writes the offsets of all logs, each file in one piece. Raises OSError.

        The high watermark written is the log's end: a broker without followers has no other. Copies of logs have theirs
        beforehand, since they take the log's place at once.
        """
        with self._writing:
            copies, logs = self._copies_and_logs()
            copied = {key: move.recovery_point for key, move in copies}
            self.recovery_points = self._write(
                checkpoints.RECOVERY_POINTS, copied | {key: log.recovery_point for key, log in logs}
            )
            self.log_start_offsets = self._write(checkpoints.LOG_START_OFFSETS, _log_starts((*copies, *logs)))
            self.high_watermarks = self._write(
                checkpoints.HIGH_WATERMARKS, copied | {key: log.log_end_offset for key, log in logs}
            )

    def save_log_starts(self) -> None:
        """Writes where the logs begin, if that has changed since. Raises OSError.

        Unlike Kafka, which does it at intervals, before a deletion of records is answered and before a segment's files
        go: so after a crash nothing comes back.
        """
        with self._writing:
            copies, logs = self._copies_and_logs()
            starts = _log_starts((*copies, *logs))
            if starts != self.log_start_offsets:
                self.log_start_offsets = self._write(checkpoints.LOG_START_OFFSETS, starts)

    def _copies_and_logs(self) -> tuple[list[tuple[TopicPartition, LogMove]], list[tuple[TopicPartition, Log]]]:
        """The tables as they are, copies first: in between one may become a log."""
        copies = sorted(self.copies.items(), key=_key)
        return copies, sorted(self.logs.items(), key=_key)

    def _write(self, name: str, offsets: dict[TopicPartition, int]) -> dict[TopicPartition, int]:
        checkpoints.write_offsets(self.path, name, offsets, self._filesystem)
        return offsets

    def forget(self, key: TopicPartition) -> None:
        """Sees to it that a new log is not taken for a deleted one of its name, whose offsets are still on disk.

        Raises OSError.
        """
        if key in self.recovery_points or key in self.log_start_offsets:
            self.checkpoint()

    def begin_writing(self) -> None:
        """Takes the mark of the clean stop away, before anything in the directory changes. Raises OSError.

        Already before the logs are opened: a start that crashes while it mends one was no clean stop (KAFKA-10471).
        """
        if self.was_clean:
            checkpoints.unmark_clean(self.path, self._filesystem)

    def close(self, broker_epoch: int) -> None:
        """Closes all logs and marks the directory clean, once all of it is on disk. Raises OSError."""
        logs = list(self.logs.values())
        _flush([log for log in logs if log.recovery_point < log.log_end_offset])
        for log in logs:
            log.close()
        self.checkpoint()
        checkpoints.mark_clean(self.path, broker_epoch, self._filesystem)

    def unlock(self) -> None:
        """Lets another broker use the directory."""
        if self._lock_fd >= 0:
            self._filesystem.close(self._lock_fd)
            self._lock_fd = -1


def _key(item: tuple[TopicPartition, object]) -> TopicPartition:
    return item[0]


def _log_starts(logs: Iterable[tuple[TopicPartition, Log | LogMove]]) -> dict[TopicPartition, int]:
    """Also of logs whose first segment begins there: its predecessors' names may come back with a power loss."""
    return {key: log.log_start_offset for key, log in logs if log.log_start_offset}


def _flush(logs: Sequence[Log]) -> None:
    """Makes logs durable many at a time: syncs that wait together share the writes of the disk. Raises OSError."""
    with ThreadPoolExecutor(_SYNCS_AT_A_TIME) as pool:
        for first in range(0, len(logs), _LOGS_AT_A_TIME):
            chunk = logs[first : first + _LOGS_AT_A_TIME]
            for log in chunk:
                log.write_out()
            flushes = [log.begin_flush() for log in chunk]
            try:
                list(pool.map(Flush.sync, flushes))
            except OSError:
                for flush in flushes:
                    flush.release()
                raise
            for log, flush in zip(chunk, flushes, strict=True):
                log.end_flush(flush)
