"""Send the same sequences of requests to Ottla and to a real Kafka, and show every difference that nothing explains.

    python -m tests.differential --seed 7 --sequences 100
    python -m tests.differential --script failing.txt

A sequence that meets one is written to a file, which `--script` sends again. Needs java, and mvn once.
"""

# ruff: noqa: T201 - a command that prints what it has found
from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from .generator.scripts import generate
from .peers import running_peers
from .run import Runner
from .script import Script, parse, render
from .side import Side


def main() -> int:
    """Return 1 if a difference is unexplained, else 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.differential")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first sequence of the seed")
    parser.add_argument("--sequences", type=int, default=10)
    parser.add_argument("--script", type=Path, help="send this file alone")
    options = parser.parse_args()
    answers: Counter[str] = Counter()
    departures: Counter[str] = Counter()
    failed = 0
    with running_peers() as peers:
        runner = Runner(*(Side(peer) for peer in peers))
        for name, script in _scripts(options):
            if not _agree(runner, script, answers, departures):
                failed += 1
                path = Path(f"differential-{name}.txt")
                path.write_text(render(script), encoding="utf-8")
                print(f"The sequence is in {path}.")
    print(f"{answers.total()} answers compared, {failed} sequences with an unexplained difference")
    for departure, count in departures.most_common():
        print(f"  {count:6} answers depart as intended: {departure}")
    return 1 if failed else 0


def _scripts(options: argparse.Namespace) -> Iterator[tuple[str, Script]]:
    if options.script is not None:
        yield options.script.stem, parse(options.script.read_text(encoding="utf-8"))
        return
    for number in range(options.first, options.first + options.sequences):
        yield f"{options.seed}-{number}", generate(options.seed, number)


def _agree(runner: Runner, script: Script, answers: Counter[str], departures: Counter[str]) -> bool:
    """Run a sequence up to its first unexplained difference, which is printed."""
    for exchange in runner.run(script):
        answers[exchange.step.api] += 1
        departures.update(departure.name for departure in exchange.departures)
        if exchange.unexplained:
            print(exchange.step)
            for difference in exchange.unexplained:
                print(f"    {difference}")
            return False
    return True


if __name__ == "__main__":
    sys.exit(main())
