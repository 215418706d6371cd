"""Requests that wait for something to happen, or for their time to be up: Kafka's purgatory for one thread.

What a waiter waits for is the business of whoever wakes it (a partition keeps those that wait for its high watermark,
see `broker.partition`). Here are its deadline and its one completion:

- Deadlines of the same millisecond share a bucket and all buckets share one timer. A long poll that is answered
  early, as most are, then costs a dict's insert and delete instead of a timer of the loop.
- A waiter that is woken completes at the end of the loop's turn: a produce request to ten partitions wakes a fetch
  ten times and has it read once, and the producer's own reply is not held up by the reading. Where many wait for the
  same, some complete in each of the turns after that, so that nobody else waits for all of them.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from abc import ABC, abstractmethod
from collections import deque

from .clock import Clock
from .turns import BUDGET_MS

# A client may ask for long polls of weeks and have each answered at once: what is left of them is swept.
_STALE_DEADLINES_MAX = 1024


class Waiter(ABC):
    """One parked request."""

    __slots__ = ("deadline_ms",)

    deadline_ms: int
    """Monotonic time at which it completes whatever has happened; set while it is parked."""

    @abstractmethod
    def complete(self) -> None:
        """Answer the request with what there is now; called once, and not after `DelayedRequests.cancel`.

        It must not raise: an error belongs into the request's own future.
        """


class DelayedRequests:
    """The parked requests of one broker; all its methods run on the loop's thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[int, dict[Waiter, None]] = {}
        self._deadlines: list[int] = []
        """A heap of the keys of `_buckets`, and of some whose bucket became empty and is gone."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_ms = 0
        self._woken: deque[Waiter] = deque()
        self._completing = False

    def __len__(self) -> int:
        return sum(map(len, self._buckets.values()))

    def park(self, waiter: Waiter, wait_ms: int) -> None:
        """Keep the waiter until it is woken or `wait_ms` have passed."""
        deadline_ms = math.ceil(self._clock.monotonic_ms()) + wait_ms
        waiter.deadline_ms = deadline_ms
        bucket = self._buckets.get(deadline_ms)
        if bucket is None:
            bucket = self._buckets[deadline_ms] = {}
            heapq.heappush(self._deadlines, deadline_ms)
            if len(self._deadlines) > 2 * len(self._buckets) + _STALE_DEADLINES_MAX:
                self._deadlines = sorted(self._buckets)
            if self._timer is None or deadline_ms < self._timer_due_ms:
                self._arm(deadline_ms)
        bucket[waiter] = None

    def wake(self, waiter: Waiter) -> None:
        """Complete the waiter at the end of this turn of the loop, if it still waits then."""
        if not self._woken and not self._completing:
            asyncio.get_running_loop().call_soon(self._complete_woken)
        self._woken.append(waiter)

    def cancel(self, waiter: Waiter) -> bool:
        """Forget the waiter; False if it has been completed or cancelled before."""
        bucket = self._buckets.get(waiter.deadline_ms)
        if bucket is None or waiter not in bucket:
            return False
        del bucket[waiter]
        if not bucket:
            del self._buckets[waiter.deadline_ms]
        return True

    def complete_due(self) -> None:
        """Complete every waiter whose deadline has come; the timer's callback, for a driven clock to call too."""
        now_ms = self._clock.monotonic_ms()
        while self._deadlines and self._deadlines[0] <= now_ms:
            self._complete_bucket(heapq.heappop(self._deadlines))
        self._arm_for_next()

    def complete_all(self) -> None:
        """Complete every waiter now, as at shutdown."""
        for deadline_ms in list(self._buckets):
            self._complete_bucket(deadline_ms)
        self._arm_for_next()

    def _complete_bucket(self, deadline_ms: int) -> None:
        for waiter in list(self._buckets.get(deadline_ms, ())):
            if self.cancel(waiter):
                waiter.complete()

    def _complete_woken(self) -> None:
        self._completing = True
        end_ms = self._clock.monotonic_ms() + BUDGET_MS
        for _ in range(len(self._woken)):
            waiter = self._woken.popleft()
            if self.cancel(waiter):
                waiter.complete()
            if self._woken and self._clock.monotonic_ms() >= end_ms:
                break
        self._completing = False
        if self._woken:
            asyncio.get_running_loop().call_soon(self._complete_woken)

    def _arm_for_next(self) -> None:
        """Set the timer for the earliest deadline that still has a waiter."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._deadlines and self._deadlines[0] not in self._buckets:
            heapq.heappop(self._deadlines)
        if self._deadlines:
            self._arm(self._deadlines[0])

    def _arm(self, due_ms: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due_ms = due_ms
        # At least a millisecond: a clock that is driven by a test may stand still.
        delay_seconds = max(1.0, due_ms - self._clock.monotonic_ms()) / 1000.0
        self._timer = asyncio.get_running_loop().call_later(delay_seconds, self.complete_due)
