"""What a broker does by itself from time to time: checkpoints, retention, expiry, the removal of deleted files."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

# Kafka allows intervals of 0, which for a repeated job is "as often as you can": often enough is ten times a second.
_INTERVAL_MS_MIN = 100
_RETRY_MS = 1000


class Housekeeping:
    """Jobs that are repeated, on the loop; what may block they hand to a thread. An error is logged, not the end."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._ending = False
        self._alarms: list[asyncio.Event] = []

    def every(
        self, interval_ms: int, name: str, job: Callable[[], Awaitable[None]], *, first_ms: int | None = None
    ) -> None:
        """Run the job again and again, the first time after one interval, or after `first_ms`."""
        interval_ms = max(interval_ms, _INTERVAL_MS_MIN)

        async def run() -> int:
            await job()
            return interval_ms

        self._start(name, run, interval_ms if first_ms is None else first_ms, interval_ms)

    def when_due(self, name: str, job: Callable[[], Awaitable[int | None]]) -> Callable[[], None]:
        """Run the job now, and then each time after as many ms as it returns; None is for ever.

        Returns what has it run sooner, to be called on the loop's thread.
        """
        return self._start(name, job, 0, _RETRY_MS).set

    async def close(self) -> None:
        """Begin no further run; those under way are waited for."""
        self._ending = True
        for alarm in self._alarms:
            alarm.set()
        await asyncio.gather(*self._tasks)
        self._tasks.clear()

    def _start(
        self, name: str, job: Callable[[], Awaitable[int | None]], first_ms: int, retry_ms: int
    ) -> asyncio.Event:
        alarm = asyncio.Event()
        self._alarms.append(alarm)
        repeated = self._repeat(name, job, alarm, first_ms, retry_ms)
        self._tasks.append(asyncio.get_running_loop().create_task(repeated, name=name))
        return alarm

    async def _repeat(
        self,
        name: str,
        job: Callable[[], Awaitable[int | None]],
        alarm: asyncio.Event,
        first_ms: int,
        retry_ms: int,
    ) -> None:
        wait_ms: int | None = first_ms
        while True:
            await _wait(alarm, wait_ms)
            if self._ending:
                return
            alarm.clear()
            try:
                wait_ms = await job()
            except Exception:
                logger.exception("The job %r failed and is tried again later", name)
                wait_ms = retry_ms


async def _wait(alarm: asyncio.Event, wait_ms: int | None) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(alarm.wait(), None if wait_ms is None else wait_ms / 1000)
