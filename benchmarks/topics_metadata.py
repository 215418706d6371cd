"""What Metadata takes: of many partitions at the client, and of a cluster that does not change at the broker.

The client is a raw connection: an answer's time is that until its last byte. What stock clients make of the same answer
is shown beside it; most of that is their own.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import NamedTuple

from confluent_kafka.admin import AdminClient
from kafka import KafkaAdminClient

from benchmarks.client import TIMEOUT_S, LoadError, Target
from benchmarks.measurement import percentile
from benchmarks.meter import cpu_seconds
from benchmarks.targets import Finding
from benchmarks.topics_wire import TopicsConnection, led_partitions, metadata_request

CLIENT_LIMIT_MS = 10.0
CPU_LIMIT_US = 100.0

_CHANGES = 5
_STOCK_REQUESTS = 5
_WARM_UP = 10


class Plan(NamedTuple):
    """Each round asks so often, with one topic of one partition there, and with so many of so many."""

    topics: int = 20
    partitions: int = 100
    requests: int = 300


def metadata(target: Target, plan: Plan, rounds: int) -> list[Finding]:
    """Ask again and again; without a pid the broker's CPU time is left out."""
    names = [f"metadata-{uuid.uuid4().hex[:12]}" for _ in range(plan.topics)]
    count = plan.topics * plan.partitions
    with TopicsConnection(target) as connection:
        connection.create(names[:1], 1)
        findings = [
            *_costs(connection, target, "one topic there, asked for by name", names[:1], 1, plan, rounds),
            *_costs(connection, target, "one topic there, all asked for", None, 1, plan, rounds),
        ]
        connection.delete(names[:1])
        connection.create(names, plan.partitions)
        findings += [
            _times_after_changes(connection, f"{count:,} partitions at the client, after a change", count, rounds),
            *_costs(connection, target, f"{count:,} partitions there, all asked for", None, count, plan, rounds),
            *_costs(connection, target, f"{count:,} partitions there, by name", names, count, plan, rounds),
            *_costs(
                connection, target, f"{count:,} partitions there, one topic", names[:1], plan.partitions, plan, rounds
            ),
            *_stock_clients(target, count),
        ]
        connection.delete(names)
    return findings


def _times_after_changes(connection: TopicsConnection, label: str, partitions: int, rounds: int) -> Finding:
    """The longest time of a round in ms; each request is the first one after a topic has come and gone."""
    request = metadata_request(None)
    longest_ms = []
    for _ in range(rounds):
        times_ms = []
        for _ in range(_CHANGES):
            passing = f"passing-{uuid.uuid4().hex[:12]}"
            connection.create([passing], 1)
            connection.delete([passing])
            answer, seconds = connection.ask(request)
            _check(answer, partitions)
            times_ms.append(seconds * 1e3)
        longest_ms.append(max(times_ms))
    return Finding(f"{label}, ms", longest_ms, CLIENT_LIMIT_MS, 1)


def _costs(
    connection: TopicsConnection,
    target: Target,
    label: str,
    names: Sequence[str] | None,
    partitions: int,
    plan: Plan,
    rounds: int,
) -> list[Finding]:
    """An answer's time at the client and its CPU time at the broker, where nothing changes."""
    request = metadata_request(names)
    for _ in range(_WARM_UP):
        _check(connection.ask(request)[0], partitions)
    p99_ms, cpu_us = [], []
    for _ in range(rounds):
        before_s = cpu_seconds(target.pid) if target.pid is not None else 0.0
        times_s = [connection.ask(request)[1] for _ in range(plan.requests)]
        if target.pid is not None:
            cpu_us.append((cpu_seconds(target.pid) - before_s) / plan.requests * 1e6)
        p99_ms.append(percentile(times_s, 0.99) * 1e3)
    findings = [Finding(f"{label}: p99 at the client, ms", p99_ms, CLIENT_LIMIT_MS, 2)]
    if cpu_us:
        findings.append(Finding("  broker CPU, µs", cpu_us, CPU_LIMIT_US, 1))
    return findings


def _stock_clients(target: Target, partitions: int) -> list[Finding]:
    admin = AdminClient({"bootstrap.servers": target.bootstrap, "log_level": 3})

    def confluent_kafka() -> int:
        listed = admin.list_topics(timeout=TIMEOUT_S).topics.values()
        return sum(len(topic.partitions) for topic in listed)

    with closing(KafkaAdminClient(bootstrap_servers=target.bootstrap)) as other_admin:

        def kafka_python() -> int:
            return sum(len(topic["partitions"]) for topic in other_admin.describe_topics())

        return [
            _stock_times("confluent-kafka", confluent_kafka, partitions),
            _stock_times("kafka-python", kafka_python, partitions),
        ]


def _stock_times(client: str, count_partitions: Callable[[], int], partitions: int) -> Finding:
    times_ms = []
    for _ in range(_STOCK_REQUESTS):
        started = time.perf_counter()
        count = count_partitions()
        times_ms.append((time.perf_counter() - started) * 1e3)
        if count < partitions:
            raise LoadError(f"{client} was told of {count} partitions, not of {partitions}")
    return Finding(f"{client} lists {partitions:,} partitions, ms", times_ms, digits=1)


def _check(answer: bytes, partitions: int) -> None:
    if (found := led_partitions(answer)) < partitions:
        raise LoadError(f"Metadata shows {found} partitions with a leader, not {partitions}")
