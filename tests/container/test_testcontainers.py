"""testcontainers for Python starts the image as if it were cp-kafka's."""

from __future__ import annotations

import pytest
from testcontainers.community.kafka import KafkaContainer
from testcontainers.core.config import testcontainers_config

from .clients import round_trip_on_host


@pytest.fixture(autouse=True)
def _no_reaper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do without the container of theirs that removes what a killed run has left: its image may not be here."""
    monkeypatch.setattr(testcontainers_config, "ryuk_disabled", True)


def test_with_kraft(image: str) -> None:
    with KafkaContainer(image).with_kraft() as kafka:
        round_trip_on_host(kafka.get_bootstrap_server())


def test_with_zookeeper(image: str) -> None:
    with KafkaContainer(image) as kafka:
        round_trip_on_host(kafka.get_bootstrap_server())
