"""Connections that have been silent for connections.max.idle.ms are closed.

Silent is who neither sends a byte nor takes one, even while it waits for a reply, as in Kafka. A use only sets a flag,
which is all that requests pay; a sweep that finds it notes the time. So nobody is closed early, and everybody within
two sweeps.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Protocol

from .clock import Clock
from .coordinators.pace import Pace

logger = logging.getLogger(__name__)

_SWEEPS_PER_LIMIT = 20
_INTERVAL_MS_MIN = 100
_INTERVAL_MS_MAX = 5_000


class Idler(Protocol):
    """A connection, as far as its idleness goes."""

    active: bool
    """Whether it was used since the last sweep."""
    idle_since_ms: float
    """When the last sweep came by that found it active."""
    closed: bool

    def close(self, reason: str | None = None) -> None:
        """Close at once."""

    def close_if_reset(self) -> None:
        """Close if the peer has reset the connection and nobody will say so."""


class IdleConnections:
    """Sweeps over the connections of one server; used on the loop's thread.

    Args:
        max_idle_ms: how long one may be idle, below 0 for as long as it likes.
    """

    def __init__(self, connections: Collection[Idler], clock: Clock, max_idle_ms: int) -> None:
        self._connections = connections
        self._clock = clock
        self._max_idle_ms = max_idle_ms

    @property
    def interval_ms(self) -> int:
        """How often to sweep."""
        if self._max_idle_ms < 0:
            return _INTERVAL_MS_MAX
        return min(max(self._max_idle_ms // _SWEEPS_PER_LIMIT, _INTERVAL_MS_MIN), _INTERVAL_MS_MAX)

    async def sweep(self) -> None:
        """Note the time for those that were active, and close those that have not been for too long, or are gone."""
        pace = Pace(self._clock)
        now_ms = self._clock.monotonic_ms()
        closed = 0
        for connection in list(self._connections):
            if connection.active:
                connection.active = False
                connection.idle_since_ms = now_ms
            elif 0 <= self._max_idle_ms <= now_ms - connection.idle_since_ms and not connection.closed:
                connection.close("it has been idle for connections.max.idle.ms")
                closed += 1
            else:
                connection.close_if_reset()
            await pace.keep()
        if closed:
            logger.info("[connections] Closed, since idle for connections.max.idle.ms: %d", closed)

    def longest_idle_first(self) -> Sequence[Idler]:
        """The connections in the order in which they were used last, to within a sweep."""
        return sorted(self._connections, key=lambda each: (each.active, each.idle_since_ms))
