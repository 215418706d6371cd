"""What Ottla costs before anybody uses it: start to the ready line, modules imported, idle CPU, idle memory, stop.

python -m benchmarks.start --runs 9
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from benchmarks.measurement import MB, table
from benchmarks.meter import cpu_seconds, resident_bytes
from benchmarks.ottla_process import OttlaBroker, OttlaFailed

_IMPORT_LINE = "import time:"


@dataclass(frozen=True, slots=True)
class StartFigures:
    """Times in milliseconds, one per run; `idle_cpu_share` is a share of one core."""

    start_ms: list[float]
    stop_ms: list[float]
    modules: int
    idle_cpu_share: float
    idle_rss_mb: float


def measure(runs: int, idle_s: float) -> StartFigures:
    """Start and stop Ottla `runs` times on empty directories, then watch one that nobody talks to."""
    start_ms, stop_ms = [], []
    with OttlaBroker():
        pass  # the first start after a change compiles what has changed
    for _ in range(runs):
        with OttlaBroker() as broker:
            pass
        start_ms.append(broker.start_s * 1e3)
        stop_ms.append(broker.stop_s * 1e3)
    idle_cpu_share, idle_rss_mb = _idle(idle_s)
    return StartFigures(start_ms, stop_ms, imported_modules(), idle_cpu_share, idle_rss_mb)


def imported_modules() -> int:
    """How many modules are imported by the time of the ready line, those of the interpreter's own start included."""
    with OttlaBroker(python_options=["-X", "importtime"]) as broker:
        lines = [line for line in broker.log().splitlines() if line.startswith(_IMPORT_LINE)]
    return len(lines) - 1  # the first one is the heading


def _idle(seconds: float) -> tuple[float, float]:
    with OttlaBroker() as broker:
        before, started = cpu_seconds(broker.pid), time.perf_counter()
        time.sleep(seconds)
        share = (cpu_seconds(broker.pid) - before) / (time.perf_counter() - started)
        return share, resident_bytes(broker.pid) / MB


def report(figures: StartFigures) -> str:
    """The table that the command prints."""
    rows = [["", "median", "min", "max"]]
    for label, values in (("start to ready, ms", figures.start_ms), ("SIGTERM to exit, ms", figures.stop_ms)):
        rows.append([label, *(f"{each:.0f}" for each in (statistics.median(values), min(values), max(values)))])
    rows.append(["modules imported by then", str(figures.modules), "", ""])
    rows.append(["idle CPU, % of a core", f"{figures.idle_cpu_share * 100:.2f}", "", ""])
    rows.append(["idle RSS, MB", f"{figures.idle_rss_mb:.1f}", "", ""])
    return table(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: one table, or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=9, help="starts and stops (default: 9)")
    parser.add_argument("--idle-seconds", type=float, default=5.0, help="how long to watch it idle (default: 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    try:
        figures = measure(options.runs, options.idle_seconds)
    except OttlaFailed as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(asdict(figures)) if options.json else report(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
