"""A producer that keeps to a schedule, in a process of its own, to see what others' work does to its latency.

Latency counts from the moment at which a request was due, not from when it could be sent: a broker that stands still
for a second is then seen by all the requests of that second, not by one.
"""

import multiprocessing
import socket
import struct
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import NamedTuple, Self

import psutil

from benchmarks.client import TIMEOUT_S, LoadError
from benchmarks.meter import ProcessorWaits, cpu_seconds_alone
from benchmarks.wire import produce_error_position, produce_request

_SIZE = struct.Struct(">i")
_NO_ERROR = b"\0\0"


class Sample(NamedTuple):
    """One request: the monotonic time at which it was due, and how long after that its answer came.

    On a machine that is busy with other things the rest tells whose the latency is. `broker_cpu_s` is the CPU time that
    the broker used between the sending and the answer, `client_late_s` how long the producer waited for a processor
    when the answer came; each is 0 where that is not known.
    """

    due_s: float
    latency_s: float
    broker_cpu_s: float
    client_late_s: float


class Phases:
    """When others were busy with what."""

    def __init__(self) -> None:
        self._spans: dict[str, list[tuple[float, float]]] = {}

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """The phase lasts as long as the context, and may be entered again."""
        start = time.monotonic()
        yield
        self._spans.setdefault(name, []).append((start, time.monotonic()))

    def latencies_ms(self, samples: Sequence[Sample], *names: str) -> list[float]:
        """Latencies of the requests that were due in one of these phases."""
        spans = [span for name in names for span in self._spans[name]]
        return [each.latency_s * 1e3 for each in samples if any(start <= each.due_s < end for start, end in spans)]

    def within(self, samples: Sequence[Sample], name: str) -> list[Sample]:
        """The requests that were due in one of these phases."""
        spans = self._spans[name]
        return [each for each in samples if any(start <= each.due_s < end for start, end in spans)]


class OpenLoopProducer:
    """Produces one record a request, acks=1, at a fixed rate while its context lasts; then has `samples`.

    The topic must have its leader already.
    """

    def __init__(
        self,
        address: tuple[str, int],
        topic: str,
        *,
        requests_per_s: float,
        message_bytes: int,
        broker_pid: int | None = None,
    ) -> None:
        self.samples: list[Sample] = []
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        arguments = (theirs, address, topic, requests_per_s, message_bytes, broker_pid)
        self._process = context.Process(target=_produce, args=arguments, daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self._receive()  # the first answer is there
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._pipe.send(None)
                self.samples = [Sample(*each) for each in self._receive()]
        finally:
            self._process.terminate()
            self._process.join()
            self._process.close()
            self._pipe.close()

    def _receive(self) -> list[Sample]:
        if not self._pipe.poll(TIMEOUT_S):
            raise LoadError(f"the producer was silent for {TIMEOUT_S:.0f} s")
        try:
            received: list[Sample] | str = self._pipe.recv()
        except EOFError:
            raise LoadError("the producer has ended") from None
        if isinstance(received, str):
            raise LoadError(f"the producer failed: {received}")
        return received


def _produce(
    pipe: Connection,
    address: tuple[str, int],
    topic: str,
    requests_per_s: float,
    message_bytes: int,
    broker_pid: int | None,
) -> None:
    """The process: says [] once it produces, ends at the first word from the other side, and sends its samples."""
    try:
        with socket.create_connection(address, TIMEOUT_S) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            request = produce_request(topic, 0, bytes(message_bytes))
            answers = _Answers(connection, produce_error_position(topic))
            connection.sendall(request)
            answers.receive()
            pipe.send([])
            broker = None if broker_pid is None else psutil.Process(broker_pid)
            pipe.send(_keep_to_schedule(connection, request, answers, pipe, 1 / requests_per_s, broker))
    except (OSError, LoadError) as error:
        pipe.send(str(error))


class _Answers:
    """The answers on the connection, in the order of the requests."""

    def __init__(self, connection: socket.socket, error_position: int) -> None:
        self._connection = connection
        self._error_position = error_position
        self._received = b""

    def receive(self) -> int:
        """Read what is there and return how many answers that completes; raises LoadError where one has an error."""
        piece = self._connection.recv(65_536)
        if not piece:
            raise LoadError("the broker closed the connection")
        self._received += piece
        count = 0
        while len(self._received) >= _SIZE.size:
            end = _SIZE.size + int(_SIZE.unpack_from(self._received)[0])
            if len(self._received) < end:
                break
            error = self._received[self._error_position : self._error_position + 2]
            if error != _NO_ERROR:
                raise LoadError(f"error code {int.from_bytes(error, 'big', signed=True)}")
            self._received = self._received[end:]
            count += 1
        return count


def _keep_to_schedule(
    connection: socket.socket,
    request: bytes,
    answers: _Answers,
    pipe: Connection,
    interval_s: float,
    broker: psutil.Process | None,
) -> list[Sample]:
    samples: list[Sample] = []
    pending: deque[tuple[float, float]] = deque()
    waits = ProcessorWaits()

    def broker_cpu_s() -> float:
        return 0.0 if broker is None else cpu_seconds_alone(broker)

    due_s = time.monotonic() + interval_s
    stopping = False
    while not stopping or pending:
        wait_s = TIMEOUT_S if stopping else max(due_s - time.monotonic(), 0)
        waited_s = waits.seconds()
        readable = wait([connection, pipe], wait_s)
        if stopping and not readable:
            raise LoadError(f"{len(pending)} requests were not answered for {TIMEOUT_S:.0f} s")
        if connection in readable:
            answered_s = time.monotonic()
            cpu_s, late_s = broker_cpu_s(), waits.seconds() - waited_s
            for _ in range(answers.receive()):
                sent_for_s, cpu_before_s = pending.popleft()
                samples.append(Sample(sent_for_s, answered_s - sent_for_s, cpu_s - cpu_before_s, late_s))
        if pipe in readable:
            stopping = True
            pipe.recv()
        while not stopping and due_s <= time.monotonic():
            pending.append((due_s, broker_cpu_s()))
            connection.sendall(request)
            due_s += interval_s
    waits.close()
    return samples
