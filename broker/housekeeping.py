"""What a broker does by itself from time to time: checkpoints, expiry, the removal of deleted files."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

# Kafka allows intervals of 0, which for a repeated job is "as often as you can": often enough is ten times a second.
_INTERVAL_MS_MIN = 100


class Housekeeping:
    """Jobs that are repeated at an interval, on the loop; what may block they hand to a thread."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._ending = asyncio.Event()

    def every(self, interval_ms: int, name: str, job: Callable[[], Awaitable[None]]) -> None:
        """Run the job again and again, the first time after one interval; an error is logged and not the end."""
        repeated = self._repeat(max(interval_ms, _INTERVAL_MS_MIN) / 1000, name, job)
        self._tasks.append(asyncio.get_running_loop().create_task(repeated, name=name))

    async def close(self) -> None:
        """Begin no further run; those under way are waited for."""
        self._ending.set()
        await asyncio.gather(*self._tasks)
        self._tasks.clear()

    async def _repeat(self, interval_seconds: float, name: str, job: Callable[[], Awaitable[None]]) -> None:
        while not await self._ends_within(interval_seconds):
            try:
                await job()
            except Exception:
                logger.exception("The job %r failed and is tried again later", name)

    async def _ends_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._ending.wait(), seconds)
        except TimeoutError:
            return False
        return True
