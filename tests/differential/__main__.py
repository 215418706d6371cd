"""Send the same scripts of requests to Ottla and to a real Kafka, and show what differs for no reason that is known.

    python -m tests.differential --seed 7 --sequences 100
    python -m tests.differential --script differential-7-42.txt

A script in which something differs is made short and written to a file, which `--script` sends again. Needs java, and
mvn once.
"""

# ruff: noqa: T201 - a command that prints what it has found
from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.kafka import KafkaUnavailable

from . import report
from .coverage import Coverage
from .generator.scripts import STEPS, generate
from .judge import Failure, Judge
from .script import parse, render

PROGRESS_S: Final = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exits with 1 where something differs that nothing explains."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.differential", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for option, default, what in (
        ("--seed", None, "draws the scripts, the same ones for the same number (default: a random one)"),
        ("--sequences", 100, "how many scripts to send (default: 100)"),
        ("--first", 0, "number of the first script, to go on behind others (default: 0)"),
        ("--steps", STEPS, f"requests in each script (default: {STEPS})"),
    ):
        parser.add_argument(option, type=int, default=default, metavar="N", help=what)
    parser.add_argument(
        "--keep-going", action="store_true", help="go on after a difference (default: make its script short, and end)"
    )
    parser.add_argument("--report", action="store_true", help=f"write docs/{report.PAGE.name} if nothing is found")
    parser.add_argument("--script", type=Path, metavar="FILE", help="send this script alone, and show all answers")
    options = parser.parse_args(arguments)
    try:
        if options.script is not None:
            return _send(options.script)
        return _compare(secrets.randbelow(2**31) if options.seed is None else options.seed, options)
    except KafkaUnavailable as error:
        print(error, file=sys.stderr)
        return 2


def _send(path: Path) -> int:
    script = parse(path.read_text(encoding="utf-8"))
    failed = False
    with Judge() as judge:
        for exchange in judge.exchanges(script):
            failed = failed or bool(exchange.unexplained)
            print(exchange.step)
            for side, outcome in (("Kafka", exchange.kafka), ("Ottla", exchange.ottla)):
                print(f"    {side}: {outcome.absence or outcome.answer}")
            for difference in exchange.differences:
                print(f"    {'!!' if difference in exchange.unexplained else 'as intended:'} {difference}")
    return int(failed)


def _compare(seed: int, options: argparse.Namespace) -> int:
    coverage = Coverage()
    failures = 0
    once: list[int] = []
    started_s = shown_s = time.monotonic()
    with Judge() as judge:
        for number in range(options.first, options.first + options.sequences):
            script = generate(seed, number, options.steps)
            failure = judge.run(script, coverage)
            if failure is not None and judge.run(script) is None:
                once.append(number)
                print(f"{failure}\nScript {number} does not differ when it is sent again.\n", flush=True)
            elif failure is not None:
                failures += 1
                _show(seed, number, failure if options.keep_going else judge.shrink(failure))
                if not options.keep_going:
                    break
            if time.monotonic() - shown_s > PROGRESS_S:
                shown_s = time.monotonic()
                print(f"{coverage.scripts} of {options.sequences} scripts, {coverage.total} answers", flush=True)
    print(
        f"seed {seed}: {coverage.scripts} scripts, {coverage.total} answers, "
        f"{coverage.departing_answers} of them departing as intended, {failures} failures, "
        f"{len(once)} that did not recur, "
        f"{time.monotonic() - started_s:.0f} s"
    )
    if failures:
        return 1
    if options.report:
        report.PAGE.write_text(report.render(coverage, seed, _command(seed, options), once), encoding="utf-8")
        print(f"wrote docs/{report.PAGE.name}")
    return 0


def _command(seed: int, options: argparse.Namespace) -> str:
    """The command that does the same again."""
    words = ["python -m tests.differential", f"--seed {seed}", f"--sequences {options.sequences}"]
    words += [f"--first {options.first}"] if options.first else []
    words += [f"--steps {options.steps}"] if options.steps != STEPS else []
    return " ".join([*words, "--report"])


def _show(seed: int, number: int, failure: Failure) -> None:
    path = Path(f"differential-{seed}-{number}.txt")
    path.write_text(f"# seed {seed}, script {number}\n{render(failure.script)}", encoding="utf-8")
    print(f"{failure}\npython -m tests.differential --script {path}\n", flush=True)


def _main_with_readers_that_leave() -> int:
    try:
        try:
            return main()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python flushes once more at exit: into nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(_main_with_readers_that_leave())
