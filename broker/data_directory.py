"""The directory that a broker calls its own: where things are in it, its lock, and temporary ones that vanish.

D/.lock            held for as long as a broker process uses D
D/metadata.db      the embedded metadata store
D/broker-<id>/     the broker's log directory, unless `log.dirs` names others
"""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterable

from storage import meta_properties
from storage.filesystem import Filesystem

from .config import Config, StartupError

_EPHEMERAL_PREFIX = "ottla-ephemeral-"
_METADATA_FILE_NAME = "metadata.db"
_PARTITION = re.compile(r".+-[0-9]+")
_SEGMENT = re.compile(r"[0-9]{20}\.log")


class DataDirectory:
    """An opened and locked data directory."""

    def __init__(self, path: str, filesystem: Filesystem, *, ephemeral: bool = False) -> None:
        """Make the directory if need be and lock it; raises StartupError if it is in use or cannot be written."""
        self.path = os.path.abspath(path)
        self.ephemeral = ephemeral
        self._filesystem = filesystem
        try:
            filesystem.make_directories(self.path)
            self._lock_fd = filesystem.lock(os.path.join(self.path, ".lock"))
        except BlockingIOError as error:
            raise StartupError(
                f"The data directory {self.path} is in use by another broker; stop it or choose another --data-dir."
            ) from error
        except PermissionError as error:
            raise StartupError(
                f"The data directory {self.path} is not one that user {os.geteuid()} may write to; give it to that "
                "user, run as its owner, or choose another --data-dir."
            ) from error
        except OSError as error:
            remedy = "mount it writable or choose" if error.errno == errno.EROFS else "choose"
            raise StartupError(
                f"The data directory {self.path} cannot be used: {error.strerror}; {remedy} another --data-dir."
            ) from error

    @classmethod
    def temporary(cls, filesystem: Filesystem) -> DataDirectory:
        """Make a directory that `close` removes, and remove those of runs that were killed."""
        root = tempfile.gettempdir()
        for name in filesystem.list_directories(root):
            if name.startswith(_EPHEMERAL_PREFIX):
                _sweep(os.path.join(root, name), filesystem)
        return cls(tempfile.mkdtemp(prefix=_EPHEMERAL_PREFIX, dir=root), filesystem, ephemeral=True)

    @property
    def metadata_path(self) -> str:
        """The file of the embedded metadata store."""
        return os.path.join(self.path, _METADATA_FILE_NAME)

    def log_directories(self, config: Config) -> list[str]:
        """The broker's log directories: exactly those of `log.dirs` where it is set."""
        configured = config.log_dirs or (os.path.join(self.path, f"broker-{config.node_id}"),)
        return [os.path.abspath(path) for path in configured]

    def close(self) -> None:
        """Unlock the directory, and remove it if it was temporary."""
        if self.ephemeral:
            self._filesystem.remove_tree(self.path)
        self._filesystem.close(self._lock_fd)


def has_data(path: str) -> bool:
    """Tell whether a broker has used this data directory before."""
    return os.path.exists(os.path.join(path, _METADATA_FILE_NAME))


def refuse_logs_of_others(directories: Iterable[str]) -> None:
    """Raise StartupError for a directory that has logs already, for a broker whose data directory is new.

    It would know none of the topics in there, as of a Kafka broker, and put their logs aside.
    """
    for path in directories:
        if os.path.exists(os.path.join(path, meta_properties.FILE_NAME)) or _has_partitions(path):
            raise StartupError(
                f"{path} holds the logs of another broker. If that is Kafka, choose an empty directory: Ottla does not "
                "take over Kafka's topics. If it is Ottla, start it with the --data-dir that it had before."
            )


def _has_partitions(path: str) -> bool:
    try:
        names = [name for name in os.listdir(path) if _PARTITION.fullmatch(name)]
        return any(_SEGMENT.fullmatch(file) for name in names for file in _files(os.path.join(path, name)))
    except OSError:
        return False  # what opens the directory says so


def _files(path: str) -> list[str]:
    return os.listdir(path) if os.path.isdir(path) else []


def _sweep(path: str, filesystem: Filesystem) -> None:
    """Remove a temporary directory whose broker is gone; one in use, in the making, or another user's, stays."""
    lock_path = os.path.join(path, ".lock")
    if not filesystem.exists(lock_path):
        return
    try:
        fd = filesystem.lock(lock_path)
    except OSError:
        return
    try:
        filesystem.remove_tree(path)
    except OSError:
        return
    finally:
        filesystem.close(fd)
