"""What a connection still has to send: bytes, and spans of segment files that go from the page cache to the socket."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterable

from protocol.codec import Part
from storage.file_span import FileSpan

# A 50 MB reply sent in one go would hold the loop for 16 ms; other connections get their turn in between.
SPAN_BYTES_PER_CALL = 1024 * 1024
BYTES_PER_TURN = 4 * 1024 * 1024


class SpanCutShort(Exception):
    """A segment file ended before the span that was promised to the client: the connection must close."""


class Outbox:
    """Parts in sending order; nothing of a file is ever held in memory here."""

    __slots__ = ("_more", "_parts", "_sent_bytes", "_socket")

    def __init__(self, sock: socket.socket, msg_more: int) -> None:
        self._socket = sock
        self._more = msg_more
        self._parts: deque[Part] = deque()
        self._sent_bytes = 0
        """How much of the first part, if it is a span, has been sent."""

    def __bool__(self) -> bool:
        return bool(self._parts)

    def extend(self, parts: Iterable[Part]) -> None:
        """Queue the parts; spans stay pinned until they are sent or dropped."""
        self._parts.extend(parts)

    def send(self) -> bool:
        """Send what the socket takes, at most a turn's worth; return whether all is sent.

        Raises OSError for a broken connection, SpanCutShort for a file that is shorter than its span.
        """
        parts = self._parts
        budget_bytes = BYTES_PER_TURN
        try:
            while parts and budget_bytes > 0:
                first = parts[0]
                if isinstance(first, FileSpan):
                    budget_bytes -= self._send_span(first, min(budget_bytes, SPAN_BYTES_PER_CALL))
                else:
                    budget_bytes -= self._send_bytes()
        except BlockingIOError:
            return False
        return not parts

    def drop(self) -> None:
        """Forget what was not sent, and unpin its files."""
        for part in self._parts:
            if isinstance(part, FileSpan):
                part.release()
        self._parts.clear()

    def _send_bytes(self) -> int:
        """Send the bytes up to the next span in one call; replies of one read event leave together."""
        parts = self._parts
        run: list[Part] = []
        while parts and not isinstance(parts[0], FileSpan):
            run.append(parts.popleft())
        data = run[0] if len(run) == 1 else b"".join(run)  # type: ignore[arg-type]  # no spans in the run
        try:
            sent = self._socket.send(data, self._more if parts else 0)  # type: ignore[arg-type]  # bytes-like, see above
        except BlockingIOError:
            parts.appendleft(data)
            raise
        if sent < len(data):
            parts.appendleft(memoryview(data)[sent:])  # type: ignore[arg-type]  # bytes-like, see above
        return sent

    def _send_span(self, span: FileSpan, max_bytes: int) -> int:
        left = len(span) - self._sent_bytes
        sent = span.send(self._socket.fileno(), self._sent_bytes, min(left, max_bytes)) if left else 0
        if left and sent == 0:
            raise SpanCutShort
        self._sent_bytes += sent
        if sent == left:
            self._parts.popleft()
            self._sent_bytes = 0
            span.release()
        return sent
