"""Kafka's Java programs: those that run to their end, and those that report events as JSON lines until stopped."""

from __future__ import annotations

import atexit
import json
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Self

from benchmarks.kafka_jars import java_command
from tests.support.wait import DEADLINE_S, wait_until

# They live for seconds: the compiler that is quick to start, and no threads for the garbage.
_OPTIONS = ("-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
_RUN_TIMEOUT_S = 120

_archiving = threading.Lock()


class Outcome(NamedTuple):
    """What a program left that has ended."""

    exit_code: int
    output: str
    """Its stdout."""
    errors: str
    """Its stderr."""


@cache
def _class_archive() -> Path:
    """The file of the classes that the first program of this process has loaded; it goes with the process.

    Who finds them parsed and verified starts in half the time (class data sharing, JEP 350).
    """
    directory = tempfile.mkdtemp(prefix="ottla-java-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Path(directory) / "classes.jsa"


def run_to_end(main_class: str, *arguments: str, stdin: str = "") -> Outcome:
    """Run a program to its end, whatever that is; `stdin` is what it can read."""
    with _archiving:
        if not _class_archive().exists():
            # At its exit it would also print which classes it has not kept.
            options = (f"-XX:ArchiveClassesAtExit={_class_archive()}", "-Xlog:disable")
            return _run(options, main_class, arguments, stdin)
    return _run((f"-XX:SharedArchiveFile={_class_archive()}",), main_class, arguments, stdin)


def _run(options: Sequence[str], main_class: str, arguments: Sequence[str], stdin: str) -> Outcome:
    command = java_command((*_OPTIONS, *options), main_class, arguments)
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=_RUN_TIMEOUT_S, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr)


def run_java(main_class: str, *arguments: str) -> str:
    """Run a program to its end and return all that it printed; its exit code must be 0, which not all make much of."""
    done = run_to_end(main_class, *arguments)
    assert done.exit_code == 0, done.output + done.errors
    return done.output + done.errors


class JavaProcess:
    """One program; a context manager that kills what is still running at the end.

    Args:
        log_path: file to which its stderr goes.
    """

    def __init__(self, log_path: Path, main_class: str, *arguments: str) -> None:
        self.events: list[dict[str, Any]] = []
        """What it has reported so far."""
        self._log_path = log_path
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                java_command((*_OPTIONS, f"-XX:SharedArchiveFile={_class_archive()}"), main_class, arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._reader = threading.Thread(target=self._read, name=main_class, daemon=True)
        self._reader.start()

    def named(self, name: str) -> list[dict[str, Any]]:
        """The events of a name."""
        return [event for event in list(self.events) if event["name"] == name]

    def stop(self) -> None:
        """End it with SIGTERM, as a user does."""
        self._process.terminate()
        self.wait()

    def wait(self) -> None:
        """Wait until it has ended, which must be after its last event, `shutdown_complete`."""
        wait_until(lambda: self._process.poll() is not None, "the Java program ends")
        self._reader.join(DEADLINE_S)
        assert self.named("shutdown_complete"), self._log_path.read_text(errors="replace")[-4000:]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(DEADLINE_S)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            self.events.extend(json.loads(line) for line in lines)
