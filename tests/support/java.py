"""Tests that need Kafka's Java programs: skipped where there is no Java, failed where it is required (in CI)."""

import os

import pytest

from benchmarks.kafka import unavailable

FETCH_TIMEOUT_S = 600
"""`pytest.mark.timeout` of a test that may be the first to fetch Kafka's jars."""


def require_kafka() -> None:
    """Skip the calling test or fixture, with the reason, where Kafka cannot run; fail it if OTTLA_REQUIRE_JAVA is 1."""
    reason = unavailable()
    if reason is None:
        return
    if os.environ.get("OTTLA_REQUIRE_JAVA") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
