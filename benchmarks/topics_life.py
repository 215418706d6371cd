"""Many topics made by one request, first written to, and deleted by one request; somebody else produces meanwhile.

The writer is a librdkafka producer with its defaults that has just been made: that it connects, learns where all
partitions are and has a first record acknowledged by each is what it is timed for. The other client produces by a
schedule, so that a broker that stands still is seen by all the requests of that time.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, Message, Producer

from benchmarks.client import TIMEOUT_S, LoadError, Target, fresh_topic
from benchmarks.meter import cpu_seconds, resident_bytes
from benchmarks.open_loop import OpenLoopProducer, Phases
from benchmarks.targets import Finding
from benchmarks.topics_wire import TopicsConnection

CREATE_LIMIT_MS = 500.0
FIRST_WRITE_LIMIT_MS = 1_000.0
PRODUCE_LIMIT_MS = 20.0

_VALUE = b"x" * 100
_PHASES = ("creating", "writing", "deleting")


class Plan(NamedTuple):
    """What is made and deleted in each round."""

    topics: int = 20
    partitions: int = 100
    """Of each topic."""
    requests_per_s: float = 200.0
    """How often the other client produces."""
    message_bytes: int = 1024

    @property
    def partitions_count(self) -> int:
        """Of all topics together."""
        return self.topics * self.partitions


class _Round(NamedTuple):
    """Times in ms by phase: of the phase itself, and of the broker's CPU if its process id is known."""

    took_ms: dict[str, float]
    cpu_ms: dict[str, float]
    rss_bytes: tuple[int, int, int]
    """Of the broker: before, with all topics, and with a record in each partition; 0 if its process id is not known."""


def live(target: Target, plan: Plan, rounds: int) -> list[Finding]:
    """Run the rounds, all on one broker; without a pid its CPU time and memory are left out."""
    host, _, port = target.bootstrap.rpartition(":")
    address = (host.strip("[]"), int(port))
    phases = Phases()
    with TopicsConnection(target) as connection, fresh_topic(target, 1) as other_topic:
        rate, size = plan.requests_per_s, plan.message_bytes
        with OpenLoopProducer(address, other_topic, requests_per_s=rate, message_bytes=size) as other:
            lives = [_round(target, plan, connection, phases, number) for number in range(rounds)]
    longest_ms = {
        phase: [
            # Few topics are made between two requests of the schedule.
            max(phases.latencies_ms(other.samples, f"{phase} {number}"), default=0.0)
            for number in range(rounds)
        ]
        for phase in _PHASES
    }
    what = f"{plan.partitions_count:,} partitions of {plan.topics} topics"
    findings = [
        Finding(f"{what} created, ms", [each.took_ms["creating"] for each in lives], CREATE_LIMIT_MS),
        *_details(lives, "creating", longest_ms, PRODUCE_LIMIT_MS),
        Finding(
            "first write to each acknowledged, ms", [each.took_ms["writing"] for each in lives], FIRST_WRITE_LIMIT_MS
        ),
        *_details(lives, "writing", longest_ms, None),
        Finding("all deleted, ms", [each.took_ms["deleting"] for each in lives]),
        *_details(lives, "deleting", longest_ms, PRODUCE_LIMIT_MS),
    ]
    if target.pid is not None:
        before, made, written = lives[0].rss_bytes
        findings += [
            Finding("broker RSS of a new partition, KB", [(made - before) / plan.partitions_count / 1e3], digits=1),
            Finding("  of one that was written to, KB", [(written - before) / plan.partitions_count / 1e3], digits=1),
        ]
    return findings


def _details(
    lives: Sequence[_Round], phase: str, longest_ms: dict[str, list[float]], limit_ms: float | None
) -> list[Finding]:
    findings = []
    if lives[0].cpu_ms:
        findings.append(Finding("  of that broker CPU, ms", [each.cpu_ms[phase] for each in lives]))
    findings.append(Finding("  another client's longest produce meanwhile, ms", longest_ms[phase], limit_ms, 1))
    return findings


def _round(target: Target, plan: Plan, connection: TopicsConnection, phases: Phases, number: int) -> _Round:
    names = [f"life-{uuid.uuid4().hex[:12]}" for _ in range(plan.topics)]
    took_ms: dict[str, float] = {}
    cpu_ms: dict[str, float] = {}
    rss_bytes = [_rss_bytes(target)]
    works: dict[str, Callable[[], float]] = {
        "creating": lambda: connection.create(names, plan.partitions),
        "writing": lambda: write_first(target, names, plan.partitions),
        "deleting": lambda: connection.delete(names),
    }
    for phase, work in works.items():
        cpu_before_s = cpu_seconds(target.pid) if target.pid is not None else 0.0
        with phases.span(f"{phase} {number}"):
            took_ms[phase] = work() * 1e3
        if target.pid is not None:
            cpu_ms[phase] = (cpu_seconds(target.pid) - cpu_before_s) * 1e3
        rss_bytes.append(_rss_bytes(target))
    before, made, written, _ = rss_bytes
    return _Round(took_ms, cpu_ms, (before, made, written))


def _rss_bytes(target: Target) -> int:
    return 0 if target.pid is None else resident_bytes(target.pid)


def write_first(target: Target, names: Sequence[str], partitions: int) -> float:
    """Write a record to each partition; returns the seconds until the last acknowledgement."""
    errors: list[KafkaError] = []

    def delivered(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            errors.append(error)

    started = time.perf_counter()
    producer = Producer({"bootstrap.servers": target.bootstrap, "log_level": 3})
    for name in names:
        for partition in range(partitions):
            producer.produce(name, _VALUE, partition=partition, on_delivery=delivered)
        producer.poll(0)
    left = producer.flush(TIMEOUT_S)
    seconds = time.perf_counter() - started
    if left or errors:
        raise LoadError(f"{left} first records were not acknowledged, {len(errors)} were refused: {errors[:1]}")
    return seconds
