"""A client in a process of its own environment, asked for one operation after the other (see drivers/serve.py)."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
from pathlib import Path
from typing import Any

from .clients import Client
from .environments import python_of

ANSWER_DEADLINE_S = 90.0
"""Longer than the deadlines of the drivers, so that a client's own error is seen first."""

_DRIVERS = Path(__file__).parent / "drivers"


class ClientError(Exception):
    """An operation ended with an error of the client; `code` is Kafka's if the error has one."""

    def __init__(self, kind: str, message: str, code: int | None, traceback: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.code = code
        self.add_note(traceback)


class ClientProcess:
    """One client; its process starts with the first operation, and again after one that hung.

    Args:
        client: which.
        bootstrap: `host:port` of the broker.
        log_path: file to which its stderr goes.
    """

    def __init__(self, client: Client, bootstrap: str, log_path: Path) -> None:
        self.name = client.name
        self.called: set[str] = set()
        """The methods of its admin client that operations have called."""
        self._client = client
        self._bootstrap = bootstrap
        self._log_path = log_path
        self._process: subprocess.Popen[str] | None = None

    def ask(self, operation: str, **arguments: Any) -> Any:
        """Run an operation and return its result.

        Raises ClientError where the client does, AssertionError where it hangs or dies.
        """
        if self._process is None:
            self._process = self._start()
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        request = {"operation": operation, "arguments": {"bootstrap": self._bootstrap, **arguments}}
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            answered = selector.select(ANSWER_DEADLINE_S)
        line = process.stdout.readline() if answered else ""
        if not line:
            self.close()
            raise AssertionError(f"{self.name} gave no answer to {operation}; its log:\n{self._log()}")
        answer = json.loads(line)
        self.called.update(answer["called"])
        if error := answer.get("error"):
            raise ClientError(error["type"], error["message"], error["code"], error["traceback"])
        return answer["result"]

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _start(self) -> subprocess.Popen[str]:
        # Nothing of the environment that pytest runs in may reach the client: it shall find its own packages only.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        with self._log_path.open("ab") as log:
            return subprocess.Popen(
                [python_of(self._client), str(_DRIVERS / "serve.py"), self._client.driver],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
            )

    def _log(self) -> str:
        return self._log_path.read_text(errors="replace")[-4000:]
