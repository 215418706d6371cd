"""Where Ottla's CPU time goes under a workload: a table of functions or a flame graph, sampled from outside by py-spy.

python -m benchmarks.hot_spots produce
python -m benchmarks.hot_spots produce --flamegraph produce.svg
"""

import argparse
import collections
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import load
from benchmarks.client import LoadError, Target
from benchmarks.measurement import table
from benchmarks.ottla_process import OttlaBroker, OttlaFailed
from benchmarks.workloads import WORKLOADS

PROFILER = "py-spy"
SAMPLES_PER_S = 500


class ProfilerFailed(Exception):
    """py-spy is missing or may not look at the process; the message is for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class HotSpot:
    """A function's samples: those taken in itself, and those in it or in what it called."""

    function: str
    own: int
    total: int


def sample(
    broker: OttlaBroker, workload: str, output_file: Path, messages: int | None, output_format: str = "raw"
) -> None:
    """Run a workload while py-spy samples the broker, and leave what it makes of the stacks in `output_file`.

    The whole run is sampled: for "consume" that includes the producing of what is then read.

    Args:
        output_format: py-spy's: "raw" are collapsed stacks, "flamegraph" is an SVG.

    Raises:
        ProfilerFailed: there is no py-spy, or it could not attach.
        LoadError: the run went wrong.
    """
    profiler = _start_profiler(broker.pid, output_file, output_format)
    try:
        bound = {} if messages is None else {"messages": messages}
        load.run(Target(broker.bootstrap, broker.pid), workload, **bound)
    finally:
        profiler.send_signal(signal.SIGINT)  # py-spy's own end: it writes its file
        output, _ = profiler.communicate(timeout=30)
    if profiler.returncode != 0 or not output_file.exists():
        raise ProfilerFailed(f"py-spy failed (attaching may need root):\n{output}")


def _start_profiler(pid: int, output_file: Path, output_format: str) -> subprocess.Popen[str]:
    beside_python = Path(sys.executable).with_name(PROFILER)
    program = str(beside_python) if beside_python.exists() else shutil.which(PROFILER)
    if program is None:
        raise ProfilerFailed("The samples are taken by py-spy, which is not installed: pip install -e '.[bench]'")
    command = [program, "record", "--pid", str(pid), "--rate", str(SAMPLES_PER_S), "--function", "--nonblocking"]
    command += ["--format", output_format, "--output", str(output_file)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def hot_spots(collapsed: Iterable[str]) -> list[HotSpot]:
    """Add up collapsed stacks (`outer;inner;innermost COUNT`) by function, the one with most of its own first."""
    own: collections.Counter[str] = collections.Counter()
    total: collections.Counter[str] = collections.Counter()
    for line in collapsed:
        stack, _, count = line.rpartition(" ")
        functions = stack.split(";")
        own[functions[-1]] += int(count)
        for function in set(functions):
            total[function] += int(count)
    return [HotSpot(function, own[function], total[function]) for function in sorted(total, key=lambda f: -own[f])]


def report(spots: Sequence[HotSpot], rows_max: int) -> str:
    """The table that the command prints; shares are of all samples in which the broker was not idle."""
    samples = sum(spot.own for spot in spots)
    rows = [["function", "own", "with callees"]]
    rows += [[spot.function, f"{spot.own / samples:.1%}", f"{spot.total / samples:.1%}"] for spot in spots[:rows_max]]
    return table(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: one workload, one table or one flame graph."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hot_spots", description=__doc__.partition("\n")[0])
    parser.add_argument("workload", choices=list(WORKLOADS))
    parser.add_argument("--messages", type=int, help="messages at most")
    parser.add_argument("--rows", type=int, default=30, help="functions to show (default: 30)")
    parser.add_argument(
        "--flamegraph", type=Path, metavar="FILE", help="write a flame graph, an SVG, instead of a table"
    )
    parser.add_argument("--stacks", type=Path, metavar="FILE", help="keep the collapsed stacks of the table")
    options = parser.parse_args(arguments)
    if options.flamegraph is not None and options.stacks is not None:
        parser.error("py-spy writes one of the two: stacks or a flame graph")
    try:
        with OttlaBroker() as broker, tempfile.TemporaryDirectory() as directory:
            if options.flamegraph is not None:
                sample(broker, options.workload, options.flamegraph, options.messages, "flamegraph")
                return 0
            raw_file = options.stacks or Path(directory) / "stacks"
            sample(broker, options.workload, raw_file, options.messages)
            spots = hot_spots(raw_file.read_text().splitlines())
    except (ProfilerFailed, OttlaFailed, LoadError) as error:
        print(error, file=sys.stderr)
        return 1
    print(report(spots, options.rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
