"""`ottla wire`: its command line, and the proxy and the replay as processes."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import broker.wire.main
import broker.wire.replay
from broker.cli.main import main
from broker.wire.filters import Filters
from broker.wire.wire_log import Format, WireLogOptions
from tests.support.broker_process import CHECKOUT, BrokerProcess
from tests.support.wait import DEADLINE_S
from tests.support.wire import WireClient
from tests.support.wire_process import WireProcess, wire_command

Address = tuple[str, int]


def ottla(*arguments: str) -> int:
    return main(arguments, version="1.2.3", started_ms=5.0)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Address, Address, WireLogOptions]]:
    """What the proxy was started with, in place of a proxy."""
    calls: list[tuple[Address, Address, WireLogOptions]] = []

    def run(listen: Address, to: Address, options: WireLogOptions) -> int:
        calls.append((listen, to, options))
        return 0

    monkeypatch.setattr(broker.wire.main, "run", run)
    return calls


def test_defaults(started: list[tuple[Address, Address, WireLogOptions]]) -> None:
    assert ottla("wire", "--listen", "9192", "--to", "kafka:9092") == 0
    assert started == [(("localhost", 9192), ("kafka", 9092), WireLogOptions("-"))]


def test_options(started: list[tuple[Address, Address, WireLogOptions]]) -> None:
    log = ["--log", "f", "--format", "recording", "--records", "--api", "Produce", "--client", "a", "--topic", "t"]
    assert ottla("wire", "--listen", ":0", "--to", "[::1]:9092", *log) == 0
    filters = Filters(frozenset({0}), ("a",), frozenset({"t"}))
    assert started == [(("", 0), ("::1", 9092), WireLogOptions("f", Format.RECORDING, True, filters))]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--listen and --to are required"),
        (["--listen", "9192"], "--listen and --to are required"),
        (["--listen", "x", "--to", "h:1"], "'localhost:x' is not HOST:PORT, with a port between 0 and 65535"),
        (["--listen", "1", "--to", "h:65536"], "'h:65536' is not HOST:PORT"),
        (["--listen", "1", "--to", "9092"], "'9092' is not HOST:PORT"),
        (["--listen", "1", "--to", ":9092"], "':9092' names no broker"),
        (["--listen", "1", "--to", "h:1", "--format", "xml"], "invalid choice: 'xml'"),
        (["--listen", "1", "--to", "h:1", "--api", "Get"], "The log cannot be filtered so: there is no API 'Get'"),
        (["replay", "f"], "the following arguments are required: --to"),
        (["replay", "/no/such", "--to", "h:1"], "Cannot read /no/such: No such file or directory."),
        (["play"], "invalid choice: 'play'"),
    ],
)
def test_a_bad_command_line_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    try:
        exit_code: object = ottla("wire", *arguments)
    except SystemExit as end:
        exit_code = end.code
    assert exit_code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("ottla wire")
    assert sentence in err


@pytest.mark.parametrize(("is_alike", "exit_code"), [(True, 0), (False, 1)])
def test_the_exit_code_tells_whether_a_replay_differs(
    monkeypatch: pytest.MonkeyPatch, is_alike: bool, exit_code: int
) -> None:
    calls = []
    monkeypatch.setattr(broker.wire.replay, "replay", lambda *arguments: calls.append(arguments) or is_alike)
    assert ottla("wire", "replay", "file", "--to", "h:1") == exit_code
    assert calls == [("file", ("h", 1))]


# --- processes -----------------------------------------------------------------------------------------------------


@pytest.fixture
def ottla_broker(make_broker: Callable[..., BrokerProcess]) -> BrokerProcess:
    return make_broker().start()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_it_ends_cleanly_with_its_log_whole(
    ottla_broker: BrokerProcess, tmp_path: Path, number: signal.Signals
) -> None:
    with WireProcess(tmp_path / "wire", ottla_broker.address) as proxy:
        with WireClient(proxy.address) as client:
            client.ask("Metadata", 12, topics=None)
            assert proxy.stop(number) == 0
            assert client.await_close() == b""
        assert proxy.stderr.count("\n") == 1
        connected, request, response, closed = proxy.wire_log.read_text().splitlines()
    assert " has connected to " in connected
    assert ' > Metadata v12 1 "wire" topics=null ' in request
    assert ' < Metadata v12 1 "wire" ' in response
    assert closed.endswith("#1 closed: by this proxy")


def test_lines_come_on_stdout_for_other_programs(ottla_broker: BrokerProcess) -> None:
    to = "{}:{}".format(*ottla_broker.address)
    command = wire_command("--listen", "127.0.0.1:0", "--to", to, "--format", "json")
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        host, _, port = process.stderr.readline().split()[5].rstrip(",").rpartition(":")
        with WireClient((host, int(port))) as client:
            client.ask("ApiVersions", 0)
            events = [json.loads(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)
    assert [each["event"] for each in events] == ["connected", "request", "response"]
    assert process.returncode == 0


def test_a_reader_of_stdout_that_goes_does_not_end_the_proxy(ottla_broker: BrokerProcess) -> None:
    to = "{}:{}".format(*ottla_broker.address)
    command = wire_command("--listen", "127.0.0.1:0", "--to", to)
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        host, _, port = process.stderr.readline().split()[5].rstrip(",").rpartition(":")
        process.stdout.close()
        with WireClient((host, int(port))) as client:
            client.ask("ApiVersions", 0)
            sentence = process.stderr.readline()
            client.ask("ApiVersions", 0)
        process.send_signal(signal.SIGINT)
        process.wait(DEADLINE_S)
    assert sentence.endswith(
        "[wire-log] Cannot write to standard output: Broken pipe. The log ends, serving goes on.\n"
    )
    assert process.returncode == 0


def test_what_keeps_it_from_starting_is_one_sentence(ottla_broker: BrokerProcess) -> None:
    host, port = ottla_broker.address
    done = run_to_the_end("--listen", f"{host}:{port}", "--to", f"{host}:{port}")
    assert done == (
        2,
        "",
        f"ottla wire: Port {port} is in use; stop the other process or choose another port with --listen.\n",
    )
    assert ottla_broker.stop() == 0
    done = run_to_the_end("--listen", f"{host}:0", "--to", f"{host}:{port}")
    assert done == (2, "", f"ottla wire: Cannot reach {host}:{port}: Connection refused.\n")


def run_to_the_end(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        wire_command(*arguments), cwd=CHECKOUT, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_record_and_replay(ottla_broker: BrokerProcess, tmp_path: Path) -> None:
    with WireProcess(tmp_path / "wire", ottla_broker.address, "--format", "recording") as proxy:
        with WireClient(proxy.address) as client:
            client.ask(
                "CreateTopics",
                4,
                timeout_ms=30_000,
                topics=[{"name": "orders", "num_partitions": 1, "replication_factor": 1}],
            )
        assert proxy.stop() == 0
    replay = ("replay", str(proxy.wire_log), "--to", "{}:{}".format(*ottla_broker.address))
    code, out, err = run_to_the_end(*replay)
    assert (code, err) == (1, "")
    assert out == (
        '#1 CreateTopics v4 1: topics[0].error_code was "NONE" and is "TOPIC_ALREADY_EXISTS"\n'
        "#1 CreateTopics v4 1: topics[0].error_message was null and is \"Topic 'orders' already exists.\"\n"
        "1 requests sent, 1 responses compared, 1 differ.\n"
    )
    with ottla_broker.connect() as client:
        client.ask("DeleteTopics", 5, topic_names=["orders"], timeout_ms=30_000)
    assert run_to_the_end(*replay) == (0, "1 requests sent, 1 responses compared, 0 differ.\n", "")
