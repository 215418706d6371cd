"""What keeps a broker from starting is one sentence in the container's log, and exit code 2."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import StartBroker
from .container import PORT, BrokerContainer

DATA = "/var/lib/ottla"
EXIT_CANNOT_START = 2


def sentence(broker: BrokerContainer) -> str:
    """All that a broker has said that could not start."""
    assert broker.exit_code() == EXIT_CANNOT_START, broker.log
    (line,) = broker.log.splitlines()
    return line


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        (
            {"KAFKA_ADVERTISED_LISTENERS": "PLAINTEXT://0.0.0.0:9092"},
            "advertised.listeners cannot use 0.0.0.0, to which no client can connect; give an address",
        ),
        ({"KAFKA_LISTENERS": "localhost:9092"}, "which is not NAME://HOST:PORT"),
        ({"KAFKA_LISTENERS": "OUTSIDE://:9092"}, "add OUTSIDE:PLAINTEXT to it"),
        ({"KAFKA_LOG_RETENTION_MS": "a week"}, "KAFKA_LOG_RETENTION_MS"),
    ],
    ids=["advertised to nobody", "no protocol", "unknown protocol", "no number"],
)
def test_a_configuration_that_cannot_be(start: StartBroker, environment: dict[str, str], wanted: str) -> None:
    assert wanted in sentence(start(environment=environment))


def test_a_port_that_is_taken(start: StartBroker) -> None:
    first = start()
    first.wait_until_ready()
    second = start(network_mode=f"container:{first.container.id}")
    assert f"Port {PORT} is in use; stop the other process or choose another port" in sentence(second)


def test_a_volume_that_is_read_only(start: StartBroker, volume: str) -> None:
    said = sentence(start(volumes=[f"{volume}:{DATA}:ro"]))
    assert f"The data directory {DATA}" in said
    assert "Read-only file system; mount it writable" in said


def test_a_volume_of_another_user(start: StartBroker, volume: str) -> None:
    prepare(start, volume, f"touch {DATA}/theirs && chown 4711 {DATA} && chmod 755 {DATA}")
    said = sentence(start(volumes=[f"{volume}:{DATA}"]))
    assert f"The data directory {DATA}" in said
    assert "is not one that user 1000 may write to; give it to that user, run as its owner" in said


def test_a_volume_written_by_a_newer_version(start: StartBroker, volume: str) -> None:
    older = start(volumes=[f"{volume}:{DATA}"])
    older.wait_until_ready()
    assert older.stop() == 0
    newer = f"import sqlite3; sqlite3.connect('{DATA}/ottla-data/metadata.db').execute('PRAGMA user_version = 1000')"
    prepare(start, volume, f'python -c "{newer}"')
    assert "was written by a newer version of Ottla; use that version" in sentence(start(volumes=[f"{volume}:{DATA}"]))


def prepare(start: StartBroker, volume: str, script: str) -> None:
    """Change a volume as root."""
    options: dict[str, Any] = {"volumes": [f"{volume}:{DATA}"], "user": "0"}
    done = start("sh", "-c", script, **options)
    assert done.exit_code() == 0, done.log
