"""A program of examples/ as its reader runs it, in a process of its own, and what its docstring says one sees."""

from __future__ import annotations

import ast
import doctest
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.support.broker_process import CHECKOUT
from tests.support.wait import DEADLINE_S, wait_until

EXAMPLES = CHECKOUT / "examples"


def source(name: str) -> str:
    """The text of an example; names are without the suffix."""
    return (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")


def docstring(name: str) -> str:
    """The docstring of an example."""
    return ast.get_docstring(ast.parse(source(name))) or ""


def blocks(name: str) -> list[str]:
    """The indented blocks of its docstring: first the command, last what one sees."""
    return [textwrap.dedent(block) for block in re.findall(r"(?:^ {4}.*\n?)+", docstring(name), re.MULTILINE)]


def constants(name: str, suffix: str) -> list[str]:
    """The values of its constants whose names end so, as the topics of `TOPIC` and `LINES_TOPIC`."""
    return re.findall(rf'^\w*{suffix} = "(.+)"$', source(name), re.MULTILINE)


def shows(name: str, output: str) -> bool:
    """Whether the output is what the docstring says; `...` there stands for anything, spaces for any number of them."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(blocks(name)[-1], output, flags)


class Program:
    """A running example; a context manager that kills what is still running at the end.

    Args:
        name: its file, without the suffix.
        bootstrap: `host:port` of the broker.
        directory: where its output is kept.
        arguments: those besides `--bootstrap-server`.
        launcher: the command that runs a file.
        environment: variables that it gets besides ours.
    """

    def __init__(
        self,
        name: str,
        bootstrap: str,
        directory: Path,
        *arguments: str,
        launcher: Sequence[str | Path] = (sys.executable,),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._output_path = directory / f"{name}.out"
        self._errors_path = directory / f"{name}.err"
        command = [*launcher, EXAMPLES / f"{name}.py", "--bootstrap-server", bootstrap, *arguments]
        with self._output_path.open("wb") as output, self._errors_path.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8", **(environment or {})},
                preexec_fn=_heed_ctrl_c,
            )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._output_path.read_text(encoding="utf-8")

    @property
    def errors(self) -> str:
        """What it has written to stderr so far."""
        return self._errors_path.read_text(encoding="utf-8")

    def wait_for(self, text: str) -> None:
        """Wait until it has printed this."""
        wait_until(lambda: text in self.output, f"{self.name} prints {text!r}")

    def wait(self, deadline_s: float = DEADLINE_S) -> int:
        """Wait until it has ended and return its exit code."""
        return self._process.wait(deadline_s)

    def interrupt(self) -> int:
        """Press Ctrl-C, and return its exit code."""
        self._process.send_signal(signal.SIGINT)
        return self.wait()

    def kill(self) -> None:
        """End it with SIGKILL, as a crash does."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.kill()


def _heed_ctrl_c() -> None:
    # What a shell starts in the background ignores it, and its children do, too.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
