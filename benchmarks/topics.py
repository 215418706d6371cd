"""Topics by the thousand partitions: making, first writing to and deleting them, Metadata, and restarts.

python -m benchmarks.topics life
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import topics_life, topics_metadata
from benchmarks.ottla_process import named_or_own
from benchmarks.targets import Finding, judge
from benchmarks.topics_life import live
from benchmarks.topics_metadata import metadata
from benchmarks.topics_restart import restart

_Run = Callable[[argparse.Namespace], list[Finding]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.topics", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True)

    def command(name: str, run: _Run, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        added.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
        added.add_argument("--data-dir", type=Path, metavar="DIR", help="where the broker's data goes for the time")
        added.add_argument("--json", action="store_true", help="print one JSON object")
        return added

    def sized(name: str, run: _Run, text: str) -> argparse.ArgumentParser:
        added = command(name, run, text)
        added.add_argument("--bootstrap", metavar="HOST:PORT", help="a running broker (default: start Ottla)")
        added.add_argument("--pid", type=int, help="its process id, for its CPU time and memory")
        added.add_argument("--topics", type=int, default=20, help="topics (default: 20)")
        added.add_argument("--partitions", type=int, default=100, help="of each (default: 100)")
        return added

    living = sized("life", _live, "how soon many topics are made, first written to and deleted")
    living.add_argument("--rate", type=float, default=200, help="another's produce requests a second (default: 200)")
    asking = sized("metadata", _metadata, "what an answer to Metadata takes")
    asking.add_argument("--requests", type=int, default=300, help="requests a round (default: 300)")
    restarting = command("restart", _restart, "how long a broker with many partitions takes to start and to stop")
    restarting.add_argument(
        "--counts", type=int, nargs="+", default=[2_000, 10_000], help="partitions, by the hundred (2000 10000)"
    )
    return parser


def _live(options: argparse.Namespace) -> list[Finding]:
    plan = topics_life.Plan(options.topics, options.partitions, options.rate)
    with named_or_own(options.bootstrap, options.pid, options.data_dir) as target:
        return live(target, plan, options.rounds)


def _metadata(options: argparse.Namespace) -> list[Finding]:
    plan = topics_metadata.Plan(options.topics, options.partitions, options.requests)
    with named_or_own(options.bootstrap, options.pid, options.data_dir) as target:
        return metadata(target, plan, options.rounds)


def _restart(options: argparse.Namespace) -> list[Finding]:
    return restart(options.counts, options.rounds, options.data_dir)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: one table, or JSON; exits with 1 when a target is missed."""
    options = _parser().parse_args(arguments)
    return judge(lambda: options.run(options), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
