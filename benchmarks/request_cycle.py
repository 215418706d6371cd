"""Requests sent in turn over connections in turn, so many on their way at any time."""

import selectors
import time
from collections.abc import Sequence
from itertools import cycle
from socket import socket
from types import TracebackType
from typing import Self

from benchmarks.client import TIMEOUT_S, LoadError
from benchmarks.wire import frame, read_frame

_NO_ERROR = b"\0\0"
_NOT_YET_CODES = (3, 5, 6, 14, 15, 16)
"""No topic, no leader, not the leader; a coordinator that loads, is not there, or is elsewhere: all on their way."""

_RETRY_INTERVAL_S = 0.05


class RequestCycle:
    """Sends framed requests whose answers are all alike in size; a context manager.

    Args:
        error_position: where in a framed answer the error code is.
        window: how many requests are on their way.
    """

    def __init__(
        self, connections: Sequence[socket], requests: Sequence[bytes], error_position: int, window: int
    ) -> None:
        self._connections = cycle(connections)
        self._requests = cycle(requests)
        self._all_requests = requests
        self._error_position = error_position
        self._window = window
        self._answer_bytes = 0
        self._received = dict.fromkeys(connections, b"")
        self._selector = selectors.DefaultSelector()
        for each in connections:
            self._selector.register(each, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._selector.close()

    def warm_up(self) -> None:
        """Send each request once, those that are too early again, and each connection's first one.

        Raises:
            LoadError: an answer has an error, or stays away.
        """
        deadline = time.monotonic() + TIMEOUT_S
        for request in self._all_requests:
            connection = next(self._connections)
            while True:
                connection.sendall(request)
                answer = frame(read_frame(connection))
                code = int.from_bytes(answer[self._error_position : self._error_position + 2], "big", signed=True)
                if code == 0:
                    break
                if code not in _NOT_YET_CODES or time.monotonic() > deadline:
                    raise LoadError(f"a request was answered with error code {code}")
                time.sleep(_RETRY_INTERVAL_S)
            self._answer_bytes = len(answer)
        self.run(len(self._received))

    def run(self, count: int) -> None:
        """Send so many requests; returns when all are answered.

        Raises:
            LoadError: an answer has an error, or stays away.
        """
        sent = min(self._window, count)
        self._send(sent)
        answered = 0
        while answered < count:
            ready = self._selector.select(TIMEOUT_S)
            if not ready:
                raise LoadError(f"no request was answered for {TIMEOUT_S:.0f} s after {answered} of {count}")
            done = sum(self._receive(key.fileobj) for key, _ in ready if isinstance(key.fileobj, socket))
            answered += done
            more = min(done, count - sent)
            self._send(more)
            sent += more

    def _send(self, count: int) -> None:
        for _ in range(count):
            next(self._connections).sendall(next(self._requests))

    def _receive(self, connection: socket) -> int:
        """Read what is there and return how many answers that completes."""
        piece = connection.recv(65_536)
        if not piece:
            raise LoadError("the broker closed a connection")
        received = self._received[connection] + piece
        count, rest = divmod(len(received), self._answer_bytes)
        self._received[connection] = received[len(received) - rest :]
        for start in range(self._error_position, count * self._answer_bytes, self._answer_bytes):
            if received[start : start + 2] != _NO_ERROR:
                code = int.from_bytes(received[start : start + 2], "big", signed=True)
                raise LoadError(f"a request was answered with error code {code}")
        return count
