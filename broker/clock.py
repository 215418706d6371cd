"""The only source of time: everything that asks for it is handed a Clock, so that tests can drive it."""

from __future__ import annotations

import time


class Clock:
    """The machine's own time."""

    def now_ms(self) -> int:
        """Wall time in ms since 1970, the time of record timestamps."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> float:
        """Time in ms that never goes back, for deadlines and durations."""
        return time.monotonic() * 1000.0
