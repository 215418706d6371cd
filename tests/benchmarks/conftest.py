"""Brokers for the smoke runs: Ottla from this checkout, and a real Kafka where Java is."""

from collections.abc import Iterator

import pytest

from benchmarks.kafka import KafkaBroker
from benchmarks.ottla_process import OttlaBroker
from tests.support.java import require_kafka


@pytest.fixture(scope="session")
def ottla() -> Iterator[OttlaBroker]:
    """A running Ottla."""
    with OttlaBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaBroker]:
    """A running Kafka with a small heap, whose new groups do not wait three seconds for members."""
    require_kafka()
    with KafkaBroker(heap="512m", properties={"group.initial.rebalance.delay.ms": "100"}) as broker:
        yield broker
