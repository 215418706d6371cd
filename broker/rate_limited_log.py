"""A log that a hostile client cannot fill."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable

from .clock import Clock

_CAUSES_MAX = 8  # clients choose some of them


class _Similar:
    """The lines of one cause."""

    __slots__ = ("last_left_out", "left_out_count", "next_ms")

    def __init__(self) -> None:
        self.next_ms = float("-inf")
        """When the next line may be shown."""
        self.left_out_count = 0
        self.last_left_out = ""


class RateLimitedLog:
    """Shows the first line of each cause, and at the end of the interval the last one and the count of the others.

    That makes no more than two lines a cause and interval. Causes of which nothing is left to say are forgotten, and
    those beyond a handful count as one. On a loop's thread a timer says what was left out, which is set only then;
    without a loop the next line of that cause does.
    """

    def __init__(self, logger: logging.Logger, clock: Clock, interval_ms: int = 1_000) -> None:
        self._logger = logger
        self._clock = clock
        self._interval_ms = interval_ms
        self._by_cause: dict[Hashable, _Similar] = {}
        self._others = _Similar()
        self._flush_timer: asyncio.TimerHandle | None = None

    def warning(self, message: str, *args: object, cause: Hashable = None) -> None:
        """Log the line, or leave it out if one of its cause was logged less than an interval ago.

        `cause` is what similar lines have in common, the message if it is None.
        """
        now_ms = self._clock.monotonic_ms()
        similar = self._find(message if cause is None else cause, now_ms)
        if now_ms < similar.next_ms:
            similar.left_out_count += 1
            similar.last_left_out = message % args  # its arguments may keep a request alive
            self._flush_later()
            return
        self._show(similar, message % args, similar.left_out_count, now_ms)

    def flush(self) -> None:
        """Say now what was left out."""
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        now_ms = self._clock.monotonic_ms()
        for similar in (*self._by_cause.values(), self._others):
            if similar.left_out_count:
                self._show(similar, similar.last_left_out, similar.left_out_count - 1, now_ms)

    def _show(self, similar: _Similar, line: str, left_out_count: int, now_ms: float) -> None:
        similar.next_ms = now_ms + self._interval_ms
        similar.left_out_count = 0
        similar.last_left_out = ""
        if left_out_count:
            were = "line was" if left_out_count == 1 else "lines were"
            line += f" ({left_out_count} similar {were} left out)"
        self._logger.warning("%s", line)

    def _find(self, cause: Hashable, now_ms: float) -> _Similar:
        similar = self._by_cause.get(cause)
        if similar is None:
            if len(self._by_cause) >= _CAUSES_MAX:
                self._by_cause = {
                    known: kept
                    for known, kept in self._by_cause.items()
                    if kept.left_out_count or now_ms < kept.next_ms
                }
                if len(self._by_cause) >= _CAUSES_MAX:
                    return self._others
            similar = self._by_cause[cause] = _Similar()
        return similar

    def _flush_later(self) -> None:
        if self._flush_timer is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                return
            self._flush_timer = loop.call_later(self._interval_ms / 1000, self.flush)
