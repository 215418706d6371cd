"""What a connection still has to send: bytes, and spans of segment files that go from the page cache to the socket."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from protocol.codec import Part
from storage.cold_read import ColdRead
from storage.file_span import FileSpan

from .clock import Clock

# A 50 MB reply sent in one go would hold the loop for 16 ms; other connections get their turn in between.
BYTES_PER_TURN = 4 * 1024 * 1024
SPAN_BYTES_PER_CALL = 1024 * 1024
# So much of a span is asked for at once whether it is in memory, and read in if it is not.
_WINDOW_BYTES = 2 * 1024 * 1024
# For so long after something was cold it is asked for thoroughly.
_COLD_SPELL_MS = 10_000.0
# What was in memory a moment ago still is; after a longer pause, as a client makes that does not read, it may be gone.
_MEMORY_HOLDS_MS = 1000.0
# A small span is copied into one call with the bytes around it, which costs less than a call of its own.
_SMALL_SPAN_BYTES = 8 * 1024
_COPIED_BYTES_MAX = 16 * 1024


class SpanCutShort(Exception):
    """A segment file ended before the span that was promised to the client: the connection must close."""


class Outbox:
    """Parts in sending order; of files, no more than a few small spans is ever held in memory here."""

    __slots__ = (
        "_clock",
        "_cold_until_ms",
        "_more",
        "_parts",
        "_sent_bytes",
        "_socket",
        "_warm_bytes",
        "_warm_until_ms",
        "cold",
    )

    def __init__(self, sock: socket.socket, msg_more: int, clock: Clock) -> None:
        self._clock = clock
        self._socket = sock
        self._more = msg_more
        self._parts: list[Part] = []  # an empty deque takes ten times the memory, for each idle connection
        self._sent_bytes = 0
        """How much of the first part, if it is a span, has been sent."""
        self._warm_bytes = 0
        """Up to where in it the bytes are in memory, for all that is known."""
        self._warm_until_ms = 0.0
        self._cold_until_ms = 0.0
        self.cold: ColdRead | None = None
        """What has to be read from the disk before the next `send`."""

    def __bool__(self) -> bool:
        return bool(self._parts)

    def append(self, data: bytes) -> None:
        """Queue bytes."""
        self._parts.append(data)

    def extend(self, parts: Iterable[Part]) -> None:
        """Queue the parts; spans stay pinned until they are sent or dropped."""
        self._parts.extend(parts)

    def send(self) -> bool:
        """Send what the socket takes, at most a turn's worth; return whether all is sent.

        If not, either the socket is full or `cold` says what the next bytes are, which must be read in before.
        Raises OSError for a broken connection, SpanCutShort for a file that is shorter than its span.
        """
        parts = self._parts
        self.cold = None
        if len(parts) == 1 and not isinstance(parts[0], FileSpan):
            return self._send_one(parts.pop())
        budget_bytes = BYTES_PER_TURN
        try:
            while parts and budget_bytes > 0 and self.cold is None:
                first = parts[0]
                if isinstance(first, FileSpan) and len(first) > _SMALL_SPAN_BYTES:
                    budget_bytes -= self._send_span(first)
                else:
                    budget_bytes -= self._send_bytes()
        except BlockingIOError:
            return False
        return not parts

    def _send_one(self, data: Part) -> bool:
        """Send bytes that are alone, as most replies are, and return whether all is sent."""
        try:
            sent = self._socket.send(data)  # type: ignore[arg-type]  # bytes-like: it is no span
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._parts.append(memoryview(data)[sent:])  # type: ignore[arg-type]  # bytes-like, see above
        return not self._parts

    def warmed(self) -> None:
        """Note that `cold` has been read in; should it be gone again by now, `send` waits for the disk."""
        assert self.cold is not None
        self._warm_bytes = self._sent_bytes + self.cold.count
        now_ms = self._clock.monotonic_ms()
        self._warm_until_ms = now_ms + _MEMORY_HOLDS_MS
        self._cold_until_ms = now_ms + _COLD_SPELL_MS

    def drop(self) -> None:
        """Forget what was not sent, and unpin its files."""
        for part in self._parts:
            if isinstance(part, FileSpan):
                part.release()
        self._parts.clear()

    def _send_bytes(self) -> int:
        """Send the bytes and small spans up to the next large span in one call, and return how many were sent.

        Replies of one read event leave together.
        """
        parts = self._parts
        data = self._take_run()
        if self.cold is not None and not data:
            return 0
        try:
            # What waits for the disk is not close behind, and the system would hold the end of this back for 200 ms.
            flags = self._more if parts and self.cold is None else 0
            sent = self._socket.send(data, flags)
        except BlockingIOError:
            parts.insert(0, data)
            raise
        if sent < len(data):
            parts.insert(0, memoryview(data)[sent:])
        return sent

    def _take_run(self) -> bytes:
        """Take the bytes and small spans off the front, as far as they are in memory."""
        parts = self._parts
        run: list[Part] = []
        copied_bytes = 0
        while parts:
            first = parts[0]
            if isinstance(first, FileSpan):
                copied_bytes += len(first)
                if len(first) > _SMALL_SPAN_BYTES or copied_bytes > _COPIED_BYTES_MAX:
                    break
                copy = self._copy(first)
                if copy is None:
                    break
                run.append(copy)
            else:
                run.append(first)
            del parts[0]
        return b"".join(run)  # type: ignore[arg-type]  # no spans in the run

    def _copy(self, span: FileSpan) -> bytes | None:
        """Return the bytes of a span and let go of it; None where they are cold."""
        data = span.read() if self._warm_bytes else span.read_cached()
        if data is None:
            self.cold = span.cold_read(0, len(span))
            return None
        if len(data) < len(span):
            raise SpanCutShort
        self._warm_bytes = 0
        span.release()
        return data

    def _send_span(self, span: FileSpan) -> int:
        now_ms = self._clock.monotonic_ms()
        if now_ms > self._warm_until_ms:
            self._warm_bytes = 0
        self._warm_until_ms = now_ms + _MEMORY_HOLDS_MS
        start = self._sent_bytes
        if start >= self._warm_bytes:
            count = min(len(span) - start, _WINDOW_BYTES)
            if not span.is_cached(start, count, thorough=now_ms < self._cold_until_ms):
                self.cold = span.cold_read(start, count)
                return 0
            self._warm_bytes = start + count
        count = min(self._warm_bytes - start, SPAN_BYTES_PER_CALL)
        sent = span.send(self._socket.fileno(), start, count)
        if sent == 0:
            raise SpanCutShort
        self._sent_bytes += sent
        if self._sent_bytes == len(span):
            del self._parts[0]
            self._sent_bytes = self._warm_bytes = 0
            span.release()
        elif sent < count:
            return BYTES_PER_TURN  # the socket is full: another call would only say so
        return sent
