"""Tests that need Java or Kafka's Java programs: skipped where they are missing, failed where required (in CI)."""

import os
import shutil

import pytest

from benchmarks.kafka import unavailable

FETCH_TIMEOUT_S = 600
"""`pytest.mark.timeout` of a test that may be the first to fetch Kafka's jars."""


def require_kafka() -> None:
    """Skip the calling test or fixture, with the reason, where Kafka cannot run; fail it if OTTLA_REQUIRE_JAVA is 1."""
    _require(unavailable())


def require_java() -> None:
    """The same where there is no java."""
    _require(None if shutil.which("java") else "There is no java on the PATH.")


def _require(reason: str | None) -> None:
    if reason is None:
        return
    if os.environ.get("OTTLA_REQUIRE_JAVA") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
