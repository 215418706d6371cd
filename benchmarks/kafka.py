"""A real Apache Kafka from Maven Central: the other side of a benchmark, and the oracle whose tools judge our files.

The jars are fetched once into a cache directory; a broker is one KRaft node (broker and controller in one process) on
free ports, with the JVM options of Kafka's own start script. Nothing of it is needed to run Ottla.

    python -m benchmarks.kafka fetch
    python -m benchmarks.kafka start [--port N] [NAME=VALUE ...]
    python -m benchmarks.kafka tool org.apache.kafka.tools.DumpLogSegments --files 00000000000000000000.log
    python -m benchmarks.kafka stop
"""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from benchmarks.kafka_jars import (
    KAFKA_VERSION,
    KafkaUnavailable,
    class_path,
    java_command,
    run_tool,
    unavailable,
    user_cache,
)
from benchmarks.wire import answers_api_versions, free_ports

__all__ = ["KAFKA_VERSION", "KafkaBroker", "KafkaUnavailable", "class_path", "run_tool", "unavailable"]

HEAP = "1g"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0

# kafka-server-start.sh and kafka-run-class.sh of the distribution start a broker with exactly these.
_SERVER_OPTIONS = (
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
)


class KafkaBroker:
    """One running Kafka broker, a context manager; `bootstrap` and `pid` hold while it runs.

    Args:
        data_directory: parent of the broker's own temporary directory; None means the system's.
        port: the port to listen on; None picks a free one.
        properties: further server properties, e.g. `{"num.partitions": "3"}`; they override ours.
        features: levels of features to begin with, where not Kafka's newest, e.g. `{"share.version": 0}`.
        heap: the JVM's fixed heap size, in Java's notation.

    Attributes:
        executed_s: the monotonic time at which the JVM was started.
        start_s: seconds from then to the first answer.
        log_directory: its Kafka log directory, where the partitions' directories are.
    """

    name = f"Kafka {KAFKA_VERSION}"

    def __init__(
        self,
        data_directory: Path | None = None,
        *,
        port: int | None = None,
        properties: Mapping[str, str] | None = None,
        features: Mapping[str, int] | None = None,
        heap: str = HEAP,
    ) -> None:
        self.host = "127.0.0.1"
        self.port = port or 0
        self.executed_s = 0.0
        self.start_s = 0.0
        self.directory: Path | None = None
        self.log_directory: Path | None = None
        self._parent = data_directory
        self._properties = dict(properties or {})
        self._features = dict(features or {})
        self._heap = heap
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """`host:port` for a client."""
        return f"{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the JVM."""
        assert self._process is not None, "the broker is not running"
        return self._process.pid

    def start(self) -> None:
        """Format a fresh log directory, start the broker and wait until it answers ApiVersions.

        Raises:
            KafkaUnavailable: it cannot be fetched, ended early, or did not answer in time (with the tail of its log).
        """
        class_path()
        self.directory = Path(tempfile.mkdtemp(prefix="ottla-kafka-", dir=self._parent))
        self.log_directory = self.directory / "data"
        configuration = self.directory / "server.properties"
        if self.port:
            (controller_port,) = free_ports(1)
        else:
            self.port, controller_port = free_ports(2)
        lines = [f"{name}={value}" for name, value in self._server_properties(controller_port).items()]
        configuration.write_text("\n".join(lines) + "\n")
        try:
            self._format(configuration)
            self._launch(configuration)
        except BaseException:
            self.stop()
            raise

    def _server_properties(self, controller_port: int) -> dict[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "listeners": f"PLAINTEXT://{self.host}:{self.port},CONTROLLER://{self.host}:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.host}:{self.port}",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": f"1@{self.host}:{controller_port}",
            "log.dirs": str(self.log_directory),
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            **self._properties,
        }

    def _format(self, configuration: Path) -> None:
        # A KRaft node starts only on a formatted directory; the cluster id is any 16 bytes in url-safe base64.
        features = [word for name, level in self._features.items() for word in ("--feature", f"{name}={level}")]
        arguments = ["format", "-t", "b3R0bGEtYmVuY2htYXJrcw", "-c", str(configuration), *features]
        done = run_tool("kafka.tools.StorageTool", *arguments)
        if done.returncode != 0:
            raise KafkaUnavailable(f"Kafka's StorageTool failed:\n{done.stdout}{done.stderr}")

    def _launch(self, configuration: Path) -> None:
        options = [f"-Xms{self._heap}", f"-Xmx{self._heap}", *_SERVER_OPTIONS]
        log = configuration.with_name("server.log")
        self.executed_s = time.monotonic()
        with log.open("wb") as output:
            # A session of its own keeps Ctrl-C at the terminal from reaching it before its client is done.
            self._process = subprocess.Popen(
                java_command(options, "kafka.Kafka", [str(configuration)]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = self.executed_s + START_TIMEOUT_S
        while not answers_api_versions(self.host, self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise KafkaUnavailable(f"Kafka did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.01)
        self.start_s = time.monotonic() - self.executed_s

    def detach(self) -> int:
        """Leave the broker running beyond this process; returns its pid."""
        pid = self.pid
        assert self._process is not None
        # The child outlives its Popen object on purpose, which would otherwise warn that nobody waited for it.
        self._process.returncode = 0
        self._process = None
        return pid

    def stop(self) -> None:
        """End the broker (SIGTERM, after a while SIGKILL) and remove its data; harmless when it is not running."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
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


def _state_file() -> Path:
    return user_cache() / "kafka-running.json"


def _running() -> tuple[psutil.Process, Path] | None:
    """The broker that an earlier `start` left behind, and its directory; the start time tells a reused pid apart."""
    try:
        state = json.loads(_state_file().read_text())
        process = psutil.Process(state["pid"])
        if process.create_time() == state["create_time"]:
            return process, Path(state["directory"])
    except (OSError, ValueError, psutil.NoSuchProcess):
        pass
    return None


def _start_command(port: int | None, assignments: Sequence[str]) -> str:
    if running := _running():
        raise KafkaUnavailable(f"A Kafka started by this command already runs with pid {running[0].pid}.")
    properties = dict(assignment.split("=", 1) for assignment in assignments)
    broker = KafkaBroker(port=port, properties=properties)
    broker.start()
    pid = broker.detach()
    state = {"pid": pid, "create_time": psutil.Process(pid).create_time(), "directory": str(broker.directory)}
    _state_file().parent.mkdir(parents=True, exist_ok=True)
    _state_file().write_text(json.dumps(state))
    return f"{broker.name} is ready on {broker.bootstrap}, pid {pid}, data in {broker.log_directory}"


def _stop_command() -> str:
    running = _running()
    _state_file().unlink(missing_ok=True)
    if running is None:
        return "No Kafka started by this command is running."
    process, directory = running
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT_S)
    except psutil.TimeoutExpired:
        process.kill()
    shutil.rmtree(directory, ignore_errors=True)
    return f"Kafka with pid {process.pid} is stopped, its data removed."


def _assignment(text: str) -> str:
    if "=" not in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line: fetch, start, stop, or run a tool."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kafka", description=f"Apache Kafka {KAFKA_VERSION}.")
    commands = parser.add_subparsers(dest="command", required=True)
    start = commands.add_parser("start", help="start a broker in the background and print its address")
    start.add_argument("--port", type=int, help="port to listen on (default: a free one)")
    start.add_argument(
        "properties", nargs="*", type=_assignment, metavar="NAME=VALUE", help="further server properties"
    )
    commands.add_parser("fetch", help="fetch the jars if they are not in the cache, and print the class path")
    commands.add_parser("stop", help="stop that broker and remove its data")
    tool = commands.add_parser("tool", help="run one of Kafka's Java programs")
    tool.add_argument("main_class", metavar="CLASS", help="e.g. org.apache.kafka.tools.GetOffsetShell")
    tool.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGUMENT")
    options = parser.parse_args(arguments)
    try:
        match options.command:
            case "start":
                print(_start_command(options.port, options.properties))
            case "fetch":
                print(class_path())
            case "stop":
                print(_stop_command())
            case _:
                command = java_command(["-Xmx512m"], options.main_class, options.arguments)
                return subprocess.run(command, check=False).returncode
    except KafkaUnavailable as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
