"""Entry of the `ottla` command: reads the command line and runs the subcommand."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

COMMANDS = ("serve", "ping", "wire")
HELP_WIDTH = 100
EXIT_USAGE = 2
EXIT_BROKEN_PIPE = 1
EXIT_INTERRUPTED = 130


class _Formatter(argparse.HelpFormatter):
    """As argparse's, but one is made for every option, and without a width each imports shutil and the codecs."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=HELP_WIDTH)


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is one sentence, without the usage above it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Formatter, allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {message}; see {self.prog} --help.\n")


def main(arguments: Sequence[str] | None = None, *, version: str, started_ms: float) -> int:
    """Run a command line, by default the process's own, and return the exit code.

    `version` is the distribution's, `started_ms` the monotonic time at which the command began.
    """
    parser = _Parser(prog="ottla", description="A broker that speaks the Kafka wire protocol.")
    parser.add_argument("--version", action="version", version=f"ottla {version}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    given = sys.argv[1:] if arguments is None else arguments
    # A health check runs every few seconds: it shall not import what other commands need.
    for command in given[:1] if given and given[0] in COMMANDS else COMMANDS:
        importlib.import_module(f".{command}", __package__).add_parser(commands)
    options, strange = parser.parse_known_args(given, argparse.Namespace(started_ms=started_ms))
    if strange:
        # By the subcommand's own parser, whose --help lists what there is.
        options.parser.error(f"unrecognized arguments: {' '.join(strange)}{_meant(strange, options.parser)}")
    try:
        exit_code: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output, a pager perhaps, has seen enough. Python flushes once more at exit: into nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return exit_code


def _meant(strange: Sequence[str], parser: argparse.ArgumentParser) -> str:
    """Return a question about the options that are likely to be meant by others; empty where none is."""
    from difflib import get_close_matches  # needed only by those who mistype

    known = set(re.findall(r"--[a-z-]+", parser.format_usage()))
    near = [match for each in strange for match in get_close_matches(each.partition("=")[0], known, n=1, cutoff=0.7)]
    return f" (did you mean {' and '.join(near)}?)" if near else ""
