"""The simulated time, and what is to happen in it."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from broker.core.result import Moment

Action = Callable[[], None]


class Schedule:
    """Actions in the order of their times; between two of them no time passes.

    Monotonic time only goes on. Wall time goes along with it but may be set back and forth at any moment.
    """

    def __init__(self, monotonic_ms: int, wall_ms: int) -> None:
        self.monotonic_ms = monotonic_ms
        self._wall_offset_ms = wall_ms - monotonic_ms
        self._actions: list[tuple[int, int, Action]] = []
        self._count = 0

    @property
    def now(self) -> Moment:
        return Moment(self.monotonic_ms + self._wall_offset_ms, self.monotonic_ms)

    def after(self, delay_ms: int, action: Action) -> None:
        """Let something happen; of what is due at the same time the first that was asked for comes first."""
        self._count += 1
        heapq.heappush(self._actions, (self.monotonic_ms + max(delay_ms, 0), self._count, action))

    def jump_wall(self, by_ms: int) -> None:
        """Set the wall clock."""
        self._wall_offset_ms = max(self._wall_offset_ms + by_ms, -self.monotonic_ms)

    def next_due_ms(self) -> int | None:
        """When the next action is due; None if there is none."""
        return self._actions[0][0] if self._actions else None

    def step(self) -> None:
        """Go on to the next action and take it."""
        self.monotonic_ms, _, action = heapq.heappop(self._actions)
        action()
