"""Consumer groups: how soon they settle, what a rebalance of a thousand members takes, what a commit costs.

python -m benchmarks.groups settle
"""

import argparse
import sys
from collections.abc import Callable, Sequence

from benchmarks.client import Target
from benchmarks.groups_commit import commit
from benchmarks.groups_rebalance import Plan, rebalance
from benchmarks.groups_settle import settle
from benchmarks.ottla_process import named_or_own
from benchmarks.targets import Finding, judge
from benchmarks.wire import allow_many_files

_NICENESS = 10

_Run = Callable[[Target, argparse.Namespace], list[Finding]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.groups", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True)

    def command(name: str, run: _Run, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        added.add_argument("--bootstrap", metavar="HOST:PORT", help="a running broker (default: start Ottla)")
        added.add_argument("--pid", type=int, help="its process id, for its CPU time")
        added.add_argument("--json", action="store_true", help="print one JSON object")
        return added

    settling = command("settle", _settle, "how soon new groups of one and of three members have their assignments")
    settling.add_argument("--rounds", type=int, default=10, help="groups of each kind (default: 10)")
    settling.add_argument("--stock-rounds", type=int, default=3, help="the same with stock clients (default: 3)")

    rebalancing = command("rebalance", _rebalance, "how soon a large group is stable, and what others notice of it")
    rebalancing.add_argument("--members", type=int, default=1_000, help="that join at once (default: 1000)")
    rebalancing.add_argument("--partitions", type=int, default=2_000, help="of their topic (default: 2000)")
    rebalancing.add_argument("--leaves", type=int, default=3, help="how often one leaves (default: 3)")
    rebalancing.add_argument("--rate", type=float, default=200, help="produce requests a second (default: 200)")

    committing = command("commit", _commit, "what a commit of one offset costs")
    committing.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    committing.add_argument("--commits", type=int, default=10_000, help="commits a round (default: 10000)")
    return parser


def _settle(target: Target, options: argparse.Namespace) -> list[Finding]:
    return settle(target, options.rounds, options.stock_rounds)


def _rebalance(target: Target, options: argparse.Namespace) -> list[Finding]:
    plan = Plan(options.members, options.partitions, options.leaves, options.rate, niceness=_NICENESS)
    return rebalance(target, plan)


def _commit(target: Target, options: argparse.Namespace) -> list[Finding]:
    return commit(target, options.rounds, options.commits)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: one table, or JSON; exits with 1 when a target is missed."""
    options = _parser().parse_args(arguments)
    allow_many_files()

    def measure() -> list[Finding]:
        with named_or_own(options.bootstrap, options.pid) as target:
            findings: list[Finding] = options.run(target, options)
            return findings

    return judge(measure, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
