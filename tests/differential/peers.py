"""The two brokers that are compared, each with one node, two log directories and the same settings."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.kafka import KafkaBroker
from tests.support.broker_process import BrokerProcess

NODE_ID = 1
OFFSETS_PARTITIONS = 4
SETTINGS = {
    "node.id": str(NODE_ID),
    # Members join one by one, each of them awaited, so that a delay would only cost time.
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": str(OFFSETS_PARTITIONS),
    "offsets.topic.replication.factor": "1",
    # What is done in the background at times of its own is kept out of the comparison.
    "log.retention.check.interval.ms": "86400000",
    "log.initial.task.delay.ms": "86400000",
    "offsets.retention.check.interval.ms": "86400000",
    "producer.id.expiration.check.interval.ms": "86400000",
    # A cache that is full refuses sessions, depending on how old they are.
    "max.incremental.fetch.session.cache.slots": "100000",
}
_KAFKA_ALONE = {
    # One thread each keeps the order in which requests of several connections come in.
    "num.network.threads": "1",
    "num.io.threads": "1",
    "group.coordinator.threads": "1",
    "log.cleaner.enable": "false",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "log.segment.delete.delay.ms": "1000",
}
# Ottla has no features; these change what is answered, and a Kafka of this version may have them turned off.
_FEATURES = {"eligible.leader.replicas.version": 0, "share.version": 0}
HEAP = "384m"


class Peer(NamedTuple):
    """A broker that runs, and the paths of its log directories."""

    name: str
    address: tuple[str, int]
    log_directories: tuple[str, ...]


@contextmanager
def running_peers(parent: Path | None = None) -> Iterator[tuple[Peer, Peer]]:
    """Start a Kafka and an Ottla on directories of their own, and stop them at the end.

    Raises KafkaUnavailable where the first cannot run.
    """
    with tempfile.TemporaryDirectory(prefix="ottla-differential-", dir=parent) as directory:
        place = Path(directory)
        with kafka(place) as judge, ottla(place) as candidate:
            yield judge, candidate


@contextmanager
def kafka(place: Path) -> Iterator[Peer]:
    """A real Kafka."""
    directories = _log_directories(place, "kafka")
    properties = {**SETTINGS, **_KAFKA_ALONE, "log.dirs": ",".join(directories)}
    with KafkaBroker(place, properties=properties, features=_FEATURES, heap=HEAP) as broker:
        yield Peer("kafka", (broker.host, broker.port), directories)


@contextmanager
def ottla(place: Path) -> Iterator[Peer]:
    """Ottla, as of this checkout."""
    directories = _log_directories(place, "ottla")
    settings = {**SETTINGS, "log.segment.delete.delay.ms": "1000", "log.dirs": ",".join(directories)}
    arguments = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    data = str(place / "ottla")
    with BrokerProcess(place / "ottla.log", "--host", "127.0.0.1", "--data-dir", data, *arguments) as broker:
        yield Peer("ottla", broker.address, directories)
        assert broker.stop() == 0, broker.log[-4000:]
        assert "Traceback" not in broker.log, broker.log[-4000:]


def _log_directories(place: Path, name: str) -> tuple[str, ...]:
    return tuple(str(place / f"{name}-logs-{number}") for number in range(2))
