"""A log that a hostile client cannot fill."""

from __future__ import annotations

import asyncio
import logging

import pytest

from broker.rate_limited_log import RateLimitedLog
from tests.support.manual_clock import ManualClock


def made(clock: ManualClock) -> RateLimitedLog:
    return RateLimitedLog(logging.getLogger("limited"), clock, interval_ms=1_000)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_one_line_an_interval_and_a_count_of_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    log = made(clock)
    for i in range(5):
        log.warning("line %d", i)
    clock.advance(1_000)
    log.warning("line %d", 5)
    clock.advance(1_000)
    log.warning("line %d", 6)
    assert lines(caplog) == ["line 0", "line 5 (4 similar lines were left out)", "line 6"]


@pytest.mark.parametrize(
    ("count", "last"),
    [
        (1, []),
        (2, ["line 1"]),
        (3, ["line 2 (1 similar line was left out)"]),
        (4, ["line 3 (2 similar lines were left out)"]),
    ],
)
def test_the_last_line_is_shown_in_the_end(caplog: pytest.LogCaptureFixture, count: int, last: list[str]) -> None:
    clock = ManualClock()
    log = made(clock)
    for i in range(count):
        log.warning("line %d", i)
    log.flush()
    log.flush()
    assert lines(caplog) == ["line 0", *last]


def test_a_flushed_line_counts_for_the_interval(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    log = made(clock)
    for i in range(2):
        log.warning("line %d", i)
    clock.advance(1_000)
    log.flush()
    log.warning("line %d", 2)
    assert lines(caplog) == ["line 0", "line 1"]


def test_each_cause_has_its_own_lines(caplog: pytest.LogCaptureFixture) -> None:
    log = made(ManualClock())
    log.warning("refused: %s", "API 24", cause=24)
    log.warning("refused: %s", "API 68", cause=68)
    log.warning("refused: %s", "API 24 again", cause=24)
    log.warning("another message")
    assert lines(caplog) == ["refused: API 24", "refused: API 68", "another message"]


def test_causes_beyond_a_handful_are_one_until_the_others_are_over(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    log = made(clock)
    for cause in range(1_000):
        log.warning("cause %d", cause, cause=cause)
    shown = len(caplog.records)
    assert shown < 10
    log.flush()
    assert lines(caplog)[shown:] == [f"cause 999 ({1_000 - shown - 1} similar lines were left out)"]
    clock.advance(1_000)
    caplog.clear()
    log.warning("cause %d", 1_000, cause=1_000)
    log.warning("cause %d", 1_001, cause=1_001)
    assert lines(caplog) == ["cause 1000", "cause 1001"]


async def test_on_a_loop_nobody_waits_for_the_next_line(caplog: pytest.LogCaptureFixture) -> None:
    """A timer is set when a line was left out, and not again after that."""
    loop = asyncio.get_running_loop()
    flushed = loop.create_future()

    class Log(RateLimitedLog):
        def flush(self) -> None:
            super().flush()
            flushed.set_result(None)  # which a second time would be an error

    log = Log(logging.getLogger("limited"), ManualClock(), interval_ms=1)
    log.warning("line %d", 0)
    assert log._flush_timer is None
    for i in range(1, 4):
        log.warning("line %d", i)
    async with asyncio.timeout(10):
        await flushed
    assert log._flush_timer is None
    assert lines(caplog) == ["line 0", "line 3 (2 similar lines were left out)"]
