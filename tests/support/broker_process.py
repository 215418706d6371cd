"""A broker as a user runs it: `python -m ottla serve` in a process of its own, started, stopped, killed, restarted."""

from __future__ import annotations

import os
import re
import select
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, NamedTuple, Self

from .wait import DEADLINE_S, wait_until
from .wire import WireClient

CHECKOUT = Path(__file__).resolve().parents[2]
READY = re.compile(
    r"Ottla is ready on (?P<endpoints>\S+:\d+(, \S+:\d+)*), data in (?P<directory>.+), "
    r"cluster (?P<cluster_id>\S+), in (?P<elapsed_ms>\d+) ms"
)
"""The whole line of a broker that is ready, whose form docs/pytest.md promises to other people's programs."""


class Ready(NamedTuple):
    """What the line says that a broker prints once it accepts connections."""

    endpoints: tuple[tuple[str, int], ...]
    """Host and port of each listener."""
    directory: Path
    cluster_id: str
    elapsed_ms: int


class BrokerProcess:
    """One broker; a context manager that kills what is still running at the end.

    Args:
        log_path: file to which stderr of all its lives goes.
        arguments: the arguments of `ottla serve`; `--port` is added.
        port: the port to listen on, 0 for a free one at each start, None where the arguments say.
        environment: variables that it gets besides ours.
    """

    def __init__(
        self, log_path: Path, *arguments: str, port: int | None = 0, environment: Mapping[str, str] | None = None
    ) -> None:
        self.log_path = log_path
        self.ready: Ready
        self._arguments = arguments
        self._port = port
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the first listener, as the broker has printed them."""
        return self.ready.endpoints[0]

    @property
    def bootstrap(self) -> str:
        """`host:port`, for a client."""
        return "{}:{}".format(*self.address)

    @property
    def pid(self) -> int:
        """The process id while it runs."""
        return self._running().pid

    @property
    def log(self) -> str:
        """What the broker has written to stderr so far, over all its lives."""
        return self.log_path.read_text(errors="replace")

    def connect(self) -> WireClient:
        """Open a connection to it."""
        return WireClient(self.address)

    def start(self) -> Self:
        """Start it and wait for the line that says it is ready.

        Raises AssertionError, with the log, where it ends or stays silent instead.
        """
        self._spawn()
        line = _read_line(self._stdout())
        found = READY.fullmatch(line)
        if found is None:
            self.kill()
            raise AssertionError(f"no ready line but {line!r}; its log:\n{self.log[-4000:]}")
        self.ready = Ready(
            tuple(map(_parse_endpoint, found["endpoints"].split(", "))),
            Path(found["directory"]),
            found["cluster_id"],
            int(found["elapsed_ms"]),
        )
        return self

    def start_and_kill(self, reached: Callable[[], object]) -> None:
        """Start it and kill it once `reached` returns something true, or once it is ready if that is sooner."""
        self._spawn()
        stdout = self._stdout()
        wait_until(
            lambda: reached() or select.select([stdout], [], [], 0)[0], "the broker's start gets so far", pause_s=0
        )
        self.kill()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._running().send_signal(number)

    def wait(self) -> int:
        """Wait until it has ended by itself and return the exit code; it must have printed nothing more."""
        process = self._running()
        try:
            output, _ = process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not end in {DEADLINE_S:g} s; its log:\n{self.log[-4000:]}") from None
        self._process = None
        assert output == "", f"more than one line on stdout: {output!r}"
        return process.returncode

    def stop(self) -> int:
        """End it with SIGTERM and return the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it with SIGKILL, as a crash does."""
        process = self._running()
        process.kill()
        process.communicate()
        self._process = None

    def restart(self) -> None:
        """Stop it, which must be clean, and start it again on the same data."""
        exit_code = self.stop()
        assert exit_code == 0, f"exit code {exit_code}; its log:\n{self.log[-4000:]}"
        self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()

    def _spawn(self) -> None:
        assert self._process is None, "it is running already"
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                serve_command(*self._arguments, port=self._port),
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._environment,
            )

    def _stdout(self) -> IO[str]:
        stdout = self._running().stdout
        assert stdout is not None
        return stdout

    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, "it is not running"
        return self._process


def serve_command(*arguments: str, port: int | None = 0) -> list[str]:
    """The command line of a broker of this checkout; its working directory must be CHECKOUT."""
    port_arguments = [] if port is None else ["--port", str(port)]
    return [sys.executable, "-m", "ottla", "serve", *port_arguments, *arguments]


def fail_to_start(*arguments: str, port: int | None = 0) -> str:
    """Run a broker that must refuse to start; return the sentence on stderr.

    Raises AssertionError unless it ends with exit code 2, nothing on stdout and one line on stderr.
    """
    done = subprocess.run(
        serve_command(*arguments, port=port),
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 2, f"exit code {done.returncode}: {done.stdout}{done.stderr}"
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, f"more than one line: {done.stderr}"
    return done.stderr.rstrip("\n")


def _parse_endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def _read_line(stream: IO[str]) -> str:
    """Read one line, without its end, or what came before the stream ended or fell silent for the deadline."""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        # The line is written at once, so that what is readable at all is readable as a line.
        return stream.readline().rstrip("\n") if selector.select(DEADLINE_S) else ""
