"""Brokers for the smoke runs: Ottla from this checkout, and a real Kafka where Java is."""

from collections.abc import Iterator

import pytest

from benchmarks.kafka import KafkaBroker
from benchmarks.ottla_process import OttlaBroker
from tests.support.java import require_kafka


@pytest.fixture(scope="module")
def ottla() -> Iterator[OttlaBroker]:
    """A running Ottla."""
    with OttlaBroker() as broker:
        yield broker


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaBroker]:
    """A running Kafka with a small heap."""
    require_kafka()
    with KafkaBroker(heap="512m") as broker:
        yield broker
