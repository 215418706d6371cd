"""Ottla under every workload, alone or beside a real Apache Kafka: rounds, medians, spread and ratios in one table.

python -m benchmarks.bench --peer kafka --rounds 5
"""

import argparse
import contextlib
import json
import platform
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil

from benchmarks import load
from benchmarks.client import LoadError, Target
from benchmarks.comparison import Row, compare, report
from benchmarks.kafka import KafkaBroker, KafkaUnavailable
from benchmarks.measurement import Measurement
from benchmarks.ottla_process import OttlaBroker, OttlaFailed

WARM_UP_ROUNDS = 4
"""A JVM needs that many until its figures no longer fall from round to round."""


class Broker(Protocol):
    """What the two kinds of broker have in common."""

    name: str
    start_s: float

    @property
    def bootstrap(self) -> str:
        """`host:port` for a client."""

    @property
    def pid(self) -> int:
        """The process whose CPU and memory count."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the plan: a workload with its parameters, and which of its figures the table shows."""

    title: str
    workload: str
    shown: Sequence[str]
    messages: int | None = None
    seconds: float = 60.0
    message_bytes: int = 1024


# A round writes about 600 MB to each broker, in topics that are deleted at once: page cache that lay idle, or that has
# to be reclaimed first, can make writes several times slower and would be measured instead of the broker.
PLAN = (
    Step("produce 1 KB", "produce", ("mb_per_s", "broker_cpu_s_per_gb"), messages=250_000),
    Step(
        "produce 100 B", "produce", ("messages_per_s", "broker_cpu_ns_per_message"), messages=500_000, message_bytes=100
    ),
    Step("consume 1 KB", "consume", ("mb_per_s", "broker_cpu_s_per_gb"), messages=250_000),
    Step("produce, one at a time", "latency", ("latency_p50_us", "latency_p99_us"), messages=2_000, seconds=5),
    Step("produced to consumed", "end-to-end", ("latency_p50_us", "latency_p99_us"), messages=1_000, seconds=5),
    Step(
        "50 connections", "connections", ("messages_per_s", "broker_cpu_ns_per_message"), seconds=2, message_bytes=100
    ),
)


def run_rounds(
    brokers: Sequence[Broker], rounds: int, warm_up_rounds: int = WARM_UP_ROUNDS, scale: float = 1.0
) -> dict[str, dict[str, list[Measurement]]]:
    """Run the plan on running brokers and return the measurements by step and broker.

    The brokers take turns at each workload, so that what the machine's neighbours do falls on both; who begins changes
    from round to round.

    Args:
        scale: multiplies the messages and seconds of every step.

    Raises:
        LoadError: a run went wrong.
    """
    results: dict[str, dict[str, list[Measurement]]] = {
        step.title: {broker.name: [] for broker in brokers} for step in PLAN
    }
    for number in range(warm_up_rounds + rounds):
        warm_up = number < warm_up_rounds
        label = "warm-up" if warm_up else f"round {number - warm_up_rounds + 1} of {rounds}"
        print(label, file=sys.stderr)
        for step in PLAN:
            for broker in brokers if number % 2 == 0 else reversed(brokers):
                measurement = _run_step(broker, step, scale)
                if not warm_up:
                    results[step.title][broker.name].append(measurement)
    return results


def _run_step(broker: Broker, step: Step, scale: float) -> Measurement:
    messages = None if step.messages is None else max(int(step.messages * scale), 1)
    return load.run(
        Target(broker.bootstrap, broker.pid),
        step.workload,
        messages=messages,
        seconds=step.seconds * scale if messages is None else step.seconds,
        message_bytes=step.message_bytes,
    )


def rows(results: Mapping[str, Mapping[str, Sequence[Measurement]]], brokers: Sequence[Broker]) -> list[Row]:
    """Summarise the measurements, in the order of the plan; memory and start time come last."""
    summary = [compare(step.title, key, results[step.title]) for step in PLAN for key in step.shown]
    summary.append(compare("memory after the load", "broker_rss_mb", results[PLAN[-1].title]))
    return [*summary, Row("start", "ready after s", {each.name: [each.start_s] for each in brokers}, digits=2)]


def _start_brokers(stack: contextlib.ExitStack, peer: str | None, directory: Path) -> list[Broker]:
    brokers: list[Broker] = [stack.enter_context(OttlaBroker(directory))]
    if peer == "kafka":
        # Deleted topics leave the disk, and the page cache, as soon as the next run: its own default is a minute.
        properties = {"log.segment.delete.delay.ms": "500"}
        brokers.append(stack.enter_context(KafkaBroker(directory, properties=properties)))
    return brokers


def _machine() -> dict[str, Any]:
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": psutil.cpu_count(),
        "memory_mb": psutil.virtual_memory().total // 1_000_000,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: the table on stdout, everything measured in a JSON file if asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--peer", choices=("kafka",), help="the broker to measure beside Ottla")
    parser.add_argument("--rounds", type=int, default=5, help="measured rounds (default: 5)")
    parser.add_argument(
        "--warm-up", type=int, default=WARM_UP_ROUNDS, help=f"rounds before them (default: {WARM_UP_ROUNDS})"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the length of every run (default: 1)")
    parser.add_argument(
        "--data-dir", type=Path, help="where the brokers put their data (default: the system's temporary directory)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement to this file")
    options = parser.parse_args(arguments)
    try:
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="ottla-bench-", dir=options.data_dir))
            brokers = _start_brokers(stack, options.peer, Path(directory))
            results = run_rounds(brokers, options.rounds, options.warm_up, options.scale)
            summary = rows(results, brokers)
    except (KafkaUnavailable, OttlaFailed, LoadError) as error:
        print(error, file=sys.stderr)
        return 1
    print(report(summary))
    if options.json is not None:
        measured = {
            step: {name: [each.as_json() for each in runs] for name, runs in by_broker.items()}
            for step, by_broker in results.items()
        }
        content = {"machine": _machine(), "rounds": measured, "summary": [row.as_json() for row in summary]}
        options.json.write_text(json.dumps(content, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
