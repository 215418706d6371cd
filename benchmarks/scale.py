"""What it costs to have many: partitions, topics, connections, groups; and what somebody else notices of it.

python -m benchmarks.scale partitions connections --json scale.json
"""

import argparse
import contextlib
import json
import statistics
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from confluent_kafka import KafkaException

from benchmarks.client import TIMEOUT_S, LoadError, Target, fresh_topic
from benchmarks.groups_wire import commit_error_position, commit_request, find_coordinator_request
from benchmarks.machine import describe
from benchmarks.measurement import MB, percentile, table
from benchmarks.meter import Meter, resident_bytes
from benchmarks.open_loop import OpenLoopProducer, Phases
from benchmarks.ottla_process import OttlaFailed, named_or_own
from benchmarks.request_cycle import RequestCycle
from benchmarks.topics_wire import TopicsConnection
from benchmarks.wire import allow_many_files, connect, produce_error_position, produce_request, read_frame

_SENDERS = 16
"""Connections that send, where these are not what is counted; as many requests are on their way at any time."""

_VALUE = bytes(100)
_BYSTANDER_PER_S = 200.0
_BYSTANDER_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Point:
    """What a request costs the broker, and another client, with so many; medians of the rounds.

    Attributes:
        cpu_us: of the broker, for each request; None without its process id.
        rss_mb: of the broker, with all there and after the load; None without its process id.
        bystander_p50_ms: produce latency of a client that sends 200 requests a second, from when each was due.
    """

    dimension: str
    count: int
    cpu_us: float | None
    rss_mb: float | None
    requests_per_s: float
    bystander_p50_ms: float
    bystander_p99_ms: float


@dataclass(frozen=True, slots=True)
class Requests:
    """What is sent, in turn, and where in each answer the error code is; `connections` take turns, too."""

    frames: Sequence[bytes]
    error_position: int
    connections: int = _SENDERS


@contextlib.contextmanager
def _partitions(target: Target, count: int) -> Iterator[Requests]:
    """A Produce to each partition of one topic."""
    with _topics(target, 1, count) as (name,):
        frames = [produce_request(name, partition, _VALUE) for partition in range(count)]
        yield Requests(frames, produce_error_position(name))


@contextlib.contextmanager
def _many_topics(target: Target, count: int) -> Iterator[Requests]:
    """A Produce to each of so many topics of one partition."""
    with _topics(target, count, 1) as names:
        yield Requests([produce_request(name, 0, _VALUE) for name in names], produce_error_position(names[0]))


@contextlib.contextmanager
def _connections(target: Target, count: int) -> Iterator[Requests]:
    """A Produce from each of so many connections, to one partition."""
    with _topics(target, 1, 1) as (name,):
        yield Requests([produce_request(name, 0, _VALUE)], produce_error_position(name), count)


@contextlib.contextmanager
def _groups(target: Target, count: int) -> Iterator[Requests]:
    """A commit of one offset to each of so many groups without members."""
    with _topics(target, 1, 1) as (name,):
        group_ids = [f"scale-{index:06}" for index in range(count)]
        with connect(target.bootstrap, TIMEOUT_S) as connection:
            connection.sendall(find_coordinator_request(group_ids[0]))  # the first one has the offsets topic made
            read_frame(connection)
        yield Requests([commit_request(each, -1, "", name, 0, 42) for each in group_ids], commit_error_position(name))


@contextlib.contextmanager
def _topics(target: Target, count: int, partitions: int) -> Iterator[Sequence[str]]:
    names = [f"scale-{uuid.uuid4().hex[:12]}" for _ in range(count)]
    with TopicsConnection(target) as connection:
        connection.create(names, partitions)
        yield names
        connection.delete(names)


_Make = Callable[[Target, int], AbstractContextManager[Requests]]

DIMENSIONS: Mapping[str, tuple[_Make, Sequence[int]]] = {
    "partitions": (_partitions, (1, 10, 100, 1_000, 10_000)),
    "topics": (_many_topics, (1, 10, 100, 1_000)),
    "connections": (_connections, (1, 10, 100, 1_000, 5_000)),
    "groups": (_groups, (1, 10, 100, 1_000, 10_000)),
}
"""What makes the requests of each, and how many there are by default."""


def measure(target: Target, dimension: str, count: int, requests: int, rounds: int) -> Point:
    """Send so many requests a round, one to each of the many in turn, while another client produces.

    Raises:
        LoadError: a request was answered with an error, or not at all.
    """
    make, _ = DIMENSIONS[dimension]
    cpu_us, rates = [], []
    phases = Phases()
    host, _, port = target.bootstrap.rpartition(":")
    with ExitStack() as stack:
        prepared = stack.enter_context(make(target, count))
        sockets = [stack.enter_context(connect(target.bootstrap, TIMEOUT_S)) for _ in range(prepared.connections)]
        cycle = stack.enter_context(RequestCycle(sockets, prepared.frames, prepared.error_position, _SENDERS))
        cycle.warm_up()
        other_topic = stack.enter_context(fresh_topic(target, 1))
        with OpenLoopProducer(
            (host.strip("[]"), int(port)),
            other_topic,
            requests_per_s=_BYSTANDER_PER_S,
            message_bytes=_BYSTANDER_BYTES,
        ) as bystander:
            for _ in range(rounds):
                meter = Meter(target.pid)
                with phases.span("load"):
                    cycle.run(requests)
                cost = meter.stop()
                rates.append(requests / cost.seconds)
                if cost.broker_cpu_s is not None:
                    cpu_us.append(cost.broker_cpu_s / requests * 1e6)
        rss_mb = None if target.pid is None else resident_bytes(target.pid) / MB
    latencies_ms = phases.latencies_ms(bystander.samples, "load")
    if not latencies_ms:
        raise LoadError(f"{requests} requests were over before another client had sent one; ask for more")
    return Point(
        dimension,
        count,
        statistics.median(cpu_us) if cpu_us else None,
        rss_mb,
        statistics.median(rates),
        percentile(latencies_ms, 0.5),
        percentile(latencies_ms, 0.99),
    )


def report(points: Sequence[Point]) -> str:
    """The table that the command prints."""
    rows = [["", "", "broker CPU µs/request", "RSS MB", "requests/s", "another's p50 ms", "p99 ms"]]
    for point in points:
        measured = ["-" if each is None else f"{each:,.1f}" for each in (point.cpu_us, point.rss_mb)]
        rate = f"{point.requests_per_s:,.0f}"
        latencies = [f"{each:.2f}" for each in (point.bystander_p50_ms, point.bystander_p99_ms)]
        rows.append([point.dimension, f"{point.count:,}", *measured, rate, *latencies])
    return table(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: the table on stdout, the same in a JSON file if asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__.partition("\n")[0])
    parser.add_argument("dimensions", nargs="*", metavar="DIMENSION", help=f"of {', '.join(DIMENSIONS)} (default: all)")
    parser.add_argument("--counts", type=int, nargs="+", help="how many of them (default: powers of ten)")
    parser.add_argument("--requests", type=int, default=10_000, help="requests a round (default: 10000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: 3)")
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="a running broker (default: an Ottla for each point)")
    parser.add_argument("--pid", type=int, help="its process id, for its CPU time and memory")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where the broker's data goes for the time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the points to this file")
    options = parser.parse_args(arguments)
    if unknown := set(options.dimensions) - set(DIMENSIONS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(DIMENSIONS)}")
    allow_many_files()
    points = []
    try:
        for dimension in options.dimensions or DIMENSIONS:
            for count in options.counts or DIMENSIONS[dimension][1]:
                print(f"{count:,} {dimension}", file=sys.stderr)
                with named_or_own(options.bootstrap, options.pid, options.data_dir) as target:
                    points.append(measure(target, dimension, count, options.requests, options.rounds))
    except (OttlaFailed, LoadError, KafkaException, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(report(points))
    if options.json is not None:
        content = {"machine": describe(), "points": [asdict(each) for each in points]}
        options.json.write_text(json.dumps(content, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
