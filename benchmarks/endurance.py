"""A broker's memory over many rounds of load, while retention keeps what is on disk small.

python -m benchmarks.endurance --rounds 20 --bytes 500000000
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from confluent_kafka import KafkaException

from benchmarks.brokers import PEERS, makers
from benchmarks.client import (
    TIMEOUT_S,
    Load,
    LoadError,
    Sender,
    Target,
    fresh_topic,
    make_producer,
    payloads,
    watermarks,
)
from benchmarks.kafka import KafkaUnavailable
from benchmarks.machine import describe
from benchmarks.measurement import MB
from benchmarks.meter import resident_bytes
from benchmarks.ottla_process import OttlaFailed
from benchmarks.targets import Finding, report

GROWTH_LIMIT_MB = 4.0
"""What memory may grow by between the first round, in which it reaches its working size, and the last one."""

RSS_LIMIT_MB = 80.0

_SEGMENT_BYTES = 16_000_000
_RETENTION_BYTES = 32_000_000
_KEPT_BYTES_MAX = _RETENTION_BYTES + 2 * _SEGMENT_BYTES
"""Whole segments are deleted, never the active one, and batches are larger than the values in them."""

_LOOK_INTERVAL_S = 0.05


@dataclass(frozen=True, slots=True)
class Endured:
    """After each round: the broker's memory, and how much of the values was kept."""

    rss_mb: Sequence[float]
    kept_mb: Sequence[float]

    @property
    def growth_mb(self) -> float:
        """From the first round to the last."""
        return self.rss_mb[-1] - self.rss_mb[0]


def endure(target: Target, rounds: int, bytes_a_round: int) -> Endured:
    """Produce so much again and again to one topic that keeps little, each time until retention has done its part.

    Raises:
        LoadError: the broker answered with an error, or retention has not kept the topic small.
    """
    assert target.pid is not None
    load = Load(total_bytes=bytes_a_round)
    config = {"segment.bytes": str(_SEGMENT_BYTES), "retention.bytes": str(_RETENTION_BYTES)}
    values = payloads(load.message_bytes)
    rss_mb, kept_mb = [], []
    try:
        with fresh_topic(target, load.partitions, config) as topic:
            sender = Sender(make_producer(target, load), topic)
            for _ in range(rounds):
                sender.send(values, load.count, load.seconds)
                sender.flush()
                kept_mb.append(_kept_bytes(target, topic, load) / MB)
                rss_mb.append(resident_bytes(target.pid) / MB)
    except KafkaException as error:
        raise LoadError(f"endurance: {error}") from error
    return Endured(rss_mb, kept_mb)


def _kept_bytes(target: Target, topic: str, load: Load) -> int:
    """Wait until retention has done its part, and return what is left of the values."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        kept = sum(end - start for start, end in watermarks(target, topic, load.partitions)) * load.message_bytes
        if kept <= _KEPT_BYTES_MAX:
            return kept
        if time.monotonic() > deadline:
            raise LoadError(f"retention left {kept / MB:.0f} MB of a topic that is to keep {_RETENTION_BYTES / MB:.0f}")
        time.sleep(_LOOK_INTERVAL_S)


def findings(name: str, endured: Endured) -> list[Finding]:
    """The figures of one broker; Ottla's are held to their limits."""
    ours = name == "Ottla"
    return [
        Finding(f"{name}: RSS after a round, MB", endured.rss_mb, RSS_LIMIT_MB if ours else None, 1),
        Finding(
            "  its growth from the first to the last, MB", [endured.growth_mb], GROWTH_LIMIT_MB if ours else None, 1
        ),
        Finding("  kept of the values, MB", endured.kept_mb),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: the table on stdout, the rounds in a JSON file; 1 when a limit is exceeded, 2 on errors."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.endurance", description=__doc__.partition("\n")[0])
    parser.add_argument("--peer", choices=PEERS, help="the broker to measure after Ottla")
    parser.add_argument("--rounds", type=int, default=20, help="rounds (default: 20)")
    parser.add_argument("--bytes", type=int, default=500_000_000, help="produced in each (default: 500000000)")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where the brokers' data goes for the time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round to this file")
    options = parser.parse_args(arguments)
    endured: dict[str, Endured] = {}
    try:
        for make in makers(options.peer, options.data_dir):
            with make() as broker:
                endured[broker.name] = endure(Target(broker.bootstrap, broker.pid), options.rounds, options.bytes)
    except (KafkaUnavailable, OttlaFailed, LoadError) as error:
        print(error, file=sys.stderr)
        return 2
    found = [finding for name, each in endured.items() for finding in findings(name, each)]
    print(report(found))
    if options.json is not None:
        by_broker = {name: asdict(each) for name, each in endured.items()}
        content = {"machine": describe(), "bytes_a_round": options.bytes, "endurance": by_broker}
        options.json.write_text(json.dumps(content, indent=2) + "\n")
    return int(any(each.missed for each in found))


if __name__ == "__main__":
    sys.exit(main())
