"""Put a load on a running broker, any broker of Kafka's protocol, and print what it took.

python -m benchmarks.load produce --bootstrap localhost:9092 --pid 4711
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import fields

from confluent_kafka import KafkaException

from benchmarks.client import Load, LoadError, Target
from benchmarks.measurement import Measurement, present, show, table
from benchmarks.workloads import WORKLOADS, Workload

_COMPRESSIONS = ("none", "gzip", "snappy", "lz4", "zstd")


def run(target: Target, workload: str, **parameters: int | float | str | bool | None) -> Measurement:
    """Run one workload by name, its defaults overridden by the parameters of `Load`.

    Raises:
        LoadError: the broker answered with an error, stayed silent, or lost messages.
    """
    chosen = WORKLOADS[workload]
    load = Load(**{**chosen.defaults, **parameters})  # type: ignore[arg-type]
    try:
        measurement = chosen.run(target, load)
    except (KafkaException, OSError) as error:
        raise LoadError(f"{workload}: {error}") from error
    if not measurement.messages:
        raise LoadError(f"{workload}: not one message got through in {load.seconds:g} s")
    return measurement


def _add_workload(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", workload: Workload) -> None:
    command = commands.add_parser(workload.name, help=workload.summary, description=workload.summary)
    command.add_argument("--bootstrap", default="localhost:9092", metavar="HOST:PORT")
    command.add_argument("--pid", type=int, help="the broker's process id, for its CPU time and memory")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    helps = {
        "messages": "messages at most",
        "total_bytes": "bytes of values at most",
        "seconds": "seconds at most",
        "message_bytes": "size of a value",
        "partitions": "partitions of the topic",
        "linger_ms": "how long the client waits to fill a batch",
        "batch_bytes": "largest batch",
        "fetch_bytes": "what a consumer asks for of a partition at once",
        "acks": "0, 1 or all",
        "compression": ", ".join(_COMPRESSIONS),
        "connections": "raw sockets",
    }
    for field in fields(Load):
        default = workload.defaults.get(field.name, field.default)
        option = f"--{field.name.replace('_', '-')}"
        if field.type is bool or field.type == "bool":
            command.add_argument(option, action="store_true", help="produce as an idempotent producer")
            continue
        kind = {"acks": str, "compression": str, "seconds": float, "linger_ms": float}.get(field.name, int)
        choices = {"acks": ("0", "1", "all"), "compression": _COMPRESSIONS}.get(field.name)
        text = helps[field.name] if default is None else f"{helps[field.name]} (default: {default})"
        command.add_argument(option, type=kind, default=default, choices=choices, help=text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="workload", required=True)
    for workload in WORKLOADS.values():
        _add_workload(commands, workload)
    return parser


def _report(measurement: Measurement) -> str:
    figures = measurement.figures()
    rows = [[f"{measurement.workload}", ""]]
    rows += [[figure.label, show(figure, figures[figure.key])] for figure in present(figures)]
    text = table(rows)
    if measurement.cost.client_limited:
        text += "\nA thread of the client was at its limit: the broker could do more."
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: one workload, one report."""
    options = vars(_parser().parse_args(arguments))
    target = Target(options.pop("bootstrap"), options.pop("pid"))
    as_json, workload = options.pop("json"), options.pop("workload")
    try:
        measurement = run(target, workload, **options)
    except LoadError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(measurement.as_json()) if as_json else _report(measurement))
    return 0


if __name__ == "__main__":
    sys.exit(main())
