"""A container's life: it stops cleanly, its data stays in the volume, and it gets by with little."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.records_over_the_wire import produce, read_all, values_of

from .conftest import StartBroker
from .container import BrokerContainer

TOPIC = "coffees"
STOPPED_CLEANLY = "The broker has stopped cleanly."
MEMORY_BYTES = 128 * 1024 * 1024
RESIDENT_BYTES_MAX = 60 * 1024 * 1024
HALF_A_CPU = 500_000_000  # in billionths
FOREIGN_USER = 47_110


def test_stop_ends_it_cleanly(start: StartBroker) -> None:
    broker = start()
    broker.wait_until_ready()
    assert broker.stop() == 0, broker.log
    assert STOPPED_CLEANLY in broker.log.splitlines()[-1]
    assert "Traceback" not in broker.log


def test_stop_right_after_the_start_ends_it_cleanly_too(start: StartBroker) -> None:
    broker = start()
    assert broker.stop() == 0, broker.log


@pytest.mark.parametrize(
    ("place", "environment"),
    [("/var/lib/ottla", {}), ("/var/lib/kafka/data", {"KAFKA_LOG_DIRS": "/var/lib/kafka/data"})],
    ids=["our volume", "as for apache kafka"],
)
def test_data_outlives_the_container(start: StartBroker, volume: str, place: str, environment: dict[str, str]) -> None:
    options: dict[str, Any] = {"published": True, "volumes": [f"{volume}:{place}"], "environment": environment}
    first = start(**options)
    write_and_read(first)
    assert first.stop() == 0
    first.container.remove(v=True)  # a volume that has a name stays
    second = start(**options)
    second.wait_until_ready()
    assert read(second) == [b"flat white"]


def test_it_lives_on_a_read_only_root(start: StartBroker) -> None:
    broker = start(published=True, read_only=True, tmpfs={"/var/lib/ottla": "mode=1777"})
    write_and_read(broker)
    assert broker.stop() == 0, broker.log


@pytest.mark.parametrize("user", [str(FOREIGN_USER), f"{FOREIGN_USER}:{FOREIGN_USER}"])
def test_any_user_may_run_it(start: StartBroker, volume: str, user: str) -> None:
    broker = start(published=True, user=user, volumes=[f"{volume}:/var/lib/ottla"])
    write_and_read(broker)
    assert broker.run("id", "-u").strip() == str(FOREIGN_USER)
    assert broker.stop() == 0, broker.log


def test_little_memory_and_half_a_processor_are_enough(start: StartBroker) -> None:
    broker = start(published=True, mem_limit=MEMORY_BYTES, memswap_limit=MEMORY_BYTES, nano_cpus=HALF_A_CPU)
    write_and_read(broker)
    assert broker.resident_bytes() <= RESIDENT_BYTES_MAX
    assert broker.stop() == 0, broker.log


def write_and_read(broker: BrokerContainer) -> None:
    broker.wait_until_ready()
    with broker.connect() as wire:
        topic = {"name": TOPIC, "num_partitions": 1, "replication_factor": 1}
        (made,) = wire.ask("CreateTopics", 7, timeout_ms=30_000, topics=[topic]).topics
        assert made.error_code == 0, made
        produce(wire, TOPIC, b"flat white")
    assert read(broker) == [b"flat white"]


def read(broker: BrokerContainer) -> list[bytes | None]:
    with broker.connect() as wire:
        return values_of(read_all(wire, TOPIC))
