"""A log that a hostile client cannot fill."""

from __future__ import annotations

import logging

from .clock import Clock


class RateLimitedLog:
    """Passes on one line an interval and counts those that it leaves out."""

    def __init__(self, logger: logging.Logger, clock: Clock, interval_ms: int = 1_000) -> None:
        self._logger = logger
        self._clock = clock
        self._interval_ms = interval_ms
        self._next_ms = float("-inf")
        self._left_out_count = 0

    def warning(self, message: str, *args: object) -> None:
        """Log the line, or count it if one was logged less than an interval ago."""
        now_ms = self._clock.monotonic_ms()
        if now_ms < self._next_ms:
            self._left_out_count += 1
            return
        if self._left_out_count:
            message += f" ({self._left_out_count} similar lines left out)"
        self._next_ms = now_ms + self._interval_ms
        self._left_out_count = 0
        self._logger.warning(message, *args)
