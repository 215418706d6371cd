"""The proxy as a user runs it: `python -m ottla wire` in a process of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from .broker_process import CHECKOUT
from .wait import DEADLINE_S, wait_until

_READY = re.compile(r"Ottla's wire is ready on (\S+):(\d+), for \S+\n")


class WireProcess:
    """One proxy; a context manager that kills what is still running at the end.

    Args:
        directory: where the wire log and stderr go.
        to: the broker behind it.
        arguments: further arguments of `ottla wire`.
    """

    def __init__(self, directory: Path, to: tuple[str, int], *arguments: str) -> None:
        directory.mkdir(exist_ok=True)
        self.wire_log = directory / "wire.log"
        self._stderr = directory / "wire.err"
        self._arguments = [
            "--listen",
            "127.0.0.1:0",
            "--to",
            "{}:{}".format(*to),
            "--log",
            str(self.wire_log),
            *arguments,
        ]

    @property
    def stderr(self) -> str:
        """What it has written to stderr so far."""
        return self._stderr.read_text()

    @property
    def bootstrap(self) -> str:
        """`host:port`, for a client."""
        return "{}:{}".format(*self.address)

    def __enter__(self) -> Self:
        with self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(wire_command(*self._arguments), cwd=CHECKOUT, stderr=stderr)
        ready = wait_until(
            lambda: _READY.search(self.stderr) or self._process.poll() is not None, "the proxy is ready or has ended"
        )
        assert isinstance(ready, re.Match), self.stderr
        self.address = (ready[1], int(ready[2]))
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """End it by a signal and return the exit code; the wire log is whole then."""
        self._process.send_signal(number)
        return self._process.wait(DEADLINE_S)


def wire_command(*arguments: str) -> list[str]:
    """The command line of a proxy of this checkout; its working directory must be CHECKOUT."""
    return [sys.executable, "-m", "ottla", "wire", *arguments]
