"""`ottla ping`, whose exit code a container's health check goes by."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from broker.cli.main import main
from broker.registry import APIS
from tests.support.broker_process import CHECKOUT, BrokerProcess


def ping(*arguments: str) -> int:
    return main(["ping", *arguments], version="1.2.3", started_ms=5.0)


@pytest.fixture
def broker_process(make_broker: Callable[..., BrokerProcess]) -> BrokerProcess:
    return make_broker().start()


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], str]]:
    """Makes something that is no broker: it says what it is given to say to whoever connects, and closes."""
    servers: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(server: socket.socket, answer: bytes) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(answer)

    def make(answer: bytes) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)
        threads.append(threading.Thread(target=serve, args=(server, answer)))
        threads[-1].start()
        return f"127.0.0.1:{server.getsockname()[1]}"

    yield make
    for thread in threads:
        thread.join()
    for server in servers:
        server.close()


def test_a_broker_that_answers(broker_process: BrokerProcess, capsys: pytest.CaptureFixture[str]) -> None:
    assert ping("--bootstrap-server", broker_process.bootstrap) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(rf"{broker_process.bootstrap} answers, with {len(APIS)} APIs, in \d+ ms\n", out)
    assert err == ""


def test_the_broker_that_serve_would_run(
    broker_process: BrokerProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = broker_process.address[1]
    file = tmp_path / "server.properties"
    file.write_text(f"listeners=CONTROLLER://:1,PLAINTEXT://0.0.0.0:{port}\ncontroller.listener.names=CONTROLLER")
    assert ping("--config", str(file)) == 0
    file.write_text("listeners=PLAINTEXT://:1")
    monkeypatch.setenv("KAFKA_LISTENERS", f"PLAINTEXT://localhost:{port}")
    assert ping("--config", str(file), "--from-env") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [f"localhost:{port}"] * 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "it has closed the connection"),
        (b"\0\0\0\x0e\0\0\0", "it has closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it does not speak Kafka's protocol"),
        (b"\0\0\0\x0a\0\0\0\x02\0\0\0\0\0\0", "it does not speak Kafka's protocol"),
        (b"\0\0\0\x0a\0\0\0\x01\0\x23\0\0\0\0", "it does not speak Kafka's protocol"),
    ],
)
def test_what_is_no_broker(
    answering: Callable[[bytes], str], capsys: pytest.CaptureFixture[str], answer: bytes, reason: str
) -> None:
    address = answering(answer)
    assert ping("--bootstrap-server", address) == 1
    assert capsys.readouterr() == ("", f"ottla ping: {address} does not answer: {reason}.\n")


def test_nobody_there(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert ping("--bootstrap-server", f"127.0.0.1:{port}") == 1
    assert capsys.readouterr().err == f"ottla ping: 127.0.0.1:{port} does not answer: Connection refused.\n"


def test_an_ipv6_address_keeps_its_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    assert ping("--bootstrap-server", "[100::1]:9092", "--timeout-ms", "20") == 1
    assert capsys.readouterr().err.startswith("ottla ping: [100::1]:9092 does not answer: ")


def test_the_address_that_is_most_likely_to_work_says_why_none_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    # As localhost where there is no IPv6, with an address that no machine has in the place of ::1.
    addresses = [
        (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port)),
        (socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("100::1", port, 0, 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: addresses)
    assert ping("--bootstrap-server", f"localhost:{port}") == 1
    assert capsys.readouterr().err == f"ottla ping: localhost:{port} does not answer: Connection refused.\n"


def test_an_answer_that_does_not_come(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert ping("--bootstrap-server", f"127.0.0.1:{port}", "--timeout-ms", "20") == 1
    assert capsys.readouterr().err == f"ottla ping: 127.0.0.1:{port} does not answer: timed out.\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--bootstrap-server", "localhost"], "'localhost' is not HOST:PORT, as localhost:9092 is"),
        (["--bootstrap-server", "localhost:0"], "is not HOST:PORT"),
        (["--bootstrap-server", "localhost:65536"], "is not HOST:PORT"),
        (["--bootstrap-server", ":9092"], "is not HOST:PORT"),
        (["--timeout-ms", "0"], "'0' is no number of milliseconds above 0"),
        (["--timeout-ms", "1" * 5000], "is no number of milliseconds"),
        (["--from-env", "--bootstrap-server", "localhost:1"], "--bootstrap-server says already what"),
        (["--config", "/no/such.properties"], "Cannot read the configuration file"),
        (["localhost:9092"], "ottla ping: unrecognized arguments: localhost:9092; see ottla ping --help."),
    ],
)
def test_a_bad_command_line_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    try:
        exit_code: object = ping(*arguments)
    except SystemExit as end:
        exit_code = end.code
    out, err = capsys.readouterr()
    assert (exit_code, out, err.count("\n")) == (2, "", 1)
    assert sentence in err


def test_it_imports_nothing_that_takes_long(answering: Callable[[bytes], str]) -> None:
    address = answering(b"\0\0\0\x0a\0\0\0\x01\0\0\0\0\0\x07")
    command = [sys.executable, "-X", "importtime", "-m", "ottla", "ping", "--bootstrap-server", address]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    imported = set(re.findall(r"^import time:.*\| +(\S+)$", done.stderr, re.MULTILINE))
    assert {"broker.cli.main", "socket"} <= imported
    packages = ("asyncio", "uvloop", "ssl", "sqlite3", "logging", "protocol", "storage", "broker.config", "broker.wire")
    assert [name for name in imported if name in packages or name.startswith(tuple(f"{p}." for p in packages))] == []
