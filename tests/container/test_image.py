"""What the image consists of."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import Any

import pytest

from .conftest import StartBroker

ADDED_BYTES_MAX = 30 * 1024 * 1024


@pytest.fixture(scope="module")
def description(engine: Any, image: str) -> Any:
    """What the engine knows of the image."""
    return engine.images.get(image).attrs["Config"]


def test_what_is_added_to_the_base_is_small(engine: Any, image: str) -> None:
    with tarfile.open(fileobj=io.BytesIO(b"".join(engine.images.get(image).save()))) as archive:

        def read(name: str) -> bytes:
            member = archive.extractfile(name)
            assert member is not None
            return member.read()

        (manifest,) = json.loads(read("manifest.json"))
        configuration = json.loads(read(manifest["Config"]))
        # The base's layers are those of the history before the first step of ours.
        ours = next(i for i, step in enumerate(configuration["history"]) if "compileall" in step.get("created_by", ""))
        base = sum(not step.get("empty_layer") for step in configuration["history"][:ours])
        sizes = [len(gzip.compress(read(layer))) for layer in manifest["Layers"][base:]]
    assert len(sizes) == 3
    assert sum(sizes) <= ADDED_BYTES_MAX


def test_it_runs_as_a_user_without_rights(description: Any) -> None:
    assert description["User"] == "1000"
    assert list(description["Volumes"]) == ["/var/lib/ottla"]


def test_it_has_no_compiler(start: StartBroker) -> None:
    broker = start("sh", "-c", "! command -v cc gcc c++ g++ clang rustc cargo make")
    assert broker.exit_code() == 0, broker.log


def test_every_module_it_serves_with_has_byte_code(start: StartBroker) -> None:
    # Python's -v tells of each module where its code is from; that of byte code stands in quotes.
    broker = start("python", "-v", "-m", "ottla", "serve", "--from-env")
    broker.wait_until_ready()
    assert "# code object from /" not in broker.log


@pytest.mark.parametrize(
    ("command", "said"), [((), False), (("/etc/kafka/docker/run",), True), (("/etc/confluent/docker/run",), True)]
)
def test_it_speaks_as_a_kafka_only_where_it_is_called_as_one(
    start: StartBroker, command: tuple[str, ...], said: bool
) -> None:
    broker = start(*command, environment={"KAFKA_NODE_ID": "7"})
    broker.wait_until_ready()
    assert broker.stop() == 0, broker.log
    for words in ("Kafka Server started", "[KafkaServer id=7] started", "Transitioning from RECOVERY to RUNNING"):
        assert (words in broker.log) == said


def test_the_health_check_tells_a_broker_from_none(start: StartBroker) -> None:
    broker = start(healthcheck={"interval": 250_000_000})  # nanoseconds; the rest is the image's
    broker.wait_until_healthy()
    exit_code, output = broker.container.exec_run(["ottla", "ping", "--bootstrap-server", "localhost:1"])
    assert exit_code == 1, output
