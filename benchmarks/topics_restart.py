"""How long a broker with many partitions takes to start and to stop, after a clean stop."""

import uuid
from collections.abc import Sequence
from pathlib import Path

from benchmarks.client import Target
from benchmarks.measurement import MB
from benchmarks.meter import resident_bytes
from benchmarks.ottla_process import OttlaBroker
from benchmarks.targets import Finding
from benchmarks.topics_life import write_first
from benchmarks.topics_wire import TopicsConnection

_TOPIC_PARTITIONS = 100


def restart(counts: Sequence[int], rounds: int, data_directory: Path | None = None) -> list[Finding]:
    """Start and stop Ottlas of our own with so many partitions, none of them written to, then with a record in each."""
    findings = []
    for count in counts:
        with OttlaBroker(data_directory) as broker:
            names = [f"restart-{uuid.uuid4().hex[:12]}" for _ in range(count // _TOPIC_PARTITIONS)]
            with TopicsConnection(Target(broker.bootstrap, broker.pid)) as connection:
                connection.create(names, _TOPIC_PARTITIONS)
            findings += _restarts(broker, f"{count:,} partitions", rounds)
            write_first(Target(broker.bootstrap), names, _TOPIC_PARTITIONS)
            findings += _restarts(broker, f"{count:,} partitions with records", rounds)
    return findings


def _restarts(broker: OttlaBroker, label: str, rounds: int) -> list[Finding]:
    """The first stop is shown by itself: it alone has something to make durable."""
    broker.restart()
    first_stop_ms = broker.stop_s * 1e3
    start_ms, stop_ms, rss_mb = [], [], []
    for _ in range(rounds):
        broker.restart()
        start_ms.append(broker.start_s * 1e3)
        stop_ms.append(broker.stop_s * 1e3)
        rss_mb.append(resident_bytes(broker.pid) / MB)
    return [
        Finding(f"{label}: first SIGTERM to exit, ms", [first_stop_ms]),
        Finding("  start to ready, ms", start_ms),
        Finding("  SIGTERM to exit, ms", stop_ms),
        Finding("  RSS once ready, MB", rss_mb, digits=1),
    ]
