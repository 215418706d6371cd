"""An Ottla broker in a process of its own, as a user starts it: `python -m ottla serve` on a free port."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.client import Target

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0

_CHECKOUT = Path(__file__).resolve().parents[1]
_READY = re.compile(r"Ottla is ready on (?P<host>\S+):(?P<port>\d+), ")


class OttlaFailed(Exception):
    """Ottla ended early, stayed silent, or did not stop; the message has the tail of its log."""


class OttlaBroker:
    """One running Ottla broker, a context manager.

    Args:
        data_directory: parent of the broker's own temporary directory; None means the system's.
        options: further options of `ottla serve`.
        python_options: options of the interpreter, e.g. `["-X", "importtime"]`.

    Attributes:
        executed_s: the monotonic time at which the process was started.
        start_s: seconds from then to the line that says it is ready.
        stop_s: seconds from SIGTERM to the end of the process.
    """

    name = "Ottla"

    def __init__(
        self,
        data_directory: Path | None = None,
        *,
        options: Sequence[str] = (),
        python_options: Sequence[str] = (),
    ) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self.executed_s = 0.0
        self.start_s = 0.0
        self.stop_s = 0.0
        self.ready_line = ""
        self.directory: Path | None = None
        self._parent = data_directory
        self._options = options
        self._python_options = python_options
        self._process: subprocess.Popen[str] | None = None

    @property
    def bootstrap(self) -> str:
        """`host:port` for a client."""
        return f"{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the broker."""
        assert self._process is not None, "the broker is not running"
        return self._process.pid

    def log(self) -> str:
        """What the broker wrote to stderr so far."""
        assert self.directory is not None
        return (self.directory / "stderr").read_text(errors="replace")

    def start(self) -> None:
        """Start it on an empty data directory and wait for the line that says it is ready.

        Raises:
            OttlaFailed: it ended without that line, or the line did not come in time.
        """
        self.directory = Path(tempfile.mkdtemp(prefix="ottla-bench-", dir=self._parent))
        try:
            self._launch(self.directory)
        except BaseException:
            self._abandon()
            raise

    def restart(self) -> None:
        """End it with SIGTERM and start it again on its data.

        Raises:
            OttlaFailed: as `start` and `stop`.
        """
        assert self.directory is not None, "the broker is not running"
        try:
            self._end()
            self._launch(self.directory)
        except BaseException:
            self._abandon()
            raise

    def _launch(self, directory: Path) -> None:
        command = [sys.executable, *self._python_options, "-m", "ottla", "serve", "--host", self.host, "--port", "0"]
        command += ["--data-dir", str(directory / "data"), *self._options]
        self.executed_s = time.monotonic()
        with (directory / "stderr").open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                cwd=_CHECKOUT,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._read_ready_line(self._process)
        self.start_s = time.monotonic() - self.executed_s

    def _read_ready_line(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        # readline() has no timeout: killing the process ends the wait.
        timer = threading.Timer(START_TIMEOUT_S, process.kill)
        timer.start()
        try:
            self.ready_line = process.stdout.readline().rstrip()
        finally:
            timer.cancel()
        ready = _READY.match(self.ready_line)
        if ready is None:
            raise OttlaFailed(f"Ottla did not start: {self.ready_line!r}\n{self.log()[-2000:]}")
        self.host, self.port = ready["host"], int(ready["port"])

    def stop(self) -> None:
        """End it with SIGTERM, check that it exits with 0, and remove its data; harmless when it is not running.

        Raises:
            OttlaFailed: it did not end in time or exited with another code.
        """
        if self._process is None:
            return
        try:
            self._end()
        finally:
            self._abandon()

    def _end(self) -> None:
        process = self._process
        assert process is not None, "the broker is not running"
        try:
            started = time.perf_counter()
            process.terminate()
            code = process.wait(STOP_TIMEOUT_S)
            self.stop_s = time.perf_counter() - started
        except subprocess.TimeoutExpired:
            raise OttlaFailed(f"Ottla did not stop in {STOP_TIMEOUT_S:.0f} s:\n{self.log()[-2000:]}") from None
        self._forget(process)
        if code != 0:
            raise OttlaFailed(f"Ottla exited with {code}:\n{self.log()[-2000:]}")

    def _forget(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        process.stdout.close()
        self._process = None

    def _abandon(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._forget(self._process)
        if self.directory is not None:
            shutil.rmtree(self.directory, ignore_errors=True)
            self.directory = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def _environment() -> dict[str, str]:
    """This process's environment, with the bytecode cache that an installed package has."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@contextlib.contextmanager
def named_or_own(bootstrap: str | None, pid: int | None, data_directory: Path | None = None) -> Iterator[Target]:
    """The broker that was named, or an Ottla of one's own for the time."""
    if bootstrap is not None:
        yield Target(bootstrap, pid)
        return
    with OttlaBroker(data_directory) as broker:
        yield Target(broker.bootstrap, broker.pid)
