"""Kafka's ClientCompatibilityTest: its own producer, consumer and admin client find all that a modern broker has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.admin_over_the_wire import topics
from tests.support.java import FETCH_TIMEOUT_S
from tests.support.records_over_the_wire import list_offset
from tests.support.under_test import settled
from tests.support.wire import WireClient

from .tool import Tool

CREATED = "newtopic"
"""The topic that it creates."""

SUPPORTED = (
    "offsets-for-times-supported",
    "cluster-id-supported",
    "create-topics-supported",
    "describe-acls-supported",
    "describe-configs-supported",
    "idempotent-producer-supported",
)

pytestmark = pytest.mark.timeout(FETCH_TIMEOUT_S)


@pytest.fixture(autouse=True)
def _created(wire: WireClient) -> Iterator[None]:
    def delete() -> None:
        wire.ask("DeleteTopics", 6, topics=[{"name": CREATED}], timeout_ms=30_000)
        assert settled(lambda: CREATED not in topics(wire), "the topic is gone")

    delete()
    yield
    delete()


def test_client_compatibility(bootstrap: str, wire: WireClient, topic: str) -> None:
    command = Tool("org.apache.kafka.tools.ClientCompatibilityTest", bootstrap)
    supported = [word for name in SUPPORTED for word in (f"--{name}", "true")]
    cluster = ("--num-cluster-nodes", "1", "--expect-record-too-large-exception", "false")
    printed = command("--topic", topic, *cluster, *supported)
    assert printed == "SUCCESS.\n"
    assert list_offset(wire, topic, -1).offset == 2
    assert CREATED in topics(wire)
