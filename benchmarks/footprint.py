"""What a broker takes before it is loaded: start to the first record, memory of idle connections and stalled consumers.

python -m benchmarks.footprint --peer kafka
"""

import argparse
import json
import struct
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from socket import MSG_WAITALL, socket

from confluent_kafka import KafkaException

from benchmarks.brokers import PEERS, Broker, makers
from benchmarks.client import TIMEOUT_S, Load, LoadError, Sender, Target, fresh_topic, make_producer, payloads
from benchmarks.comparison import Goal, Row, report
from benchmarks.kafka import KafkaUnavailable
from benchmarks.measurement import MB, Figure
from benchmarks.meter import resident_bytes
from benchmarks.ottla_process import OttlaFailed
from benchmarks.raw_connections import first_answer
from benchmarks.topics_wire import TopicsConnection
from benchmarks.wire import (
    allow_many_files,
    ask_api_versions,
    connect,
    fetch_request,
    produce_error_position,
    produce_request,
)

FIRST_ACK = Figure("first_ack_s", "exec to first acked record s", 2)
IDLE_KB = Figure("idle_connection_kb", "RSS KB each", 2)
STALLED_MB = Figure("stalled_consumers_mb", "RSS added MB", 1)

FIRST_ACK_LIMIT_S = 0.25
IDLE_LIMIT_KB = 4.0
STALLED_LIMIT_MB = 10.0

_ANSWER_SHARE_MIN = 0.9
_ANSWER_BATCH_BYTES = 50_000
_SETTLED_S = 0.5
_SAMPLE_INTERVAL_S = 0.02


@dataclass(frozen=True, slots=True)
class Plan:
    """How many idle connections, and how many consumers that have asked for so many bytes and do not read them."""

    idle_connections: int = 2_000
    stalled_consumers: int = 20
    stalled_bytes: int = 50_000_000


@dataclass(frozen=True, slots=True)
class Footprint:
    """Of one broker that was started for it."""

    first_ack_s: float
    idle_connection_kb: float
    stalled_consumers_mb: float


def footprint(broker: Broker, plan: Plan) -> Footprint:
    """Measure a broker that has just been started and that nobody has talked to.

    Raises:
        LoadError: it answered with an error or stayed silent.
    """
    target = Target(broker.bootstrap, broker.pid)
    try:
        first_ack_s = _first_record(target) - broker.executed_s
        stalled_mb = stalled_consumers_bytes(target, plan.stalled_consumers, plan.stalled_bytes) / MB
        idle_kb = idle_connections_bytes(target, plan.idle_connections) / plan.idle_connections / 1e3
    except (KafkaException, OSError) as error:
        raise LoadError(f"{broker.name}: {error}") from error
    return Footprint(first_ack_s, idle_kb, stalled_mb)


def _first_record(target: Target) -> float:
    """Make a topic, write one record, and return the time at which it was acknowledged."""
    name = f"first-{uuid.uuid4().hex[:12]}"
    with TopicsConnection(target) as topics:
        topics.create([name], 1)
        with connect(target.bootstrap, TIMEOUT_S) as connection:
            first_answer(connection, produce_request(name, 0, bytes(100)), produce_error_position(name))
        acknowledged_s = time.monotonic()
        topics.delete([name])
    return acknowledged_s


def idle_connections_bytes(target: Target, count: int) -> int:
    """What the broker's memory grows by with so many connections that have said what clients say first, and no more."""
    assert target.pid is not None
    # What the first connections make the broker load, or touch of its heap, is not theirs.
    with ExitStack() as stack:
        _open(target, stack, max(count // 10, 1))
    before = resident_bytes(target.pid)
    with ExitStack() as stack:
        _open(target, stack, count)
        return resident_bytes(target.pid) - before


def _open(target: Target, stack: ExitStack, count: int) -> None:
    for _ in range(count):
        connection = stack.enter_context(connect(target.bootstrap, TIMEOUT_S))
        if not ask_api_versions(connection):
            raise LoadError("ApiVersions was answered with an error")


def stalled_consumers_bytes(target: Target, count: int, bytes_each: int) -> int:
    """What the broker's memory grows by at most while consumers that each asked for so much do not read it.

    Raises:
        LoadError: an answer is not as large as that, or others were not answered meanwhile.
    """
    assert target.pid is not None
    with fresh_topic(target, 1) as topic, ExitStack() as stack:
        _fill(target, topic, bytes_each)
        request = fetch_request(topic, 0, 0, bytes_each)
        bystander = stack.enter_context(connect(target.bootstrap, TIMEOUT_S))
        # One that is read shows how large the answers are, and that what they take is there already.
        with connect(target.bootstrap, TIMEOUT_S) as reader:
            reader.sendall(request)
            _read_answer(reader, bytes_each)
        before = most = resident_bytes(target.pid)
        stalled = [stack.enter_context(connect(target.bootstrap, TIMEOUT_S)) for _ in range(count)]
        for connection in stalled:
            connection.sendall(request)
        answered_until = time.monotonic() + _SETTLED_S
        while time.monotonic() < answered_until:
            if not ask_api_versions(bystander):
                raise LoadError("ApiVersions was answered with an error")
            most = max(most, resident_bytes(target.pid))
            time.sleep(_SAMPLE_INTERVAL_S)
        for connection in stalled:
            _checked_size(connection, bytes_each)
    return most - before


def _fill(target: Target, topic: str, bytes_count: int) -> None:
    # An answer ends with the last batch that is whole, so small batches make it about as large as what was asked for.
    load = Load(message_bytes=10_000, batch_bytes=_ANSWER_BATCH_BYTES)
    values = payloads(load.message_bytes)
    sender = Sender(make_producer(target, load), topic)
    # A little more than is asked for: the answer is then as large as the request allows.
    sender.send(values, bytes_count // load.message_bytes * 11 // 10 + 1, TIMEOUT_S)
    sender.flush()


def _read_answer(connection: socket, bytes_each: int) -> None:
    left = _checked_size(connection, bytes_each)
    while left:
        piece = connection.recv(min(left, 1_000_000))
        if not piece:
            raise LoadError("the broker closed the connection")
        left -= len(piece)


def _checked_size(connection: socket, bytes_each: int) -> int:
    (size,) = struct.unpack(">i", connection.recv(4, MSG_WAITALL))
    if size < bytes_each * _ANSWER_SHARE_MIN:
        raise LoadError(f"a fetch of {bytes_each} bytes was answered with {size}")
    return int(size)


def measure(peer: str | None, rounds: int, plan: Plan, directory: Path | None = None) -> list[Row]:
    """Start each broker so often, taking turns, and summarise what was found.

    Raises:
        LoadError, OttlaFailed, KafkaUnavailable: something went wrong.
    """
    allow_many_files()
    found: dict[str, list[Footprint]] = {}
    for number in range(rounds):
        turn = makers(peer, directory)
        for make in turn if number % 2 == 0 else reversed(turn):
            with make() as broker:
                found.setdefault(broker.name, []).append(footprint(broker, plan))
    return rows(found, plan)


def rows(found: Mapping[str, Sequence[Footprint]], plan: Plan) -> list[Row]:
    """A row for each figure."""
    idle = f"{plan.idle_connections:,} idle connections"
    stalled = f"{plan.stalled_consumers} stalled consumers of {plan.stalled_bytes / MB:.0f} MB"
    return [
        Row(
            "start",
            FIRST_ACK,
            {name: [each.first_ack_s for each in runs] for name, runs in found.items()},
            Goal(FIRST_ACK_LIMIT_S),
        ),
        Row(
            idle,
            IDLE_KB,
            {name: [each.idle_connection_kb for each in runs] for name, runs in found.items()},
            Goal(IDLE_LIMIT_KB),
        ),
        Row(
            stalled,
            STALLED_MB,
            {name: [each.stalled_consumers_mb for each in runs] for name, runs in found.items()},
            Goal(STALLED_LIMIT_MB),
        ),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: one table, or JSON; exits with 1 where a goal is missed, 2 where something went wrong."""
    plan = Plan()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.footprint", description=__doc__.partition("\n")[0])
    parser.add_argument("--peer", choices=PEERS, help="the broker to measure beside Ottla")
    parser.add_argument("--rounds", type=int, default=3, help="starts of each broker (default: 3)")
    parser.add_argument("--connections", type=int, default=plan.idle_connections, help="idle ones (default: 2000)")
    parser.add_argument("--consumers", type=int, default=plan.stalled_consumers, help="stalled ones (default: 20)")
    parser.add_argument("--bytes", type=int, default=plan.stalled_bytes, help="each asks for (default: 50000000)")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where the brokers' data goes for the time")
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    options = parser.parse_args(arguments)
    plan = Plan(options.connections, options.consumers, options.bytes)
    try:
        summary = measure(options.peer, options.rounds, plan, options.data_dir)
    except (KafkaUnavailable, OttlaFailed, LoadError) as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps([row.as_json() for row in summary]) if options.json else report(summary))
    return int(any(row.reached is False for row in summary))


if __name__ == "__main__":
    sys.exit(main())
