"""The pace of a long task on the loop's thread: a few ms of work, then a turn for everybody else."""

from __future__ import annotations

import asyncio

from ..clock import Clock

SLICE_MS = 2.5


class Pace:
    """One task's slices of time; whoever uses it asks often enough, some ten times a ms."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._slice_end_ms = 0.0
        self.begin()

    def begin(self) -> None:
        """Begin a slice, as after the task has waited for something."""
        self._slice_end_ms = self._clock.monotonic_ms() + SLICE_MS

    async def keep(self) -> None:
        """Let others have their turn if this slice is over."""
        if self._clock.monotonic_ms() >= self._slice_end_ms:
            await asyncio.sleep(0)
            self.begin()
