"""What a broker does by itself from time to time: checkpoints, expiry, the removal of deleted files."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)


class Housekeeping:
    """Jobs that are repeated at an interval; what may block runs in a thread."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def every(self, interval_ms: int, name: str, job: Callable[[], None], *, blocking: bool = True) -> None:
        """Run the job again and again, the first time after one interval; an error is logged and not the end."""
        self._tasks.append(
            asyncio.get_running_loop().create_task(self._repeat(interval_ms, name, job, blocking), name=name)
        )

    async def close(self) -> None:
        """Begin no further run; one that is under way in a thread is waited for."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _repeat(self, interval_ms: int, name: str, job: Callable[[], None], blocking: bool) -> None:
        while True:
            await asyncio.sleep(interval_ms / 1000)
            try:
                if blocking:
                    await _in_thread(job)
                else:
                    job()
            except Exception:
                logger.exception("The job %r failed and is tried again later", name)


async def _in_thread(job: Callable[[], None]) -> None:
    """Run the job in a thread; a cancellation is delivered only once the thread is done with it."""
    run = asyncio.get_running_loop().run_in_executor(None, job)
    try:
        await asyncio.shield(run)
    except asyncio.CancelledError:
        await asyncio.wait([run])
        raise
