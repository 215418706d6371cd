"""Kafka's command-line tools, aimed at the broker under test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tests.support.java import require_kafka

from .java_process import Outcome, run_to_end

T = TypeVar("T")


class Tool:
    """One tool; `--bootstrap-server` is put in front of its arguments."""

    def __init__(self, main_class: str, bootstrap: str) -> None:
        require_kafka()
        self.main_class = main_class
        self.bootstrap = bootstrap

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """Run it and return its stdout; the exit code must be 0, which some of the tools make little of."""
        done = self.run(*arguments, stdin=stdin)
        assert done.exit_code == 0, done
        return done.output

    def refused(self, *arguments: str) -> str:
        """Run it and return all that it printed; it must say by its exit code that it could not do what was asked."""
        done = self.run(*arguments)
        assert done.exit_code == 1, done
        return done.output + done.errors

    def run(self, *arguments: str, stdin: str = "") -> Outcome:
        """Run it, whatever comes of it."""
        return run_to_end(self.main_class, "--bootstrap-server", self.bootstrap, *arguments, stdin=stdin)


def at_once(call: Callable[..., T], *commands: Sequence[str]) -> list[T]:
    """Call a tool with several lists of arguments at the same time, which must not depend on each other.

    Most of a tool's life is the start of its JVM, for which one processor is enough.
    """
    with ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(lambda arguments: call(*arguments), commands))
