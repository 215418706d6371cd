"""A clock that a test drives."""

from __future__ import annotations

from broker.clock import Clock


class ManualClock(Clock):
    """Time that stands still until it is told to go on."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms
        self._monotonic_ms = 0.0

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_ms(self) -> float:
        return self._monotonic_ms

    def advance(self, duration_ms: int) -> None:
        """Let both times go on by `duration_ms`."""
        self._now_ms += duration_ms
        self._monotonic_ms += duration_ms

    def jump(self, duration_ms: int) -> None:
        """Move the wall time alone, as an operator or NTP does; it may go back."""
        self._now_ms += duration_ms
