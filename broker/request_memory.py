"""queued.max.request.bytes: the memory for requests that are still arriving.

A request that lies whole in the shared buffer is handled there and costs nothing. One that is cut off is granted the
size that it announces, as in Kafka: if some memory is left, though it may be less than that, and until the request has
been handled. While none is left, nobody but those with a grant is read from, so that every request that was begun can
end, and TCP tells the other clients to wait.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Protocol

from .rate_limited_log import RateLimitedLog

_PAUSE = "memory"


class Waiter(Protocol):
    """A connection that waits for memory."""

    def pause(self, reason: str) -> None:
        """Handle no further request until it is resumed."""

    def resume(self, reason: str) -> None:
        """Take back one `pause(reason)`."""

    def read(self) -> None:
        """Receive once and handle what has come."""


class RequestMemory:
    """The memory of one server; used on the loop's thread.

    Args:
        bytes_max: how much is granted at once, 0 or less for as much as is asked for.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, bytes_max: int, log: RateLimitedLog) -> None:
        self.is_used_up = False
        """Whether whoever has no grant must wait."""
        self.granted_bytes = 0
        self._loop = loop
        self._bytes_max = bytes_max if bytes_max > 0 else sys.maxsize
        self._log = log
        self._waiting: dict[Waiter, None] = {}
        """In the order in which they came."""
        self._waking = False

    def grant(self, size_bytes: int) -> bool:
        """Let a request of that size arrive, if there is memory left."""
        if self.is_used_up:
            return False
        self.granted_bytes += size_bytes
        self.is_used_up = self.granted_bytes >= self._bytes_max
        return True

    def give_back(self, size_bytes: int) -> None:
        """End a grant."""
        self.granted_bytes -= size_bytes
        self.is_used_up = self.granted_bytes >= self._bytes_max
        self._wake_soon()

    def wait(self, waiter: Waiter) -> None:
        """Pause the connection until there is memory; then it is read from."""
        self._log.warning("queued.max.request.bytes is used up by requests that are still arriving; others wait.")
        waiter.pause(_PAUSE)
        self._waiting[waiter] = None

    def leave(self, waiter: Waiter) -> None:
        """Forget a connection that reads no more; no error if it does not wait."""
        self._waiting.pop(waiter, None)

    def _wake_soon(self) -> None:
        if self._waiting and not self.is_used_up and not self._waking:
            self._waking = True
            self._loop.call_soon(self._wake)

    def _wake(self) -> None:
        """Let the one that waits longest go on, and see what it leaves for the next."""
        self._waking = False
        if self._waiting and not self.is_used_up:
            waiter = next(iter(self._waiting))
            del self._waiting[waiter]
            self._wake_soon()
            waiter.resume(_PAUSE)
            waiter.read()
