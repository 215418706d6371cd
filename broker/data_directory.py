"""The directory that a broker calls its own: where things are in it, its lock, and temporary ones that vanish.

D/.lock            held for as long as a broker process uses D
D/metadata.db      the embedded metadata store
D/broker-<id>/     the broker's log directory, unless `log.dirs` names others
"""

from __future__ import annotations

import os
import tempfile

from storage.filesystem import Filesystem

from .config import Config, StartupError

_EPHEMERAL_PREFIX = "ottla-ephemeral-"


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
        except OSError as error:
            raise StartupError(
                f"The data directory {self.path} cannot be used: {error.strerror}; choose another --data-dir."
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
        return os.path.join(self.path, "metadata.db")

    def log_directories(self, config: Config) -> list[str]:
        """The broker's log directories: exactly those of `log.dirs` where it is set."""
        configured = config.log_dirs or (os.path.join(self.path, f"broker-{config.node_id}"),)
        return [os.path.abspath(path) for path in configured]

    def close(self) -> None:
        """Unlock the directory, and remove it if it was temporary."""
        if self.ephemeral:
            self._filesystem.remove_tree(self.path)
        self._filesystem.close(self._lock_fd)


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
