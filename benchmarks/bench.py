"""Ottla under every workload, alone or beside a real Apache Kafka: rounds, medians, spread, ratios and verdicts.

python -m benchmarks.bench --peer kafka --json bench.json
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import endurance, footprint, load
from benchmarks.brokers import PEERS, Broker, makers
from benchmarks.client import LoadError, Target
from benchmarks.comparison import Goal, Row, compare, report
from benchmarks.endurance import Endured, endure
from benchmarks.footprint import idle_connections_bytes
from benchmarks.kafka import KafkaUnavailable
from benchmarks.machine import describe
from benchmarks.measurement import MB, Figure, Measurement
from benchmarks.meter import resident_bytes
from benchmarks.ottla_process import OttlaFailed
from benchmarks.plan import PLAN, Step

ROUNDS = 7
"""An odd number, so that the median of the ratios is that of one round."""

WARM_UP_ROUNDS = 4
"""A JVM needs that many until its figures no longer fall from round to round."""

STARTS = 3

_ENDURANCE_ROUNDS = 4
_ENDURANCE_BYTES = 100_000_000
_RSS = Figure("rss_mb", "broker RSS MB", 1)
_RSS_GROWTH = Figure("rss_growth_mb", "broker RSS growth MB", 1)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What running brokers have shown: measurements by step and broker; by broker their memory after all these.

    Attributes:
        idle_kb: memory of each idle connection then.
    """

    rounds: Mapping[str, Mapping[str, Sequence[Measurement]]]
    endured: Mapping[str, Endured]
    rss_mb: Mapping[str, float]
    idle_kb: Mapping[str, float]


def run(brokers: Sequence[Broker], rounds: int, warm_up_rounds: int = WARM_UP_ROUNDS, scale: float = 1.0) -> Loaded:
    """Run the plan on running brokers, and then look at their memory.

    The brokers take turns at each workload, so that what the machine's neighbours do falls on both; who begins changes
    from round to round.

    Args:
        scale: multiplies the messages and seconds of every step.

    Raises:
        LoadError: a run went wrong.
    """
    steps = [step for step in PLAN if len(brokers) > 1 or not step.needs_java]
    results: dict[str, dict[str, list[Measurement]]] = {
        step.title: {broker.name: [] for broker in brokers} for step in steps
    }
    for number in range(warm_up_rounds + rounds):
        warm_up = number < warm_up_rounds
        _progress(f"warm-up {number + 1}" if warm_up else f"round {number - warm_up_rounds + 1} of {rounds}")
        for step in steps:
            for broker in brokers if number % 2 == 0 else reversed(brokers):
                measurement = _run_step(broker, step, scale)
                if not warm_up:
                    results[step.title][broker.name].append(measurement)
    _progress("memory over rounds of load")
    targets = {broker.name: Target(broker.bootstrap, broker.pid) for broker in brokers}
    endured = {name: endure(each, _ENDURANCE_ROUNDS, int(_ENDURANCE_BYTES * scale)) for name, each in targets.items()}
    rss_mb = {broker.name: resident_bytes(broker.pid) / MB for broker in brokers}
    count = footprint_plan(scale).idle_connections
    idle_kb = {name: idle_connections_bytes(each, count) / count / 1e3 for name, each in targets.items()}
    return Loaded(results, endured, rss_mb, idle_kb)


def _run_step(broker: Broker, step: Step, scale: float) -> Measurement:
    messages = None if step.messages is None else max(int(step.messages * scale), 1)
    return load.run(
        Target(broker.bootstrap, broker.pid),
        step.workload,
        messages=messages,
        seconds=step.seconds * scale if messages is None else step.seconds,
        message_bytes=step.message_bytes,
        partitions=step.partitions,
        batch_bytes=step.batch_bytes,
        fetch_bytes=step.fetch_bytes,
    )


def rows(loaded: Loaded) -> list[Row]:
    """Summarise the measurements, in the order of the plan; memory comes last."""
    summary = [
        compare(step.title, shown.key, loaded.rounds[step.title], shown.goal, judged=shown.judged)
        for step in PLAN
        if step.title in loaded.rounds
        for shown in step.shown
    ]
    growth = {name: [each.growth_mb] for name, each in loaded.endured.items()}
    rss = {name: [each] for name, each in loaded.rss_mb.items()}
    idle = {name: [each] for name, each in loaded.idle_kb.items()}
    return [
        *summary,
        Row(
            f"over {_ENDURANCE_ROUNDS} rounds, {_ENDURANCE_BYTES / MB:.0f} MB each",
            _RSS_GROWTH,
            growth,
            Goal(endurance.GROWTH_LIMIT_MB),
            judged=False,
        ),
        Row("after all that", _RSS, rss, Goal(endurance.RSS_LIMIT_MB)),
        # A JVM under load has made its whole heap resident: what connections take of that is not to be seen in it.
        Row("idle connections then", footprint.IDLE_KB, idle, Goal(footprint.IDLE_LIMIT_KB), judged=False),
    ]


def _progress(what: str) -> None:
    print(what, file=sys.stderr)


def footprint_plan(scale: float) -> footprint.Plan:
    """The usual numbers of connections and bytes times `scale`, as far as there is something left to measure."""
    whole = footprint.Plan()
    return footprint.Plan(
        max(int(whole.idle_connections * scale), 10),
        max(int(whole.stalled_consumers * scale), 2),
        max(int(whole.stalled_bytes * scale), 1_000_000),
    )


def measure(options: argparse.Namespace, directory: Path) -> tuple[Loaded, list[Row]]:
    """Start the brokers, measure what they take unloaded and loaded, and summarise both."""
    _progress("starts, idle connections, stalled consumers")
    started = footprint.measure(options.peer, options.starts, footprint_plan(options.scale), directory)
    with ExitStack() as stack:
        brokers = [stack.enter_context(make()) for make in makers(options.peer, directory)]
        loaded = run(brokers, options.rounds, options.warm_up, options.scale)
    return loaded, [*rows(loaded), *started]


def _as_json(loaded: Loaded, summary: Sequence[Row], seconds: float) -> dict[str, object]:
    return {
        "machine": describe(),
        "seconds": round(seconds),
        "brokers": list(summary[0].values),
        "summary": [row.as_json() for row in summary],
        "rounds": {
            step: {name: [each.as_json() for each in runs] for name, runs in by_broker.items()}
            for step, by_broker in loaded.rounds.items()
        },
        "endurance": {name: asdict(each) for name, each in loaded.endured.items()},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: the table on stdout, all that was measured in a JSON file if asked for.

    Exits with 1 where Ottla is worse than its peer in a row that is judged, with 2 where a run went wrong.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--peer", choices=PEERS, help="the broker to measure beside Ottla")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"measured rounds (default: {ROUNDS})")
    parser.add_argument(
        "--warm-up", type=int, default=WARM_UP_ROUNDS, help=f"rounds before them (default: {WARM_UP_ROUNDS})"
    )
    parser.add_argument("--starts", type=int, default=STARTS, help=f"starts of each broker (default: {STARTS})")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the length of every run (default: 1)")
    parser.add_argument(
        "--data-dir", type=Path, help="where the brokers put their data (default: the system's temporary directory)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement to this file")
    options = parser.parse_args(arguments)
    started_s = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="ottla-bench-", dir=options.data_dir) as directory:
            loaded, summary = measure(options, Path(directory))
    except (KafkaUnavailable, OttlaFailed, LoadError) as error:
        print(error, file=sys.stderr)
        return 2
    print(report(summary))
    if options.json is not None:
        content = _as_json(loaded, summary, time.monotonic() - started_s)
        options.json.write_text(json.dumps(content, indent=2) + "\n")
    worse = [f"{row.step}, {row.figure.label}" for row in summary if row.no_worse is False]
    if worse:
        print(f"Worse than {options.peer}: {'; '.join(worse)}", file=sys.stderr)
    return int(bool(worse))


if __name__ == "__main__":
    sys.exit(main())
