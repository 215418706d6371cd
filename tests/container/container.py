"""A broker in a container: its log, its end, and how it is reached from the host."""

from __future__ import annotations

from typing import Any

from tests.support.wait import DEADLINE_S, wait_until
from tests.support.wire import WireClient

READY = "Ottla is ready on "
PORT = 9092
HOST = "127.0.0.1"


class BrokerContainer:
    """One container of the image; whoever started it removes it."""

    def __init__(self, container: Any) -> None:
        self.container = container

    @property
    def log(self) -> str:
        """What it has written to stdout and stderr."""
        return str(self.container.logs().decode())

    @property
    def address(self) -> tuple[str, int]:
        """Host and port at which the host reaches its port 9092."""
        self.container.reload()
        (published,) = self.container.ports[f"{PORT}/tcp"]
        return published["HostIp"], int(published["HostPort"])

    @property
    def ip_address(self) -> str:
        """Its address in the engine's default network."""
        self.container.reload()
        return str(self.container.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"])

    def connect(self) -> WireClient:
        """Open a connection from the host."""
        return WireClient(self.address)

    def wait_until_ready(self) -> None:
        """Wait for the line that says so; fails with the log if the broker ends instead."""
        wait_until(lambda: READY in self.log or self._ended(), "the broker is ready or has ended", pause_s=0.05)
        assert READY in self.log, self.log

    def wait_until_healthy(self) -> None:
        """Wait until the image's own health check has succeeded."""
        wait_until(lambda: self._state()["Health"]["Status"] == "healthy", "the container is healthy", pause_s=0.1)

    def stop(self) -> int:
        """Have the engine stop it, with its usual patience, and return the exit code."""
        self.container.stop()
        return self.exit_code()

    def exit_code(self) -> int:
        """Wait for its end."""
        return int(self.container.wait(timeout=DEADLINE_S)["StatusCode"])

    def run(self, *command: str) -> str:
        """Run a command in it, which must succeed, and return what it prints."""
        exit_code, output = self.container.exec_run(list(command))
        assert exit_code == 0, output.decode()
        return str(output.decode())

    def resident_bytes(self) -> int:
        """The memory of the broker's own process."""
        status = self.run("cat", "/proc/1/status")
        (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(kilobytes) * 1024

    def _state(self) -> Any:
        self.container.reload()
        return self.container.attrs["State"]

    def _ended(self) -> bool:
        return str(self._state()["Status"]) == "exited"
