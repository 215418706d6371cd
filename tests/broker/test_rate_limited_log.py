"""A log that a hostile client cannot fill."""

from __future__ import annotations

import logging

import pytest

from broker.rate_limited_log import RateLimitedLog
from tests.support.manual_clock import ManualClock


def test_one_line_an_interval_and_a_count_of_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    log = RateLimitedLog(logging.getLogger("limited"), clock, interval_ms=1_000)
    for i in range(5):
        log.warning("line %d", i)
    clock.advance(1_000)
    log.warning("line %d", 5)
    clock.advance(1_000)
    log.warning("line %d", 6)
    assert [record.getMessage() for record in caplog.records] == [
        "line 0",
        "line 5 (4 similar lines left out)",
        "line 6",
    ]
