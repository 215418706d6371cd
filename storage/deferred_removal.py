"""Removes files and directories a while after they were renamed for it: Kafka's `file.delete.delay.ms`.

What is left when the broker ends is found by its names at the next start.
"""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Callable, Iterable

from .directory_names import DELETE_SUFFIX
from .filesystem import Filesystem

# A broker that ends waits for as many at most.
_REMOVED_AT_A_TIME = 64

logger = logging.getLogger(__name__)


class DeferredRemoval:
    """The paths that wait for their removal; all methods may be called from any thread."""

    def __init__(self, filesystem: Filesystem, now_ms: Callable[[], int], on_sooner: Callable[[], None]) -> None:
        """`on_sooner` is called, in the thread that calls `add`, where something is due sooner than was known."""
        self._filesystem = filesystem
        self._now_ms = now_ms
        self._on_sooner = on_sooner
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, str]] = []
        """A heap of (when it is due in ms, path)."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, paths: Iterable[str], delay_ms: int) -> None:
        """Has files removed after `delay_ms`, and directories, which end with `-delete`, with all that is in them."""
        due_ms = self._now_ms() + delay_ms
        with self._lock:
            is_sooner = not self._waiting or due_ms < self._waiting[0][0]
            for path in paths:
                heapq.heappush(self._waiting, (due_ms, path))
        if is_sooner:
            self._on_sooner()

    def remove_due(self) -> int | None:
        """Removes what is due, a bounded number of paths; returns in how many ms more is, None where nothing waits."""
        now_ms = self._now_ms()
        for _ in range(_REMOVED_AT_A_TIME):
            with self._lock:
                if not self._waiting or self._waiting[0][0] > now_ms:
                    break
                _, path = heapq.heappop(self._waiting)
            self._remove(path)
        with self._lock:
            return max(0, self._waiting[0][0] - now_ms) if self._waiting else None

    def _remove(self, path: str) -> None:
        try:
            if path.endswith(DELETE_SUFFIX):
                self._filesystem.remove_tree(path)
            else:
                self._filesystem.unlink(path)
        except OSError as error:
            logger.warning("%s cannot be removed, the next start tries again: %s", path, error)
