"""The workload of many connections: raw sockets, each with one small Produce request on its way at a time.

Client and broker share the machine, so what the client spends is taken from what is measured, and a client library
would be the limit by far. This loop is one wait for many answers, and a read and a write for each: the request is made
once and sent again and again, an answer is held against the beginning that all good ones have, and at the end the log
must hold as many records as were answered.
"""

import contextlib
import os
import select
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from socket import socket
from typing import NamedTuple

from benchmarks.client import TIMEOUT_S, Load, LoadError, Target, end_offsets, fresh_topic, payloads
from benchmarks.measurement import Measurement
from benchmarks.meter import Meter
from benchmarks.wire import connect, frame, produce_error_position, produce_request, read_frame

_NO_ERROR = b"\0\0"
_NOT_YET_ERRORS = (b"\0\3", b"\0\5", b"\0\6")  # unknown topic or partition, no leader, not the leader


class _Exchange(NamedTuple):
    """What one connection sends, and what its answers begin with: size, correlation id, topic, partition, no error."""

    request: bytes
    answer_beginning: bytes


def connections(target: Target, load: Load) -> Measurement:
    """Requests per second over many connections; acks is 1, a request is one record (Produce v9)."""
    (value, *_) = payloads(load.message_bytes)
    with fresh_topic(target, load.partitions) as topic, ExitStack() as stack:
        beginning_bytes = produce_error_position(topic) + len(_NO_ERROR)
        exchanges: dict[int, _Exchange] = {}
        answer_bytes = 0
        for index in range(load.connections):
            connection = stack.enter_context(connect(target.bootstrap, TIMEOUT_S))
            request = produce_request(topic, index % load.partitions, value)
            answer = first_answer(connection, request, produce_error_position(topic))
            answer_bytes = len(answer)
            # With a timeout Python polls the socket before each call, as the loop below has done already.
            connection.setblocking(True)
            exchanges[connection.fileno()] = _Exchange(request, answer[:beginning_bytes])
        before = sum(end_offsets(target, topic, load.partitions))
        with _waiting(exchanges) as wait:
            meter = Meter(target.pid)
            answered = _exchange(exchanges, answer_bytes, wait, load, meter)
            cost = meter.stop()
            unanswered = _last_answers(set(exchanges), wait)
        stored = sum(end_offsets(target, topic, load.partitions)) - before
        if stored != answered + unanswered:
            raise LoadError(f"{answered + unanswered} requests were answered, {stored} records are in the log")
    return Measurement("connections", answered, answered * load.message_bytes, cost)


def first_answer(connection: socket, request: bytes, error_position: int) -> bytes:
    """Produce once and return the framed answer; a topic just made may not have reached its leader yet.

    Raises:
        LoadError: the answer has an error.
    """
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        connection.sendall(request)
        answer = frame(read_frame(connection))
        error = answer[error_position : error_position + 2]
        if error == _NO_ERROR:
            return answer
        if error not in _NOT_YET_ERRORS or time.monotonic() > deadline:
            raise LoadError(f"the broker answered with error code {int.from_bytes(error, 'big', signed=True)}")
        time.sleep(0.001)


@contextlib.contextmanager
def _waiting(descriptors: Iterable[int]) -> Iterator[Callable[[], Sequence[tuple[int, int]]]]:
    """Gives a function that waits for answers and returns the descriptors that have some; raises LoadError on silence.

    The objects of `selectors` cost as much as the rest of the loop.
    """
    if sys.platform == "linux":
        with select.epoll() as epoll:
            for descriptor in descriptors:
                epoll.register(descriptor, select.EPOLLIN)
            yield lambda: epoll.poll(TIMEOUT_S) or _silent()
    else:
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        yield lambda: poll.poll(TIMEOUT_S * 1e3) or _silent()


def _silent() -> Sequence[tuple[int, int]]:
    raise LoadError(f"no connection was answered for {TIMEOUT_S:.0f} s")


def _exchange(
    exchanges: Mapping[int, _Exchange],
    answer_bytes: int,
    wait: Callable[[], Sequence[tuple[int, int]]],
    load: Load,
    meter: Meter,
) -> int:
    """Keep one request on its way on every connection; returns how many were answered by the run's end."""
    read, write = os.read, os.write
    for descriptor, (request, _) in exchanges.items():
        write(descriptor, request)
    answered = 0
    while not answered or (answered < load.count and meter.elapsed() < load.seconds):
        ready = wait()
        for descriptor, _ in ready:
            request, beginning = exchanges[descriptor]
            answer = read(descriptor, answer_bytes + 1)
            if len(answer) != answer_bytes or not answer.startswith(beginning):
                raise LoadError(f"an answer of {len(answer)} bytes instead of {answer_bytes}, or an error: {answer!r}")
            write(descriptor, request)
        answered += len(ready)
    return answered


def _last_answers(descriptors: set[int], wait: Callable[[], Sequence[tuple[int, int]]]) -> int:
    """Read the answer that each connection still waits for; returns how many that were."""
    left = set(descriptors)
    while left:
        for descriptor, _ in wait():
            if not os.read(descriptor, 4096):
                raise LoadError("the broker closed a connection")
            left.discard(descriptor)
    return len(descriptors)
