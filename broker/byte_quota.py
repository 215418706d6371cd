"""A quota of bytes per second that is paid after the fact: who has moved some waits until they are paid."""

from __future__ import annotations

from .clock import Clock


class ByteQuota:
    """Shared by all who move bytes under it; the rate may be another one each time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._debt_bytes = 0.0
        self._paid_ms = clock.monotonic_ms()

    def spend(self, size_bytes: int) -> None:
        """Take note of bytes that were moved; time without a debt pays nothing."""
        if not self._debt_bytes:
            self._paid_ms = self._clock.monotonic_ms()
        self._debt_bytes += size_bytes

    def forgive(self) -> None:
        """Have all paid, since there is no quota any more."""
        self._debt_bytes = 0.0

    def wait_seconds(self, bytes_per_second: int) -> float:
        """How long until all is paid, at this rate; 0 once it is."""
        now_ms = self._clock.monotonic_ms()
        paid_bytes = (now_ms - self._paid_ms) / 1000 * bytes_per_second
        self._paid_ms = now_ms
        self._debt_bytes = max(0.0, self._debt_bytes - paid_bytes)
        return self._debt_bytes / bytes_per_second
