"""Who is read from in which turn of the loop, so that a crowd of clients does not keep one that comes alone.

All connections that the system finds readable at once are handled in one turn of the loop, and a thousand members of a
group that send a request each would hold it for some 60 ms. So a turn reads for a budget of time; connections beyond it
are deferred. In the turns after that, those that become readable only then go first and deferred ones have a budget of
their own: a client on its own hardly notices the crowd, and the crowd waits no longer than before.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from .clock import Clock

BUDGET_MS = 4.0
"""How long the requests of one turn may take."""


class Reader(Protocol):
    """A connection that can be read from."""

    deferred: bool
    """Whether its turn is still to come; set here alone."""

    def read(self) -> None:
        """Receive once and handle what has come."""


class ReadTurns:
    """The turns of one server's connections; used on the loop's thread."""

    __slots__ = ("_clock", "_deferred", "_end_ms", "_is_open", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self._loop = loop
        self._clock = clock
        self._is_open = False
        self._end_ms = 0.0
        self._deferred: deque[Reader] = deque()

    def read(self, reader: Reader) -> None:
        """Let the connection read now if there is time in this turn, else in one of the next ones."""
        if reader.deferred:
            return  # the system tells again at every turn
        now_ms = self._clock.monotonic_ms()
        if not self._is_open:
            self._is_open = True
            self._end_ms = now_ms + BUDGET_MS
            self._loop.call_soon(self._end_turn)
        elif now_ms >= self._end_ms:
            reader.deferred = True
            self._deferred.append(reader)
            return
        reader.read()

    def _end_turn(self) -> None:
        """Called at the beginning of the next turn, before it is known who is readable in it."""
        self._is_open = False
        deferred = self._deferred
        if not deferred:
            return
        end_ms = self._clock.monotonic_ms() + BUDGET_MS
        while deferred and self._clock.monotonic_ms() < end_ms:
            reader = deferred.popleft()
            reader.deferred = False
            reader.read()
        if deferred:
            # In the turn that is beginning nobody may be readable but those that are deferred already.
            self._is_open = True
            self._end_ms = self._clock.monotonic_ms() + BUDGET_MS
            self._loop.call_soon(self._end_turn)
