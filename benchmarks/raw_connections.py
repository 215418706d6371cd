"""The workload of many connections: raw sockets, each with one small Produce request on its way at a time.

A client library would be the limit here, so the request is made once and sent again and again.
"""

import contextlib
import selectors
import socket
import time

from benchmarks.client import TIMEOUT_S, Load, LoadError, Target, fresh_topic, payloads
from benchmarks.measurement import Measurement
from benchmarks.meter import Meter
from benchmarks.wire import frame, produce_error_position, produce_request, read_frame

_NO_ERROR = b"\0\0"
_NOT_YET_ERRORS = (b"\0\3", b"\0\5", b"\0\6")  # unknown topic or partition, no leader, not the leader
_ANSWER_BYTES_MAX = 4096


def connections(target: Target, load: Load) -> Measurement:
    """Requests per second over many connections; acks is 1, a request is one record (Produce v9)."""
    host, _, port = target.bootstrap.rpartition(":")
    (value, *_) = payloads(load.message_bytes)
    with fresh_topic(target, load.partitions) as topic, contextlib.ExitStack() as stack:
        error_position = produce_error_position(topic)
        requests: dict[socket.socket, bytes] = {}
        answer_bytes = 0
        for index in range(load.connections):
            connection = stack.enter_context(socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_S))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request = produce_request(topic, index % load.partitions, value)
            answer_bytes = _first_exchange(connection, request, error_position)
            requests[connection] = request
        meter = Meter(target.pid)
        answered = _exchange(requests, answer_bytes, error_position, load, meter)
        cost = meter.stop()
    return Measurement("connections", answered, answered * load.message_bytes, cost)


def _first_exchange(connection: socket.socket, request: bytes, error_position: int) -> int:
    """Produce once and return the size of the answer; a topic just made may not have reached its leader yet."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        connection.sendall(request)
        answer = frame(read_frame(connection))
        error = answer[error_position : error_position + 2]
        if error not in _NOT_YET_ERRORS or time.monotonic() > deadline:
            _check(error)
            return len(answer)
        time.sleep(0.01)


def _exchange(
    requests: dict[socket.socket, bytes], answer_bytes: int, error_position: int, load: Load, meter: Meter
) -> int:
    """Keep one request on its way on every connection until the run's end; returns how many were answered."""
    answered = 0
    with selectors.DefaultSelector() as selector:
        for connection, request in requests.items():
            selector.register(connection, selectors.EVENT_READ, (connection, request))
            connection.sendall(request)
        while not answered or (answered < load.count and meter.elapsed() < load.seconds):
            ready = selector.select(TIMEOUT_S)
            if not ready:
                raise LoadError(f"no connection was answered for {TIMEOUT_S:.0f} s after {answered} requests")
            for key, _ in ready:
                connection, request = key.data
                answer = connection.recv(_ANSWER_BYTES_MAX)
                if len(answer) != answer_bytes:
                    raise LoadError(f"an answer of {len(answer)} bytes, not {answer_bytes}: {answer[:64]!r}")
                _check(answer[error_position : error_position + 2])
                connection.send(request)
            answered += len(ready)
    return answered


def _check(error: bytes) -> None:
    if error != _NO_ERROR:
        raise LoadError(f"the broker answered with error code {int.from_bytes(error, 'big', signed=True)}")
