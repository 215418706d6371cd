"""Who is served in which turn of the loop, so that greedy clients do not keep the others waiting.

All connections that the system finds ready at once are served in one turn of the loop, and a thousand members of a
group that send a request each would hold it for some 60 ms; a hundred that read large replies would for 25. So a turn
has a budget of time. Whoever comes too late in it is served first in the next one, before it is known who is ready
then, but those behind the others whose last request was about a group, or who had none yet: a thousand of them may come
at once, and they have seconds. One that has more requests than a slice of time is enough for is greedy: it goes on in
later turns, a slice in each, behind all who were late. So does one that takes a reply bit by bit.

Small replies are held until the turn ends. Sent one by one, each would wake a client that has fallen asleep since the
one before, which costs more than the reply does; sent together they find it awake, and its requests come together.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from .clock import Clock

BUDGET_MS = 2.0
"""How long into a turn another connection is begun with; late ones have a budget of their own, with the greedy ones."""

SLICE_MS = 1.0
"""How long into its requests another one of the same connection is begun with, before it is greedy."""

_GREEDY_SLICE_MS_MIN = 0.5  # each has its price


class Client(Protocol):
    """A connection that is read from or written to."""

    deferred: bool
    """Whether its turn is still to come; set here alone."""
    spent_ms: float
    """How long it was served since it last had enough; set here alone."""

    @property
    def patient(self) -> bool:
        """Whether what it asks for may wait while others are late."""

    def take_turn(self) -> None:
        """Go on where it was deferred."""

    def let_go(self) -> None:
        """Send the replies that were held until the end of the turn."""


class Turns:
    """The turns of one server's connections; used on the loop's thread."""

    __slots__ = ("_clock", "_end_ms", "_greedy", "_held", "_is_open", "_late", "_loop", "_patient", "slice_ms")

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self.slice_ms = SLICE_MS
        """How long into its requests another one of the same connection is begun with, in this part of the turn."""
        self._loop = loop
        self._clock = clock
        self._is_open = False
        self._end_ms = 0.0
        self._held: deque[Client] = deque()
        self._late: deque[Client] = deque()
        self._patient: deque[Client] = deque()
        self._greedy: deque[Client] = deque()

    def admits(self, client: Client) -> bool:
        """Tell whether the connection may be served now; else it is deferred."""
        if client.deferred:
            return False  # the system tells again at every turn
        now_ms = self._clock.monotonic_ms()
        if not self._is_open:
            self._open(now_ms)
        was_greedy = client.spent_ms >= SLICE_MS
        client.spent_ms = 0.0
        if was_greedy or now_ms >= self._end_ms:
            client.deferred = True
            self._queue_of(client, is_greedy=was_greedy).append(client)
            return False
        return True

    def defer(self, client: Client, spent_ms: float) -> None:
        """Let the connection, which was served for so long and has more to do, go on in later turns."""
        client.spent_ms += spent_ms
        if client.deferred:
            return  # it was served out of turn, and has no more than one turn to come
        client.deferred = True
        self._queue_of(client, is_greedy=client.spent_ms >= SLICE_MS).append(client)
        if not self._is_open:
            self._open(self._clock.monotonic_ms())

    def hold(self, client: Client) -> bool:
        """Let the replies of the connection go at the end of the turn, with those of all others, if that is soon.

        Where some are deferred, turns are as long as they may be: False, and they are to be sent at once.
        """
        if self._late or self._patient or self._greedy:
            return False
        self._held.append(client)
        if not self._is_open:
            self._open(self._clock.monotonic_ms())
        return True

    def _let_go(self) -> None:
        held = self._held
        while held:  # where one fails, the others follow with the next turn
            held.popleft().let_go()

    def _queue_of(self, client: Client, *, is_greedy: bool) -> deque[Client]:
        if is_greedy:
            return self._greedy
        return self._patient if client.patient else self._late

    def _open(self, now_ms: float) -> None:
        self._end_ms = now_ms + BUDGET_MS
        if not self._is_open:
            self._is_open = True
            self._loop.call_soon(self._end)

    def _end(self) -> None:
        """End a turn and begin the next one with who is deferred, before it is known who is ready in it."""
        self._is_open = False
        now_ms = self._clock.monotonic_ms()
        some_are_deferred = bool(self._late or self._patient or self._greedy)
        try:
            self._let_go()
            if some_are_deferred:
                now_ms = self._serve_deferred(now_ms)
                self._let_go()
        finally:
            # Whatever becomes of one of them, the others have their turns; and in the turn that is beginning nobody
            # may be ready but those that are deferred already.
            self.slice_ms = SLICE_MS
            if some_are_deferred or self._held:
                self._open(now_ms)

    def _serve_deferred(self, now_ms: float) -> float:
        """Give a turn to those who wait for one, as far as the budget goes, and return what time it is then."""
        end_ms = now_ms + BUDGET_MS
        for queue, slice_ms_min in ((self._late, 0.0), (self._patient, 0.0), (self._greedy, _GREEDY_SLICE_MS_MIN)):
            self.slice_ms = max(BUDGET_MS / max(len(queue), 1), slice_ms_min)
            for _ in range(len(queue)):  # whoever is deferred again by then has had a slice
                client = queue.popleft()
                client.deferred = False
                client.take_turn()
                now_ms = self._clock.monotonic_ms()
                if now_ms >= end_ms:
                    break
        return now_ms
