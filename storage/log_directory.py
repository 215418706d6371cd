"""One log directory: locked, owned by this cluster and node, with the checkpoints of the logs in it."""

from __future__ import annotations

import logging

from . import checkpoints, meta_properties
from .checkpoints import TopicPartition
from .filesystem import Filesystem
from .log import Log
from .log_directory_error import LogDirectoryError

LOCK_FILE_NAME = ".lock"

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
        self.failure: OSError | None = None
        """What took the directory offline."""
        self.was_clean = checkpoints.is_marked_clean(path, filesystem)
        self.recovery_points = checkpoints.read_offsets(path, checkpoints.RECOVERY_POINTS, filesystem)
        self.log_start_offsets = checkpoints.read_offsets(path, checkpoints.LOG_START_OFFSETS, filesystem)
        self.high_watermarks = checkpoints.read_offsets(path, checkpoints.HIGH_WATERMARKS, filesystem)
        """These four as the broker before left them."""
        self._filesystem = filesystem
        self._lock_fd = lock_fd

    @classmethod
    def open(
        cls, path: str, filesystem: Filesystem, *, cluster_id: str, node_id: int, new_directory_id: str
    ) -> LogDirectory:
        """Makes a directory where there is none, locks it, and checks whose it is.

        Raises LogDirectoryError where another broker uses or owns it, OSError where the disk fails.
        """
        filesystem.make_directories(path)
        try:
            lock_fd = filesystem.lock(f"{path}/{LOCK_FILE_NAME}")
        except BlockingIOError as error:
            raise LogDirectoryError(f"log directory {path} is in use by another broker") from error
        try:
            directory_id = meta_properties.claim(path, cluster_id, node_id, new_directory_id, filesystem)
            return cls(path, filesystem, lock_fd, directory_id)
        except BaseException:
            filesystem.close(lock_fd)
            raise

    def checkpoint(self) -> None:
        """Writes the offsets of all logs, each file in one piece. Raises OSError.

        The high watermark written is the log's end: a broker without followers has no other.
        """
        logs = sorted(self.logs.items())
        for name, offsets in (
            (checkpoints.RECOVERY_POINTS, {key: log.recovery_point for key, log in logs}),
            (
                checkpoints.LOG_START_OFFSETS,
                {key: log.log_start_offset for key, log in logs if log.log_start_offset > log.segments[0].base_offset},
            ),
            (checkpoints.HIGH_WATERMARKS, {key: log.log_end_offset for key, log in logs}),
        ):
            checkpoints.write_offsets(self.path, name, offsets, self._filesystem)

    def begin_writing(self) -> None:
        """Takes the mark of the clean stop away, before anything in the directory changes. Raises OSError."""
        if self.was_clean:
            checkpoints.unmark_clean(self.path, self._filesystem)

    def close(self, broker_epoch: int) -> None:
        """Closes all logs and marks the directory clean, if all of it is on disk. Raises OSError."""
        for log in self.logs.values():
            log.close()
        self.checkpoint()
        checkpoints.mark_clean(self.path, broker_epoch, self._filesystem)

    def unlock(self) -> None:
        """Lets another broker use the directory."""
        if self._lock_fd >= 0:
            self._filesystem.close(self._lock_fd)
            self._lock_fd = -1
